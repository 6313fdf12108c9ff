"""A file of any declared format, in pages.

The kind of a file is declared, and checked against its first bytes: what arrives under the name
of a table may be a workbook, an archive or an error page.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import is_zipfile

from ingestion.clients.base import Page
from ingestion.formats.delivered import END_NOT_TOLD, DeliveredFile
from ingestion.formats.documents import read_json, read_json_lines
from ingestion.formats.markup import read_xml
from ingestion.formats.reader_process import read_apart
from ingestion.formats.tables import read_delimited, read_tabbed
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
    "xlsx": read_apart,
    "ods": read_apart,
    "json": read_json,
    "jsonl": read_json_lines,
    "xml": read_xml,
}


def read_file(
    path: Path,
    entity: Entity,
    *,
    name: str,
    sha256: str | None,
    size: int,
    is_end_told: bool = True,
) -> Iterator[Page]:
    """The records of a file. UnreadableAnswer when they cannot be told apart.

    `is_end_told`: whoever delivered the file told where it ends.
    """
    file = DeliveredFile(path, name, sha256, size, is_end_told)
    kind = _kind(file, entity.format)
    if not is_end_told and _ends_by_itself(kind, path):
        file = replace(file, is_end_told=True)
    for page in _READERS[kind](file, entity):
        if not file.is_end_told:
            page.is_end_told = False
            page.found = {**page.found, **END_NOT_TOLD}
        yield page


def _ends_by_itself(kind: str, path: Path) -> bool:
    """True for a form that cannot be read without its end: only there is the rest of it told."""
    if kind in ("json", "xml"):
        return True
    # The index of an archive is its last part; a workbook of Excel 97 has none there.
    return kind in _WORKBOOKS and is_zipfile(path)


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
