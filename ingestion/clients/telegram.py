"""Telegram: exports of Telegram Desktop, and the public preview of channels.

An export is read only when its own `type` says that it is of a public channel or group; anything
else is refused whole, and nothing of it is kept: the ledger has the file's name, its digest and
the reason. Messages are streamed, whatever the size of the file.

The preview (t.me/s/NAME) is plain HTML, about twenty messages a page, the newest first; `before`
leads to older ones. It is read back to the beginning of the window, as robots.txt allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import ijson
from bs4 import BeautifulSoup, Tag

from ingestion.clients.base import PAGE_ITEMS, Delivery, Item, LocalFile, Page, folder_of
from ingestion.clients.register import local_path, observed_time, transport_of
from ingestion.clients.robots import Robots
from ingestion.clients.transport import Transport
from ingestion.errors import FetchError, RecordError, UnreadableAnswer
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.json_text import JsonText
from ingestion.source import Channel, Entity, Region, Source, Window

# The names of chat types as Telegram Desktop writes them; every other one is private.
_PUBLIC = frozenset({"public_channel", "public_supergroup"})
_HEAD = frozenset({"name", "type", "id"})
_BOM = b"\xef\xbb\xbf"
# Entities whose text names a person: it moves to a field that the YAML declares as identity.
_NAMING = frozenset({"phone", "email", "mention", "mention_name", "bank_card"})
# Links that lead to somebody and not to something: accounts, mail boxes, telephones.
_MENTION = re.compile(r"(?:tg|mailto|tel):|https?://t\.me/\w+/?$", re.IGNORECASE)
_USER = "user"
_CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Chat:
    """What an export says of the chat that it is of, before its messages."""

    id: int
    title: str
    type: str


class TelegramExportClient:
    """Exports of one region: files that Telegram Desktop wrote as machine-readable JSON."""

    def __init__(self, source: Source, region: Region) -> None:
        self._source = source
        self._region = region

    @property
    def calls(self) -> int:
        """HTTP calls: an export needs none."""
        return 0

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        paths, left_aside = folder_of(self._source, self._region, entity, default="*.json")
        yield from left_aside
        for path in paths:
            try:
                file = local_path(path, self._source)
                observed_at = observed_time(file.name, self._source.file_time, self._region)
            except FetchError as error:
                yield Delivery.refused(path.name, error)
                continue
            yield Delivery(
                name=file.name,
                pages=self._export(file),
                observed_at=observed_at,
                sha256=file.sha256,
            )

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        """A whole export again, or one message that was no post."""
        if not _is_export(path):
            content = path.read_bytes()
            yield Page([_no_post(json.loads(content), content)])
            return
        with path.open("rb") as stream:
            chat = head_of(stream, name)
            stream.seek(0)
            yield from self._messages(stream, chat, name)

    def _export(self, file: LocalFile) -> Iterator[Page]:
        with file.path.open("rb") as stream:
            chat = head_of(stream, file.name)
        size = file.size
        with file.path.open("rb") as stream:
            for page in self._messages(stream, chat, file.name):
                page.sha256, page.bytes_read = file.sha256, size
                size = 0
                yield page

    def _messages(self, stream: BinaryIO, chat: Chat, name: str) -> Iterator[Page]:
        bodies = frozenset(f"{_CHANNEL}{one.id}" for one in self._region.channels if one.is_body)
        channel = next((one for one in self._region.channels if one.id == chat.id), None)
        items: list[Item] = []
        number = 0
        try:
            for message in ijson.items(_text_of(stream), "messages.item", use_float=True):
                number += 1
                items.append(_message(message, number, chat, channel, bodies))
                if len(items) == PAGE_ITEMS:
                    yield Page(items)
                    items = []
        except (ijson.JSONError, UnicodeDecodeError) as error:
            if items:
                yield Page(items)
            raise UnreadableAnswer(
                "not_json",
                f"{name}: after {number} messages: {_reason(error)}",
                content=_kept(stream),
                name=name,
            ) from None
        yield Page(items)


def _kept(stream: BinaryIO) -> BinaryIO:
    """The bytes of a broken export, as a stream that outlives the reading of it."""
    return Path(stream.name).open("rb")


def _is_export(path: Path) -> bool:
    """False for a single message: an object without messages."""
    file = DeliveredFile(path, path.name, None, 0)
    with path.open("rb") as stream:
        text = JsonText(stream, file.refused)
        try:
            if text.peek() != "{":
                return True
            for name in text.members():
                if name == "messages":
                    return True
                text.value()
        except UnreadableAnswer as error:
            error.content.close()
            return True
    return False


def _text_of(stream: BinaryIO) -> BinaryIO:
    """The stream behind a byte order mark, which other programs put there."""
    if stream.read(len(_BOM)) != _BOM:
        stream.seek(0)
    return stream


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def head_of(stream: BinaryIO, name: str) -> Chat:
    """What stands beside the messages, wherever it stands.

    FetchError `private_chat` when the export is not of a public channel or group or does not say
    what it is of, `unreadable_export` when it breaks off before it says so: it may not be kept.
    """
    head: dict[str, Any] = {}
    try:
        for prefix, event, value in ijson.parse(_text_of(stream), use_float=True):
            if prefix in _HEAD and event in ("string", "number"):
                head[prefix] = value
            elif prefix == "messages" and event == "start_array" and len(head) == len(_HEAD):
                break
    except (ijson.JSONError, UnicodeDecodeError) as error:
        if head.get("type") not in _PUBLIC:
            raise FetchError("unreadable_export", f"{name}: {_reason(error)}") from None
    kind = head.get("type")
    if kind not in _PUBLIC:
        told = f"its type is {kind!r}" if isinstance(kind, str) else "it names no type of chat"
        raise FetchError("private_chat", f"{name}: {told}")
    try:
        return Chat(int(head["id"]), str(head.get("name", "")), kind)
    except (KeyError, ValueError):
        raise FetchError("unreadable_export", f"{name}: it names no chat") from None


def _no_post(message: dict[str, Any], raw: bytes) -> Item:
    kind = str(message.get("action") or message.get("type"))[:40]
    error = RecordError("not_a_post", f"A service message of Telegram: {kind}")
    return Item({}, error=error, raw=raw)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


def _message(
    message: Any, number: int, chat: Chat, channel: Channel | None, bodies: frozenset[str]
) -> Item:
    if not isinstance(message, dict):
        error = RecordError("not_an_object", f"Message {number}")
        return Item({}, row_number=number, error=error, raw=_json(message))
    if message.get("type") != "message":
        item = _no_post(message, _json(message))
        item.row_number = number
        return item
    writer = str(message.get("from_id") or "")
    is_by_channel = chat.type == "public_channel" or writer == f"{_CHANNEL}{chat.id}"
    parent = _parent(message, chat)
    derived = {
        "channel": chat.id,
        "title": chat.title,
        "kind": "comment" if chat.type == "public_supergroup" and parent else "post",
        "author": writer if writer.startswith(_USER) else None,
        "parent": parent,
        # A channel that nobody declared is of citizens: its posts are cases.
        "is_by_body": (is_by_channel and channel is not None and channel.is_body)
        or writer in bodies,
        "is_repost": any(name in message for name in ("forwarded_from", "forwarded_from_id")),
        "url": f"https://t.me/{channel.name}/{message.get('id')}" if channel else None,
    }
    fields = {**message, "text": flat(message.get("text"))}
    if isinstance(message.get("text_entities"), list):
        fields["text_entities"] = [_entity(one) for one in message["text_entities"]]
    return Item(fields, row_number=number, derived=derived)


def _parent(message: dict[str, Any], chat: Chat) -> str | None:
    """The native id of the message that this one answers; None when it is in a private place."""
    answered = message.get("reply_to_message_id")
    if answered is None:
        return None
    peer = message.get("reply_to_peer_id")
    if peer is None:
        return f"{chat.id}_{answered}"
    place = str(peer)
    return f"{place[len(_CHANNEL) :]}_{answered}" if place.startswith(_CHANNEL) else None


def flat(text: Any) -> str:
    """A text as it was written: Telegram writes one with entities as a list of its parts."""
    if isinstance(text, list):
        return "".join(
            part if isinstance(part, str) else str(part.get("text", ""))
            for part in text
            if isinstance(part, str | dict)
        )
    return text if isinstance(text, str) else ""


def _entity(entity: Any) -> Any:
    """An entity without the text that it repeats; what names a person gets a name of its own."""
    if not isinstance(entity, dict):
        return None
    kept = {name: value for name, value in entity.items() if name != "text"}
    if entity.get("type") in _NAMING:
        kept[entity["type"]] = entity.get("text")
    return kept


# --- preview -------------------------------------------------------------------------------------


# Telegram writes a comment behind the end of a page.
_CLOSED = re.compile(rb"</html\s*>", re.IGNORECASE)
_TAIL_BYTES = 1024


class TelegramChannelClient:
    """The public channels of one region, by their preview pages."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        self._source = source
        self._region = region
        self._transport = transport or transport_of(source)
        self._robots = Robots(self._transport)

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        return self._transport.calls

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        if window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        yield Delivery(name=f"{self._region.endpoint}/s", pages=self._channels(window))

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        """A page again, or one message that was no post."""
        _page, items = messages_of(path.read_bytes(), name, self._region.channels)
        yield Page(items)

    def _channels(self, window: Window) -> Iterator[Page]:
        """Every channel; one that cannot be read does not keep the others from being read."""
        failure: FetchError | UnreadableAnswer | None = None
        for channel in self._region.channels:
            try:
                yield from self._channel(channel, window)
            except (FetchError, UnreadableAnswer) as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _channel(self, channel: Channel, window: Window) -> Iterator[Page]:
        url = f"{self._region.endpoint}/s/{channel.name}"
        before: int | None = None
        while True:
            limit = self._source.max_calls
            if limit is not None and self.calls >= limit:
                raise FetchError("call_budget_exhausted", f"{self._source.code}: {limit} calls")
            parameters = None if before is None else {"before": str(before)}
            try:
                with self._robots.fetch(url, parameters) as answer:
                    content, address = answer.read(), answer.address
                    page = Page([], answer.sha256, answer.size)
            except FetchError as error:
                if error.code != "redirect_refused":
                    raise
                # Telegram leads from the preview of a channel that has none to its card.
                raise FetchError("unexpected_page", f"{url} leads elsewhere") from None
            document, page.items = messages_of(content, address, self._region.channels)
            if _CLOSED.search(content[-_TAIL_BYTES:]) is None:
                # The last message may be half of itself, and newer ones are not there at all.
                page.items.pop()
                yield page
                raise FetchError("http_connection", f"{address} breaks off before its end")
            is_last = _is_before(page.items, window.start)
            yield page
            older = _older(document)
            if older is None or is_last:
                return
            if before is not None and older >= before:
                raise FetchError("paging_stuck", f"{url}: before={older} after before={before}")
            before = older


