"""GeoReport v2 in XML, streamed: each record becomes the tree of dicts and lists that JSON gives.

An element whose children are its own name in the singular (`notes` of `note`) is a list; so is a
name that comes more than once. An empty element is null. Namespaces and the hints of serialisers
(`type="float"`, `nil="true"`) say nothing and are left out; other attributes are fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ingestion.errors import UnreadableAnswer
from ingestion.formats.delivered import Refuse

# Roots that hold records, and roots that are one.
LISTINGS = ("service_requests", "requests", "services")
SINGLE_RECORDS = ("service_definition", "service_request", "request", "service")
_ERRORS = ("errors", "error")
_KNOWN_ROOTS = frozenset((*LISTINGS, *SINGLE_RECORDS, *_ERRORS))

_CHUNK = 1 << 18
_DEEPEST = 64
# No request is as long as this: it is a mistake, or meant to harm.
_LONGEST_RECORD = 64 << 20
_HINTS = frozenset({"type", "nil", "is_array", "key"})
_ITEMS = frozenset({"item", "element"})
_BLANK = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


def is_markup(head: bytes) -> bool:
    """True when the first bytes of an answer begin a document of markup."""
    return head.lstrip(_BLANK).startswith(b"<")


def is_html(head: bytes) -> bool:
    """True for a page made for people: a login, an error, maintenance."""
    start = head.lstrip(_BLANK)[:15].lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _is_plural(name: str, singular: str) -> bool:
    plurals = {f"{singular}s", f"{singular}es"}
    if singular.endswith("y"):
        plurals.add(f"{singular[:-1]}ies")
    return name in plurals


@dataclass(slots=True)
class _Element:
    """An element that is not closed yet."""

    name: str
    attributes: dict[str, str]
    is_array: bool
    children: dict[str, list[Any]] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def value(self, lists: Collection[str]) -> Any:
        """What it holds: a text, null, a list or a dict."""
        text = "".join(self.text)
        if len(self.children) == 1 and not self.attributes:
            ((name, values),) = self.children.items()
            if self.is_array or name in _ITEMS or _is_plural(self.name, name):
                return values
        fields: dict[str, Any] = {
            name: values if len(values) > 1 or name in lists else values[0]
            for name, values in self.children.items()
        }
        for name, written in self.attributes.items():
            fields.setdefault(name, written)
        if not fields:
            return text if text.strip() else None
        if text.strip():
            fields["#text"] = text.strip()
        return fields


class _Reader:
    """Takes what the parser meets; `ready` are the records closed since it was last emptied."""

    def __init__(self, lists: Collection[str]) -> None:
        self._lists = lists
        self._open: list[_Element] = []
        self.root: str | None = None
        self.ready: list[Any] = []
        self.document: Any = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if not self._open:
            self.root = name
        if len(self._open) >= _DEEPEST:
            raise ParseError(f"elements are nested deeper than {_DEEPEST}")
        own = {n: v for n, v in attributes.items() if not n.startswith("{") and n not in _HINTS}
        is_array = attributes.get("type") == "array" or attributes.get("is_array") == "true"
        self._open.append(_Element(name, own, is_array))

    def data(self, text: str) -> None:
        self._open[-1].text.append(text)

    def end(self, tag: str) -> None:
        element = self._open.pop()
        value = element.value(self._lists)
        if not self._open:
            if self.root in SINGLE_RECORDS:
                self.ready.append(value)
            elif self.root not in LISTINGS:
                self.document = value
        elif len(self._open) == 1 and self.root in LISTINGS:
            self.ready.append(value)
        else:
            self._open[-1].children.setdefault(element.name, []).append(value)
        if len(self._open) == 1:
            self._open[0].text.clear()  # the space between records would fill the memory

    def close(self) -> None:
        """The parser asks for it at the end of the document."""


def _fed(stream: BinaryIO, reader: _Reader, refuse: Refuse) -> Iterator[None]:
    """Feed the reader chunk by chunk. What was read before a break is given before the error."""
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    read = taken = 0
    failure: UnreadableAnswer | None = None
    while failure is None:
        chunk = stream.read(_CHUNK)
        try:
            if chunk:
                parser.feed(chunk)
            else:
                parser.close()
        except DefusedXmlException as error:
            failure = refuse("hostile_markup", type(error).__name__)
        except (ParseError, LookupError, ValueError) as error:
            # LookupError and ValueError: an encoding that nobody knows.
            before = read + len(reader.ready)
            failure = refuse("not_xml", f"it breaks off after {before} records ({error})")
        taken = 0 if reader.ready else taken + len(chunk)
        if failure is None and taken > _LONGEST_RECORD:
            text = f"no record ended within {_LONGEST_RECORD >> 20} MB"
            failure = refuse("record_too_large", text)
        read += len(reader.ready)
        yield
        if not chunk:
            break
    if failure is not None:
        raise failure


def read_records(stream: BinaryIO, lists: Collection[str], refuse: Refuse) -> Iterator[list[Any]]:
    """The records of a listing, or of the single one that the document is, some at a time.

    `lists` are names of elements that are lists even when there is only one of them. Raises what
    `refuse(code, detail)` makes: `not_xml` where the document breaks off (what came before has
    been given), `hostile_markup`, `record_too_large`, `api_error` for a document of errors,
    `unexpected_answer` for any other.
    """
    reader = _Reader(lists)
    for _ in _fed(stream, reader, refuse):
        if reader.root is not None and reader.root not in _KNOWN_ROOTS:
            expected = ">, <".join(LISTINGS)
            raise refuse(
                "unexpected_answer",
                f"its root is <{reader.root}>, expected was one of <{expected}>",
            )
        if reader.ready:
            yield reader.ready
            reader.ready = []
    if reader.root in _ERRORS:
        raise refuse("api_error", error_text(reader.document))


def read_tree(stream: BinaryIO, refuse: Refuse) -> tuple[str, Any]:
    """A small document whole: the name of its root and what it holds."""
    reader = _Reader(())
    for _ in _fed(stream, reader, refuse):
        pass
    return reader.root or "", reader.document


def error_text(document: Any) -> str:
    """Codes and descriptions of GeoReport's errors: `400: jurisdiction_id was not provided`."""
    errors = document if isinstance(document, list) else [document]
    return "; ".join(
        f"{one.get('code')}: {one.get('description')}" if isinstance(one, dict) else str(one)
        for one in errors
    )[:300]
