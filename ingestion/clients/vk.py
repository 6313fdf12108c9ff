"""The VK API, version 5.199: posts of public walls and the comments under them.

`wall.get` and `wall.getComments` are read page by page (count and offset), three calls a second.
An error comes as HTTP 200 with an envelope: 6, 9, 10 and 29 are waited out, the rest is told.
The token travels in the body of a POST, never in an address.

Only public walls that the YAML names are read, and `extended` stays 0: no profile is asked for.

`newsfeed.search` (an entity with that `endpoint`) is asked for each query of a region. It hands out
1,000 posts of a query at most, so a window that holds more is halved until each part fits.

Recorded answers (an entity with `recorded`) are asked for by method, as many as the listing says;
`offset` is then the number of the answer, from 0.

Every page is named by its method and what tells it from others (owner, post, offset), never by the
token: the name is the place of what goes to quarantine.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from ingestion.clients.base import Delivery, Item, Page
from ingestion.clients.open311 import parse_json
from ingestion.clients.register import transport_of
from ingestion.clients.transport import Transport
from ingestion.errors import FetchError, RecordError, UnreadableAnswer
from ingestion.mapping import canonical_json
from ingestion.source import Entity, Region, Source, Wall, Window

VERSION = "5.199"
SEARCH = "newsfeed.search"
# What the documentation of newsfeed.search gives as its limits: posts a call, posts a query.
_SEARCH_PAGE = 200
_SEARCH_REACH = 1_000
_THREAD_ITEMS = 10
# Errors that pass by themselves, with the seconds of the first wait.
_WAITS = {6: 0.4, 9: 5.0, 10: 1.0, 29: 30.0}
_LONGEST_WAIT = 120.0
_POST_TYPES = frozenset({"post", "copy", "reply", "postpone", "suggest"})
# Comments that are closed, or a post that went while we read: there is nothing to get.
_NO_COMMENTS = frozenset({15, 18, 30, 212, 213})
# Too many a second is no failure but the pace: it is waited out longer than an outage.
_PACE = 6
_PACE_ATTEMPTS = 40
# What tells an answer of a method from its others.
_PLACE = ("q", "start_time", "end_time", "owner_id", "post_id", "comment_id", "offset")

_COMMENT_METHODS = frozenset(
    {
        "wall.getComment",
        "wall.getComments",
        "board.getComments",
        "photos.getComments",
        "video.getComments",
    }
)


class _Busy(Exception):
    """An error envelope that says: later."""

    def __init__(self, number: int, error: FetchError) -> None:
        super().__init__(str(error))
        self.number = number
        self.error = error


class VkApiError(FetchError):
    """An error envelope; `number` is VK's own code."""

    def __init__(self, number: int, detail: str) -> None:
        code = "http_unauthorised" if number == 5 else "api_error"
        super().__init__(code, detail)
        self.number = number