def _older(document: BeautifulSoup) -> int | None:
    """Where the next older page begins; None on the oldest one."""
    link = document.select_one("a.tme_messages_more[data-before]")
    number = str(link["data-before"]) if link is not None else ""
    return int(number) if number.isdecimal() else None


def _is_before(items: list[Item], start: datetime) -> bool:
    """True when the page reaches back beyond the beginning of the window."""
    for item in items:
        try:
            if datetime.fromisoformat(item.fields["datetime"]) < start:
                return True
        except (KeyError, ValueError, TypeError):
            continue
    return False


def messages_of(
    content: bytes, name: str, channels: tuple[Channel, ...]
) -> tuple[BeautifulSoup, list[Item]]:
    """A page and its messages, the oldest first. UnreadableAnswer when it is no preview."""
    try:
        document = BeautifulSoup(content.decode("utf-8"), "html.parser")
    except UnicodeDecodeError as error:
        raise UnreadableAnswer(
            "encoding_mismatch",
            f"{name}: byte {error.start} is not UTF-8",
            content=content,
            name=name,
        ) from None
    found = document.select("div.tgme_widget_message[data-post]")
    if not found:
        # A channel shows at least that it was created: without any message nothing was listed.
        raise UnreadableAnswer("unexpected_page", name, content=content, name=name)
    declared = {channel.name.casefold(): channel for channel in channels}
    return document, [_shown(node, declared) for node in found]


