"""Одноклассники: topics of public groups and the comments under them (https://api.ok.ru/fb.do).

`stream.get` and `discussions.getComments` are read page by page: each answer carries the `anchor`
of the next one. A request is signed: `sig` is the MD5 of its parameters in the order of their
names and of the session's secret key, which is never sent; the access token is no part of it. Both
token and signature travel in the body of a POST. An error comes as HTTP 200 with `error_code`.

Only the fields of topics and comments are asked for, never those of users: no profile is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from ingestion.clients.base import Delivery, Item, Page
from ingestion.clients.open311 import parse_json
from ingestion.clients.register import transport_of
from ingestion.clients.transport import Transport
from ingestion.errors import FetchError, RecordError, UnreadableAnswer
from ingestion.mapping import canonical_json
from ingestion.source import Entity, Group, Region, Source, Window

STREAM = "stream.get"
COMMENTS = "discussions.getComments"
_PAGE = 100
# Errors that pass by themselves, with the seconds of the first wait: SERVICE (2), FLOOD_BLOCKED
# (8), LIMIT_REACHED (11).
_WAITS = {2: 2.0, 8: 30.0, 11: 30.0}
_LONGEST_WAIT = 120.0
# Keys, session and signature: 101 to 105, 453 (a session is required).
_UNAUTHORISED = frozenset({101, 102, 103, 104, 105, 453})
# The topic went while we read: there is nothing to get.
_NOT_FOUND = 300
_TOPIC = re.compile(r"media_topic:(\d+)")
_MARKUP = re.compile(r"\{[a-z_]+(?::\d+)?\}")
_DIGITS = re.compile(r"\d+")
# What older answers give without a zone is Moscow time.
_MOSCOW = ZoneInfo("Europe/Moscow")
# They repeat the text of the topic and name persons in it.
_FEED_TEXTS = frozenset({"message", "message_tokens", "title", "title_tokens"})


class OkApiError(FetchError):
    """An `error_code`; `number` is Odnoklassniki's own."""

    def __init__(self, number: int, detail: str) -> None:
        code = "http_unauthorised" if number in _UNAUTHORISED else "api_error"
        super().__init__(code, detail)
        self.number = number


class _Busy(Exception):
    """An error that says: later."""

    def __init__(self, error: OkApiError) -> None:
        super().__init__(str(error))
        self.error = error


def signature(parameters: Mapping[str, str], secret: str) -> str:
    """MD5 of `name=value` in the order of the names, without separators, and of the secret."""
    text = "".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return hashlib.md5(f"{text}{secret}".encode(), usedforsecurity=False).hexdigest()