class VkClient:
    """The walls of one region."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        self._source = source
        self._region = region
        self._transport = transport or transport_of(source, bearer=False)
        # What `posts` has read, so that `comments` of the same run need not ask again.
        self._read_posts: dict[tuple[int, Window | None], list[tuple[int, int]]] = {}
        self._bodies = {wall.owner_id for wall in region.walls}

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        return self._transport.calls

    # --- what the loader sees ------------------------------------------------------------------

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        base = f"{self._region.endpoint}/method"
        if entity.recorded is not None:
            yield Delivery(name=base, pages=self._recorded(entity.recorded))
            return
        if window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        if entity.endpoint == SEARCH:
            yield Delivery(name=f"{base}/{SEARCH}", pages=self._searches(window))
        elif entity.kind == "comment":
            yield Delivery(name=f"{base}/wall.getComments", pages=self._comments(window))
        else:
            yield Delivery(name=f"{base}/wall.get", pages=self._posts(window))

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        content = path.read_bytes()
        response = _response(parse_json(content, name), content, name)
        yield Page(list(items_of(response, method=None)))

    # --- calls ---------------------------------------------------------------------------------

    def _call(
        self, method: str, parameters: dict[str, Any], *, read: int | None = None
    ) -> tuple[Any, Page]:
        """The `response` of a method and an empty page that carries its bytes and its name.

        `read` is how many records came before it, for a method that has no `offset`.
        """
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(_Busy),
                stop=self._stop,
                wait=_wait,
                sleep=self._transport.pause,
                reraise=True,
            ):
                with attempt:
                    response, page = self._once(method, parameters, read)
        except _Busy as failure:
            raise failure.error from None
        return response, page

    def _place(self, method: str, parameters: dict[str, Any], read: int | None) -> str:
        """The name of an answer. A person is no part of it: only communities are named."""
        told = {**parameters, "offset": parameters.get("offset", read)}
        if told.get("owner_id", 0) > 0:
            numbers = [wall.owner_id for wall in self._region.walls]
            del told["owner_id"]
            told = {"wall": numbers.index(parameters["owner_id"]) + 1, **told}
        chosen = [name for name in ("wall", *_PLACE) if told.get(name) is not None]
        return f"{self._region.endpoint}/method/{method}?" + "&".join(
            f"{name}={told[name]}" for name in chosen
        )

    def _stop(self, state: RetryCallState) -> bool:
        failure = state.outcome.exception() if state.outcome else None
        is_pace = isinstance(failure, _Busy) and failure.number == _PACE
        return state.attempt_number >= (_PACE_ATTEMPTS if is_pace else self._source.attempts)

    def _once(
        self, method: str, parameters: dict[str, Any], read: int | None = None
    ) -> tuple[Any, Page]:
        limit = self._source.max_calls
        if limit is not None and self._transport.calls >= limit:
            raise FetchError(
                "call_budget_exhausted", f"{self._source.code}: {limit} calls, next {method}"
            )
        token = self._source.token.get_secret_value() if self._source.token else ""
        form = {**parameters, "v": VERSION, "access_token": token}
        url = f"{self._region.endpoint}/method/{method}"
        with self._transport.fetch(url, form=form) as answer:
            content = answer.read()
            place = self._place(method, parameters, read)
            page = Page([], sha256=answer.sha256, bytes_read=answer.size, name=place)
        document = parse_json(content, place)
        if isinstance(document, dict) and isinstance(document.get("error"), dict):
            # `request_params` of the envelope repeat the token: only code and message are kept.
            number = int(document["error"].get("error_code") or 0)
            message = str(document["error"].get("error_msg", ""))[:200].replace(token or "\0", "…")
            error = VkApiError(number, f"{method}: error {number}, {message}")
            if number in _WAITS:
                raise _Busy(number, error)
            raise error
        return _response(document, content, place), page

    # --- walls ---------------------------------------------------------------------------------

    def _posts(self, window: Window) -> Iterator[Page]:
        for wall in self._region.walls:
            yield from self._wall(wall, window)

    def _wall(self, wall: Wall, window: Window) -> Iterator[Page]:
        """The pages of a wall, back to the start of the window: what they lack is not there."""
        size = min(self._source.page_size, 100)
        offset = 0
        read: list[tuple[int, int]] = []
        known: int | None = None
        passed: set[tuple[int, int]] = set()
        while True:
            response, page = self._call(
                "wall.get", {"owner_id": wall.owner_id, "count": size, "offset": offset}
            )
            found = _listed(response)
            page.items = list(items_of(response, method="wall.get", owner_id=wall.owner_id))
            for post in found:
                if not isinstance(post, dict):
                    continue
                comments = post.get("comments")
                count = comments.get("count", 0) if isinstance(comments, dict) else 0
                if count and post.get("date", 0) >= window.start.timestamp():
                    read.append((int(post["id"]), int(count)))
            yield page
            total = _count(response, "count")
            gone = 0 if known is None else known - total
            known = total
            if gone > 0:
                # Posts were deleted meanwhile, and others moved up into what had been read.
                if (offset, total) in passed:
                    raise FetchError("paging_stuck", page.name or "wall.get")
                passed.add((offset, total))
                offset = max(0, offset - gone)
                continue
            # An empty page before the end holds posts that are not for everybody.
            offset += len(found) or size
            # Walls are listed from the newest; a pinned post stands first whatever its date.
            dates = [
                post.get("date", 0)
                for post in found
                if isinstance(post, dict) and not post.get("is_pinned")
            ]
            if offset >= total or (dates and max(dates) < window.start.timestamp()):
                break
        # A post that came twice is asked for its comments once.
        self._read_posts[wall.owner_id, window] = list(dict(read).items())

    def _comments(self, window: Window) -> Iterator[Page]:
        for wall in self._region.walls:
            if (wall.owner_id, window) not in self._read_posts:
                for page in self._wall(wall, window):
                    # Their posts belong to the other entity.
                    yield Page([], bytes_read=page.bytes_read)
            for post_id, _count in self._read_posts[wall.owner_id, window]:
                yield from self._under(wall.owner_id, post_id)

    def _under(self, owner_id: int, post_id: int, comment_id: int | None = None) -> Iterator[Page]:
        size = min(self._source.page_size, 100)
        offset = 0
        while True:
            parameters: dict[str, Any] = {
                "owner_id": owner_id,
                "post_id": post_id,
                "count": size,
                "offset": offset,
                "sort": "asc",
                "thread_items_count": _THREAD_ITEMS,
            }
            if comment_id is not None:
                parameters["comment_id"] = comment_id
            try:
                response, page = self._call("wall.getComments", parameters)
            except VkApiError as error:
                if error.number in _NO_COMMENTS:
                    return
                raise
            found = _listed(response)
            page.items = list(
                items_of(response, method="wall.getComments", owner_id=owner_id, post_id=post_id)
            )
            yield page
            offset += len(found)
            if comment_id is None:
                for comment in found:
                    thread = comment.get("thread") if isinstance(comment, dict) else None
                    if isinstance(thread, dict) and int(thread.get("count") or 0) > len(
                        thread.get("items") or []
                    ):
                        yield from self._under(owner_id, post_id, int(comment["id"]))
            total = _count(response, "current_level_count", "count")
            if not found or offset >= total:
                return

    # --- search --------------------------------------------------------------------------------

    def _searches(self, window: Window) -> Iterator[Page]:
        # Both bounds of a search are whole seconds and belong to it; the end of a window does not.
        first = math.ceil(window.start.timestamp())
        last = math.ceil(window.end.timestamp()) - 1
        for query in self._region.queries:
            yield from self._search(query, first, last)

    def _search(self, query: str, first: int, last: int) -> Iterator[Page]:
        parameters: dict[str, Any] = {
            "q": query,
            "count": min(self._source.page_size, _SEARCH_PAGE),
            "start_time": first,
            "end_time": last,
        }
        read = 0
        passed: set[str] = set()
        while True:
            response, page = self._call(SEARCH, parameters, read=read)
            is_full = _count(response, "total_count", "count") > _SEARCH_REACH
            if is_full and not read and first < last:
                yield page
                yield from self._halves(query, first, last)
                return
            page.items = list(items_of(response, method=SEARCH))
            for item in page.items:
                # Any community may be found: only those of bodies write as a body.
                if item.derived.get("is_by_body"):
                    item.derived["is_by_body"] = item.derived["owner"] in self._bodies
            yield page
            read += len(page.items)
            following = response.get("next_from") if isinstance(response, dict) else None
            if not following or not _listed(response):
                break
            if following in passed:
                raise FetchError("paging_stuck", f"{SEARCH}: next_from {following}")
            passed.add(following)
            parameters["start_from"] = following
        if read < _SEARCH_REACH:
            return
        if first == last:
            raise FetchError("search_overflow", f"{query!r} at {first}: {read} and more")
        # What was handed out comes again in the two halves; the same twice is the same once.
        yield from self._halves(query, first, last)

    def _halves(self, query: str, first: int, last: int) -> Iterator[Page]:
        middle = (first + last) // 2
        yield from self._search(query, first, middle)
        yield from self._search(query, middle + 1, last)

    # --- recorded answers ----------------------------------------------------------------------

    def _recorded(self, listing: str) -> Iterator[Page]:
        """Every recorded answer once. One that cannot be read is kept, the others go on."""
        with self._transport.fetch(listing) as answer:
            content = answer.read()
            methods = parse_json(content, answer.address)
            yield Page([], bytes_read=answer.size)
        if not isinstance(methods, dict):
            raise UnreadableAnswer(
                "unexpected_answer", f"{listing}: no methods", content=content, name=listing
            )
        for method, count in sorted(methods.items()):
            for number in range(int(count)):
                yield self._recorded_answer(method, number)

    def _recorded_answer(self, method: str, number: int) -> Page:
        try:
            response, page = self._once(method, {"offset": number, "count": 100})
        except UnreadableAnswer as error:
            kept = RecordError(error.code, error.detail)
            return Page([Item({}, error=kept, raw=error.content.read())], name=error.name)
        except (VkApiError, _Busy) as failure:
            # A recorded error is an answer too; a refused token is the server's own.
            error_told = failure.error if isinstance(failure, _Busy) else failure
            if error_told.code == "http_unauthorised":
                raise error_told from None
            kept = RecordError("api_error", error_told.detail)
            name = self._place(method, {"offset": number}, None)
            return Page([Item({}, error=kept, raw=error_told.detail.encode())], name=name)
        page.items = list(items_of(response, method=method))
        return page


def _wait(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    first = _WAITS[failure.number] if isinstance(failure, _Busy) else 1.0
    if isinstance(failure, _Busy) and failure.number == _PACE:
        # Several regions share one token: each comes back at another moment.
        return first + random.random()
    return float(min(first * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT))


def _response(document: Any, content: bytes, name: str) -> Any:
    """What an answer carries; `wall.getById` gives a bare list, a deletion just a 1."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and "response" in document:
        return document["response"]
    raise UnreadableAnswer(
        "unexpected_answer", f"{name}: no `response` in it", content=content, name=name
    )


