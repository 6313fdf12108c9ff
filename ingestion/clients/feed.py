"""RSS and Atom of local media: what a feed lists, as it is written.

A feed lists only the newest articles, so what it lists no more says nothing. Each feed is a load
of its own: one that is away does not keep the others from being read. The bytes are fetched by our
own transport, as robots.txt allows; feedparser only reads them (RSS 0.9x to 2.0, RDF, Atom; a feed
with a slip in its XML too). HTML is neither cleaned nor made absolute. Older feeds declare entities
for single characters; any other declaration is hostile, and such a feed is not parsed.
"""

from __future__ import annotations

import email.utils
import io
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import feedparser

from ingestion.clients.base import Delivery, Item, Page
from ingestion.clients.register import transport_of
from ingestion.clients.robots import Robots
from ingestion.clients.transport import Transport, without_secrets
from ingestion.errors import UnreadableAnswer
from ingestion.source import Entity, Feed, Region, Source, Window

# How a whole feed ends; behind it there can only be comments.
_CLOSED = re.compile(
    rb"</\s*(?:\w+:)?(?:rss|feed|rdf|channel)\s*>[^<]*(?:<!--.*?-->\s*)*\Z",
    re.IGNORECASE | re.DOTALL,
)
_TAIL_BYTES = 4096
# Byte order marks of UTF-16: the end of such a feed cannot be told from its bytes.
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_DECLARED = re.compile(rb"<!ENTITY[^>]*")
_CHARACTERS = re.compile(
    rb"""<!ENTITY\s+[\w.-]+\s+(["'])(?:&\#x?[0-9a-f]{1,6};|[^&%"']){0,16}\1\s*""", re.IGNORECASE
)
# Where articles stand whole, the fullest first: content:encoded, Yandex's full text, the summary.
_BODIES = ("yandex_full-text", "summary")


class FeedClient:
    """The feeds of one region."""

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
        for feed in self._region.feeds:
            url = self._address(feed)
            yield Delivery(name=without_secrets(url), pages=self._articles(feed, url))

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        """A feed again, from its bytes; its address tells which one it is."""
        content = path.read_bytes()
        for feed in self._region.feeds:
            if without_secrets(self._address(feed)) == name:
                yield from _pages(content, name, feed, {})
                return
        detail = f"{name}: no feed of the YAML has this address"
        raise UnreadableAnswer("not_a_feed", detail, content=content, name=name)

    def _address(self, feed: Feed) -> str:
        return urljoin(f"{self._region.endpoint}/", feed.url)

    def _articles(self, feed: Feed, url: str) -> Iterator[Page]:
        with self._robots.fetch(url) as answer:
            content = answer.read()
            headers = {"content-type": answer.content_type} if answer.content_type else {}
            for page in _pages(content, answer.address, feed, headers):
                page.sha256, page.bytes_read = answer.sha256, answer.size
                yield page


def _pages(content: bytes, name: str, feed: Feed, headers: dict[str, str]) -> Iterator[Page]:
    for declaration in _DECLARED.findall(content.replace(b"\0", b"")):
        if _CHARACTERS.fullmatch(declaration) is None:
            raise UnreadableAnswer("hostile_markup", name, content=content, name=name)
    # A stream: given bytes, feedparser would take them for the name of a file first.
    parsed = feedparser.parse(
        io.BytesIO(content),
        response_headers=headers,
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not parsed.get("version"):
        raise UnreadableAnswer("not_a_feed", name, content=content, name=name)
    entries = list(parsed.entries)
    tail = content.rstrip()[-_TAIL_BYTES:]
    is_cut = _CLOSED.search(tail) is None and not content.startswith(_WIDE)
    if is_cut and entries:
        # The last one may be half of itself; it is in the bytes that are kept.
        entries.pop()
    yield Page([article(entry, feed, number) for number, entry in enumerate(entries, start=1)])
    if is_cut:
        raise UnreadableAnswer("broken_feed", name, content=content, name=name)


def article(entry: Any, feed: Feed, number: int) -> Item:
    """One entry of a feed, with what feedparser made of it left out."""
    fields = {str(name): _plain(value) for name, value in entry.items() if not _is_made(name)}
    fields["feed"] = {"code": feed.name, "title": feed.title}
    contents = [one.get("value") for one in fields.get("content") or [] if isinstance(one, dict)]
    bodies = [*contents, *(fields.get(name) for name in _BODIES)]
    body = next((one for one in bodies if isinstance(one, str) and one.strip()), None)
    written = (fields.get("title"), body)
    return Item(
        fields,
        row_number=number,
        derived={
            "feed": feed.name,
            "id": fields.get("id") or fields.get("link"),
            "text": "\n\n".join(one for one in written if isinstance(one, str) and one.strip()),
            "author": fields.get("author"),
            "published": _moment(entry, "published") or _moment(entry, "updated"),
            "updated": _moment(entry, "updated"),
        },
    )


def _is_made(name: str) -> bool:
    return name.endswith("_parsed") or name == "guidislink"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items() if not _is_made(name)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _moment(entry: Any, name: str) -> str | None:
    """A date in ISO 8601, without an offset where the feed tells none: it is local then.

    RFC 822 and ISO 8601 are read as they are; the other forms that feedparser knows are UTC.
    """
    # `in`, because asking for `updated` would give `published` where there is none.
    written = entry[name] if dict.__contains__(entry, name) else None
    if not isinstance(written, str):
        return None
    try:
        return email.utils.parsedate_to_datetime(written).isoformat()
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(written.strip()).isoformat()
    except ValueError:
        pass
    made = entry.get(f"{name}_parsed")
    if isinstance(made, time.struct_time):
        return datetime(*made[:6], tzinfo=UTC).isoformat()
    return written