class OdnoklassnikiClient:
    """The groups of one region."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        self._source = source
        self._region = region
        self._transport = transport or transport_of(source, bearer=False)
        # Topics with comments that `posts` has read, so that `comments` need not ask again.
        self._read: dict[tuple[str, Window], list[tuple[str, str]]] = {}

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        return self._transport.calls

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        if window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        if entity.kind == "comment":
            yield Delivery(f"{self._region.endpoint}?method={COMMENTS}", self._comments(window))
        else:
            yield Delivery(f"{self._region.endpoint}?method={STREAM}", self._posts(window))

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        """An answer again, or one feed that was no topic."""
        content = path.read_bytes()
        document = parse_json(content, name)
        if not isinstance(document, dict):
            raise _unexpected(content, name)
        if "comments" in document:
            yield Page(list(comments_of(document, "", {})))
        elif "feeds" in document:
            yield Page(list(topics_of(document, self._group_of_feeds(document))))
        else:
            yield Page([_no_topic(document)])

    def _group_of_feeds(self, document: dict[str, Any]) -> Group:
        """The declared group that an answer is of."""
        text = canonical_json(document.get("feeds")).decode()
        return next(
            (one for one in self._region.groups if f"group:{one.gid}" in text),
            Group(gid="0"),
        )

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, method: str, parameters: dict[str, str]) -> tuple[dict[str, Any], Page]:
        """The answer of a method and an empty page that carries its bytes."""
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(_Busy),
                stop=stop_after_attempt(self._source.attempts),
                wait=_wait,
                sleep=self._transport.pause,
                reraise=True,
            ):
                with attempt:
                    document, page = self._once(method, parameters)
        except _Busy as failure:
            raise failure.error from None
        return document, page

    def _once(self, method: str, parameters: dict[str, str]) -> tuple[dict[str, Any], Page]:
        limit = self._source.max_calls
        if limit is not None and self._transport.calls >= limit:
            raise FetchError(
                "call_budget_exhausted", f"{self._source.code}: {limit} calls, next {method}"
            )
        token = self._source.token.get_secret_value() if self._source.token else ""
        secret = self._source.secret.get_secret_value() if self._source.secret else ""
        signed = {
            **parameters,
            "application_key": self._source.application_key or "",
            "format": "json",
            "method": method,
        }
        form = {**signed, "sig": signature(signed, secret), "access_token": token}
        with self._transport.fetch(self._region.endpoint, form=form) as answer:
            content = answer.read()
            page = Page([], sha256=answer.sha256, bytes_read=answer.size)
            name = f"{answer.address}?method={method}"
        document = parse_json(content, name)
        if not isinstance(document, dict):
            raise _unexpected(content, name)
        if "error_code" in document:
            code = document["error_code"]
            number = code if isinstance(code, int) else 0
            message = str(document.get("error_msg", ""))[:200]
            for hidden in (token, secret):
                message = message.replace(hidden or "\0", "…")
            error = OkApiError(number, f"{method}: error {number}, {message}")
            if number in _WAITS:
                raise _Busy(error)
            raise error
        if method == STREAM and not ({"feeds", "anchor"} & set(document)):
            # The end of a stream has an anchor: this is no listing, so nothing has vanished.
            raise _unexpected(content, name)
        return document, page

    # --- groups --------------------------------------------------------------------------------

    def _posts(self, window: Window) -> Iterator[Page]:
        """Every group; one that cannot be read does not keep the others from being read."""
        failure: FetchError | UnreadableAnswer | None = None
        for group in self._region.groups:
            try:
                yield from self._group(group, window)
            except (FetchError, UnreadableAnswer) as error:
                if error.code in ("http_unauthorised", "call_budget_exhausted"):
                    raise
                failure = failure or error
        if failure is not None:
            raise failure

    def _group(self, group: Group, window: Window) -> Iterator[Page]:
        parameters = {
            "gid": group.gid,
            "patterns": "POST",
            "fields": "feed.*,media_topic.*",
            "count": str(min(self._source.page_size, _PAGE)),
            "direction": "FORWARD",
        }
        passed: set[str] = set()
        read: dict[str, str] = {}
        while True:
            document, page = self._call(STREAM, parameters)
            page.items = list(topics_of(document, group))
            for item in page.items:
                summary = item.fields.get("discussion_summary")
                if isinstance(summary, dict) and str(summary.get("comments_count") or 0) != "0":
                    kind = str(summary.get("discussion_type") or "GROUP_TOPIC")
                    read[str(item.fields["id"])] = kind
            yield page
            # Feeds are listed from the newest; without any, the end is reached.
            moments = [m for m in map(_moment, document.get("feeds") or []) if m is not None]
            if not document.get("feeds") or (moments and max(moments) < window.start):
                break
            parameters = self._following(document, parameters, passed, STREAM)
            if not parameters:
                break
        self._read[group.gid, window] = list(read.items())

    def _following(
        self, document: dict[str, Any], parameters: dict[str, str], passed: set[str], method: str
    ) -> dict[str, str]:
        """The parameters of the next page; empty after the last one."""
        anchor = str(document.get("anchor") or "")
        if not anchor:
            return {}
        if anchor in passed:
            raise FetchError("paging_stuck", f"{method}: anchor {anchor}")
        passed.add(anchor)
        return {**parameters, "anchor": anchor}

    def _comments(self, window: Window) -> Iterator[Page]:
        for group in self._region.groups:
            if (group.gid, window) not in self._read:
                for page in self._group(group, window):
                    # Their topics belong to the other entity.
                    yield Page([], bytes_read=page.bytes_read)
            for topic_id, kind in self._read[group.gid, window]:
                yield from self._under(group, topic_id, kind)

    def _under(self, group: Group, topic_id: str, kind: str) -> Iterator[Page]:
        parameters = {
            "discussionId": topic_id,
            "discussionType": kind,
            "fields": "comment.*",
            "count": str(min(self._source.page_size, _PAGE)),
        }
        bodies = {group.gid: group.is_body}
        passed: set[str] = set()
        while parameters:
            try:
                document, page = self._call(COMMENTS, parameters)
            except OkApiError as error:
                if error.number == _NOT_FOUND:
                    return
                raise
            page.items = list(comments_of(document, f"{group.gid}/topic/{topic_id}", bodies))
            yield page
            if not document.get("comments") or document.get("has_more") is False:
                return
            parameters = self._following(document, parameters, passed, COMMENTS)


def _wait(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    first = _WAITS[failure.error.number] if isinstance(failure, _Busy) else 1.0
    return float(min(first * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT))


def _unexpected(content: bytes, name: str) -> UnreadableAnswer:
    return UnreadableAnswer(
        "unexpected_answer", f"{name}: neither feeds nor comments", content=content, name=name
    )


def _local(written: Any) -> str | None:
    """A date without a zone, `2026-01-15 10:20:30`, with the offset that Moscow had then."""
    try:
        return datetime.fromisoformat(str(written)).replace(tzinfo=_MOSCOW).isoformat()
    except ValueError:
        return None


def _moment(feed: Any) -> datetime | None:
    if not isinstance(feed, dict):
        return None
    if isinstance(feed.get("date_ms"), int):
        try:
            return datetime.fromtimestamp(feed["date_ms"] / 1000, _MOSCOW)
        except (ValueError, OverflowError, OSError):
            return None
    written = _local(feed.get("date"))
    return None if written is None else datetime.fromisoformat(written)


def _account(reference: Any) -> str | None:
    """The number of a user from `user:123`, `123`; None for a group's."""
    text = str(reference or "")
    if text.startswith("group:"):
        return None
    match = _DIGITS.search(text)
    return match.group() if match else None