def _listed(response: Any) -> list[Any]:
    if isinstance(response, dict):
        response = response.get("items")
    if not isinstance(response, list):
        return []
    # Before version 5 the count stood first in the list.
    return response[1:] if response and isinstance(response[0], int) else response


def _count(response: Any, *names: str) -> int:
    if not isinstance(response, dict):
        return 0
    return int(next((response[name] for name in names if name in response), 0) or 0)


def items_of(
    response: Any,
    *,
    method: str | None,
    owner_id: int | None = None,
    post_id: int | None = None,
) -> Iterator[Item]:
    """The posts and comments of an answer, replies in threads as records of their own.

    `row_number` is the place in the answer, from 1; a reply has that of its comment.
    What is neither is yielded with an error, so that it is counted with its reason.
    """
    listed = response.get("items") if isinstance(response, dict) else response
    if not isinstance(listed, list):
        error = RecordError("no_item", f"{method or 'The answer'} gave {_names(response)}")
        yield Item({}, error=error, raw=canonical_json(response))
        return
    found = _listed(response)
    # A deleted comment carries neither owner nor post: its neighbours in the answer do.
    if owner_id is None:
        owner_id = _shared(found, "owner_id")
    if post_id is None:
        post_id = _shared(found, "post_id") if _looks_like_comments(found, method) else None
    is_comments = _looks_like_comments(found, method)
    for number, item in enumerate(found, start=1):
        for one in _flat(item, is_comments, owner_id, post_id, None):
            one.row_number = number
            yield one


