"""A file of any declared format, in pages.

The kind of a file is declared, and checked against its first bytes: what arrives under the name
of a table may be a workbook, an archive or an error page.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from pathlib import Path

from ingestion.clients.base import Page
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.documents import read_json, read_json_lines
from ingestion.formats.markup import read_xml
from ingestion.formats.tables import read_delimited, read_tabbed
from ingestion.formats.workbooks import read_workbook
from ingestion.source import Entity, Format

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_WORKBOOKS = frozenset({"xlsx", "ods"})
_BY_ENDING = {
    ".xlsx": "xlsx",
    ".xls": "xlsx",
    ".ods": "ods",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xml": "xml",
}

_READERS: dict[str, Callable[[DeliveredFile, Entity], Iterator[Page]]] = {
    "csv": read_delimited,
    "tsv": read_tabbed,
    "xlsx": read_workbook,
    "ods": read_workbook,
    "json": read_json,
    "jsonl": read_json_lines,
    "xml": read_xml,
}


def read_file(
    path: Path, entity: Entity, *, name: str, sha256: str | None, size: int
) -> Iterator[Page]:
    """The records of a file. UnreadableAnswer when they cannot be told apart."""
    file = DeliveredFile(path, name, sha256, size)
    yield from _READERS[_kind(file, entity.format)](file, entity)


def _kind(file: DeliveredFile, declared: Format) -> str:
    with file.path.open("rb") as binary:
        start = binary.read(512)
    is_workbook = start.startswith((_ZIP, _OLD_EXCEL))
    told = Path(file.name.partition("?")[0]).suffix.casefold()
    if declared.type == "auto":
        return "xlsx" if is_workbook else _BY_ENDING.get(told, "csv")
    if is_workbook and declared.type not in _WORKBOOKS:
        if declared.is_nested:
            raise file.refused("unexpected_answer", f"it is a workbook, not {declared.type}")
        return "xlsx"
    lowered = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        raise file.refused("unexpected_answer", f"it is an HTML page, not {declared.type}")
    return declared.type
