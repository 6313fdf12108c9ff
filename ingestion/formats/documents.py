"""JSON documents and JSON Lines, streamed: memory does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import msgspec

from ingestion.clients.base import PAGE_ITEMS, PAGE_SIZE, Item, Page
from ingestion.errors import RecordError, UnreadableAnswer
from ingestion.formats.delivered import LONGEST_RECORD, DeliveredFile
from ingestion.formats.encoding import encoding_of, transcoded
from ingestion.formats.json_text import JsonText, elements_at, parse
from ingestion.source import Entity

_BLOCK = 1 << 20

_decode = msgspec.json.Decoder().decode


def record_of(line: bytes) -> Any:
    """One JSON value. ValueError when it is none."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The standard's parser also takes halves of surrogate pairs, which the mapper refuses
        # by name; what neither takes is no JSON.
        return parse(line.decode("utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of whole lines; `first` is the number of the first one, from 1."""

    content: bytes
    first: int
    is_costly: ClassVar[bool] = False

    def items(self) -> list[Item]:
        found = []
        for number, line in enumerate(self.content.split(b"\n"), start=self.first):
            try:
                record = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if line and not line.isspace():
                    found.append(_item(line, number))
                continue
            found.append(Item(record, number) if type(record) is dict else _item(line, number))
        return found


def _item(line: bytes, number: int) -> Item:
    try:
        record = record_of(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        refused = RecordError("not_json", f"Line {number}: {reason}")
        return Item({}, row_number=number, error=refused, raw=line)
    if isinstance(record, dict):
        return Item(record, row_number=number)
    refused = RecordError("not_an_object", f"Line {number}")
    return Item({}, row_number=number, error=refused, raw=line)


def read_json_lines(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """One record a line. A line that is no JSON is refused alone."""
    encoding = encoding_of(file, entity.format)
    size = file.size
    first = 1
    with transcoded(file.path, encoding) as stream:
        for content, lines in _blocks(file, stream):
            block = Lines(content, first)
            yield Page([], sha256=file.sha256, bytes_read=size, block=block, found=encoding.found)
            first += lines
            size = 0
    if first == 1:
        raise file.refused("empty_file", "it has no lines")


def _blocks(file: DeliveredFile, stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Blocks that end with a line, and the number of their line ends."""
    rest = b""
    while chunk := stream.read(_BLOCK):
        head, found, tail = chunk.rpartition(b"\n")
        if not found:
            rest += chunk
            if len(rest) > LONGEST_RECORD:
                raise file.refused(
                    "record_too_large", f"a line is longer than {LONGEST_RECORD >> 20} MB"
                )
            continue
        yield rest + head, head.count(b"\n") + 1
        rest = tail
    if rest:
        yield rest, 1


def read_json(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """The elements of a list in a document: the document itself, or what `records` leads to."""
    encoding = encoding_of(file, entity.format)
    path = entity.format.records
    items: list[Item] = []
    page = Page(items, sha256=file.sha256, bytes_read=file.size, found=encoding.found)
    begun = 0
    try:
        with transcoded(file.path, encoding) as stream:
            text = JsonText(stream, file.refused)
            for record in elements_at(text, path.split(".") if path else ()):
                items.append(_element(record, text.count))
                if len(items) >= PAGE_ITEMS or text.position - begun >= PAGE_SIZE:
                    yield page
                    items, begun = [], text.position
                    page = Page(items, sha256=file.sha256)
            text.end()
    except UnreadableAnswer:
        if items:
            yield page
        raise
    if not text.lists:
        where = f"`{path}`" if path else "the document"
        raise file.refused("unexpected_answer", f"{where} is no list of records")
    yield page


def _element(record: Any, number: int) -> Item:
    if isinstance(record, dict):
        return Item(record, row_number=number)
    refused = RecordError("not_an_object", f"Item {number}")
    raw = json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    return Item({}, row_number=number, error=refused, raw=raw)