def _flat(
    item: Any, is_comment: bool, owner_id: int | None, post_id: int | None, parent: int | None
) -> Iterator[Item]:
    if not isinstance(item, dict):
        error = RecordError("not_an_object", f"An item is a {type(item).__name__}")
        yield Item({}, error=error, raw=canonical_json(item))
        return
    kind = item.get("type", "post")
    if not is_comment and (kind not in _POST_TYPES or "date" not in item):
        told = kind if "type" in item else "record without a date"
        error = RecordError("not_a_post", f"The item is a {str(told)[:40]}")
        yield Item({}, error=error, raw=canonical_json(item))
        return
    fields = dict(item)
    replies: list[Any] = []
    thread = fields.get("thread")
    if isinstance(thread, dict):
        replies = list(thread.get("items") or [])
        fields["thread"] = {"count": thread.get("count", 0)}
    is_comment = is_comment or kind == "reply" or item.get("post_type") == "reply"
    derived = facts(fields, is_comment, owner_id, post_id, parent)
    if derived["id"] is None:
        error = RecordError("not_a_post", "The item has no number")
        yield Item({}, error=error, raw=canonical_json(item))
        return
    yield Item(fields, derived=derived)
    for reply in replies:
        yield from _flat(reply, True, owner_id, post_id, derived["id"])