def _no_topic(feed: Any) -> Item:
    told = feed.get("pattern", "no feed") if isinstance(feed, dict) else type(feed).__name__
    error = RecordError("not_a_post", f"A feed without a topic: {str(told)[:40]}")
    return Item({}, error=error, raw=canonical_json(feed))


def topics_of(document: dict[str, Any], group: Group) -> Iterator[Item]:
    """The topics that the feeds of an answer lead to; what leads to none is kept with an error."""
    entities = document.get("entities")
    listed = entities.get("media_topics") if isinstance(entities, dict) else None
    topics = {str(one["id"]): one for one in listed or [] if isinstance(one, dict) and "id" in one}
    for feed in document.get("feeds") or []:
        if not isinstance(feed, dict):
            yield _no_topic(feed)
            continue
        places = [*_listed(feed.get("target_refs")), feed.get("message")]
        match = next((m for m in (_TOPIC.search(str(one)) for one in places) if m), None)
        if match is None:
            yield _no_topic(feed)
            continue
        yield _topic(topics.get(match[1]), match[1], feed, group)


def _topic(topic: dict[str, Any] | None, topic_id: str, feed: dict[str, Any], group: Group) -> Item:
    kept = {name: value for name, value in feed.items() if name not in _FEED_TEXTS}
    fields = {**(topic or {}), "id": topic_id, "feed": kept}
    # Older answers repeat the text in the feed alone.
    media = [one for one in _listed(fields.get("media")) if isinstance(one, dict)]
    texts = [str(one["text"]) for one in media if one.get("type") == "text" and one.get("text")]
    text = "\n".join(texts) if topic else _MARKUP.sub("", str(feed.get("message", "")))
    authors = [fields.get("author_ref"), *_listed(feed.get("author_refs"))]
    writer = next((str(one) for one in authors if one), f"group:{group.gid}")
    return Item(
        fields,
        derived={
            "kind": "post",
            "text": text,
            "received": fields.get("created_ms") or feed.get("date_ms") or _local(feed.get("date")),
            "author": _account(writer),
            "is_by_body": group.is_body and writer == f"group:{group.gid}",
            "is_repost": any(one.get("type") == "topic" or one.get("reshare") for one in media),
            "title": group.title or group.gid,
            "url": f"https://ok.ru/group/{group.gid}/topic/{topic_id}",
        },
    )


def comments_of(document: dict[str, Any], place: str, bodies: Mapping[str, bool]) -> Iterator[Item]:
    """The comments of an answer; `place` is GROUP/topic/TOPIC, `bodies` group → is it a body's."""
    topic_id = place.rpartition("/")[2] or str(document.get("discussionId") or "")
    for comment in document.get("comments") or []:
        if not isinstance(comment, dict):
            error = RecordError("not_an_object", f"A comment is a {type(comment).__name__}")
            yield Item({}, error=error, raw=canonical_json(comment))
            continue
        is_by_group = comment.get("author_type") == "GROUP"
        yield Item(
            comment,
            derived={
                "kind": "comment",
                "received": comment.get("created_ms") or _local(comment.get("date")),
                "author": None if is_by_group else _account(comment.get("author_id")),
                "parent": comment.get("reply_to_comment_id") or topic_id or None,
                "is_by_body": is_by_group and bodies.get(str(comment.get("author_id")), False),
                "url": f"https://ok.ru/group/{place}" if place else None,
            },
        )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