def _shown(node: Tag, declared: dict[str, Channel]) -> Item:
    post = str(node["data-post"])
    place, _, number = post.rpartition("/")
    channel = declared.get(place.casefold())
    fields: dict[str, Any] = {"post": post}
    moment = node.select_one(".tgme_widget_message_date time[datetime]")
    if moment is not None:
        fields["datetime"] = str(moment["datetime"])
    body = next(
        (
            one
            for one in node.select(".tgme_widget_message_text")
            if one.find_parent(class_="tgme_widget_message_reply") is None
        ),
        None,
    )
    if body is not None:
        fields["text"] = _written(body)
        for one in body.select("a[href]"):
            kind = "mentions" if _MENTION.match(str(one["href"])) else "links"
            fields.setdefault(kind, []).append(str(one["href"]))
    meta = node.select_one(".tgme_widget_message_meta")
    fields["edited"] = meta is not None and meta.get_text().strip().startswith("edited")
    signature = node.select_one(".tgme_widget_message_from_author")
    if signature is not None:
        fields["author"] = signature.get_text().strip()
    forwarded = node.select_one(".tgme_widget_message_forwarded_from_name")
    if forwarded is not None:
        fields["forwarded_from"] = forwarded.get_text().strip()
        if forwarded.get("href"):
            fields["forwarded_from_url"] = str(forwarded["href"])
    answered = node.select_one("a.tgme_widget_message_reply[href]")
    if answered is not None:
        fields["reply_to"] = str(answered["href"])
    views = node.select_one(".tgme_widget_message_views")
    if views is not None:
        fields["views"] = views.get_text().strip()
    media = [kind for kind, mark in _MEDIA.items() if node.select_one(mark) is not None]
    if media:
        fields["media"] = media
    derived = {
        "channel": place.casefold(),
        "id": number,
        "title": channel.title if channel and channel.title else place,
        "author": fields.get("author"),
        "parent": _answered(fields.get("reply_to")),
        "is_by_body": channel is not None and channel.is_body,
        "is_repost": forwarded is not None,
        "url": f"https://t.me/{post}",
    }
    if "service_message" in node.get_attribute_list("class"):
        error = RecordError("not_a_post", f"A service message of Telegram: {post}")
        return Item(fields, derived=derived, error=error, raw=str(node).encode())
    return Item(fields, derived=derived)


_MEDIA = {
    "photo": ".tgme_widget_message_photo_wrap",
    "video": ".tgme_widget_message_video_wrap, .tgme_widget_message_video_player",
    "document": ".tgme_widget_message_document_wrap",
    "poll": ".tgme_widget_message_poll",
    "unsupported": ".message_media_not_supported",
}


def _written(node: Tag) -> str:
    for line_end in node.find_all("br"):
        line_end.replace_with("\n")
    return node.get_text()


def _answered(address: str | None) -> str | None:
    """The native id of the message that an address leads to: https://t.me/NAME/7 → name_7."""
    parts = (address or "").partition("?")[0].rstrip("/").rsplit("/", 2)
    if len(parts) == 3 and parts[2].isdecimal():
        return f"{parts[1].casefold()}_{parts[2]}"
    return None