def facts(
    fields: dict[str, Any],
    is_comment: bool,
    owner_id: int | None,
    post_id: int | None,
    parent: int | None,
) -> dict[str, Any]:
    """What the place of an item in its answer tells: owner, number, author, kind, parent."""
    owner = fields.get("owner_id", fields.get("source_id", fields.get("to_id", owner_id)))
    number = fields.get("id", fields.get("post_id"))
    writer = fields.get("from_id", None if is_comment else owner)
    signer = fields.get("signer_id")
    author = signer if signer else writer
    is_community = isinstance(owner, int) and owner < 0
    under = fields.get("post_id", post_id) if is_comment else None
    if is_comment and parent is None:
        parents = fields.get("parents_stack") or []
        parent = parents[-1] if parents else None
    url = None
    if is_community and number is not None:
        place = under if is_comment else number
        url = f"https://vk.com/wall{owner}_{place}" + (f"?reply={number}" if is_comment else "")
    latitude, longitude = _coordinates(fields.get("geo"))
    return {
        "kind": "comment" if is_comment else "post",
        # Nobody has the number 0: a record whose wall no answer tells is kept under it.
        "owner": owner if owner is not None else 0,
        "id": number,
        "author": author if isinstance(author, int) and author > 0 else None,
        "parent": parent if parent is not None else under,
        # A community that writes on its own wall is the body itself; a signed post is a citizen's.
        "is_by_body": is_community and not signer and writer == owner,
        "is_deleted": bool(fields.get("deleted") or fields.get("is_deleted")),
        "is_repost": bool(fields.get("copy_history")),
        "url": url,
        "latitude": latitude,
        "longitude": longitude,
    }


def _coordinates(geo: Any) -> tuple[float | None, float | None]:
    coordinates = geo.get("coordinates") if isinstance(geo, dict) else None
    if isinstance(coordinates, dict):
        return coordinates.get("latitude"), coordinates.get("longitude")
    if isinstance(coordinates, str):
        parts = coordinates.split()
        if len(parts) == 2:
            try:
                return float(parts[0]), float(parts[1])
            except ValueError:
                return None, None
    return None, None


def _shared(found: list[Any], name: str) -> int | None:
    values = {item[name] for item in found if isinstance(item, dict) and name in item}
    return values.pop() if len(values) == 1 else None


def _looks_like_comments(found: list[Any], method: str | None) -> bool:
    if method is not None and method != "unknown":
        return method in _COMMENT_METHODS
    return any(isinstance(item, dict) and "parents_stack" in item for item in found)


def _names(response: Any) -> str:
    if not isinstance(response, dict):
        return f"a {type(response).__name__}"
    return json.dumps(sorted(response), ensure_ascii=False)[:120]
