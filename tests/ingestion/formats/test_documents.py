"""JSON, JSON Lines and XML: streamed, with the good records landed and nothing hostile read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.clients.base import Item
from ingestion.errors import UnreadableAnswer
from ingestion.formats import delivered
from ingestion.formats.files import read_file
from ingestion.source import Entity

RECORDS = [{"id": 1, "text": "Яма"}, {"id": 2, "text": "Снег", "place": {"lat": 52.5}}]


def entity(**form: Any) -> Entity:
    return Entity.model_validate(
        {
            "name": "rows",
            "table": "rows",
            "role": "case",
            "kind": "appeal",
            "key": "id",
            "record": {"text": "text"},
            "format": form,
        }
    )


def read(path: Path, **form: Any) -> list[Item]:
    found: list[Item] = []
    for page in read_file(path, entity(**form), name=path.name, sha256=None, size=1):
        found += page.records()
    return found


def refusal(path: Path, **form: Any) -> UnreadableAnswer:
    with pytest.raises(UnreadableAnswer) as caught:
        read(path, **form)
    return caught.value


def fields(items: list[Item]) -> list[dict[str, Any]]:
    return [item.fields for item in items if item.error is None]


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (json.dumps(RECORDS), None),
        (json.dumps({"rows": RECORDS}), "rows"),
        (json.dumps({"meta": [1], "data": {"rows": RECORDS}}), "data.rows"),
        ("\ufeff" + json.dumps(RECORDS, ensure_ascii=False), None),
    ],
)
def test_the_records_of_a_document_are_found_where_they_are_declared(
    tmp_path: Path, content: str, records: str | None
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    assert fields(read(path, type="json", records=records)) == RECORDS


def test_a_document_in_another_encoding_is_read_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(RECORDS, ensure_ascii=False).encode("cp1251"))
    assert fields(read(path, type="json", encoding="cp1251")) == RECORDS
    assert refusal(path, type="json").code in {"not_json", "encoding_mismatch"}


def test_an_empty_list_is_no_error_and_another_document_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"rows": []}', encoding="utf-8")
    assert read(path, type="json", records="rows") == []
    assert refusal(path, type="json", records="cases").code == "unexpected_answer"


def test_records_before_a_break_are_given_and_the_file_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = json.dumps([{"id": n} for n in range(5000)])
    path.write_text(content[:-400], encoding="utf-8")
    given: list[Item] = []
    pages = read_file(path, entity(type="json"), name="a.json", sha256=None, size=1)
    with pytest.raises(UnreadableAnswer) as caught:
        given.extend(item for page in pages for item in page.items)
    assert len(given) > 4000
    assert caught.value.code == "not_json"
    assert caught.value.content.read() == path.read_bytes()


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_number_beyond_all_floats_is_kept_as_it_was_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    line = '{"id": 1, "text": "x", "a": 1e400, "b": NaN, "c": -Infinity, "d": 0.5}'
    path.write_text(line if kind == "jsonl" else f"[{line}]", encoding="utf-8")
    expected = {"id": 1, "text": "x", "a": "1e400", "b": "NaN", "c": "-Infinity", "d": 0.5}
    assert fields(read(path, type=kind)) == [expected]


def test_a_line_that_is_no_record_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(RECORDS[0]), '{"id": 9, "te', "[1]", "", json.dumps(RECORDS[1])]
    path.write_text("\n".join(lines), encoding="utf-8")
    items = read(path, type="jsonl")
    assert fields(items) == RECORDS
    refused = [(item.error.code, item.row_number, item.raw) for item in items if item.error]
    assert refused == [("not_json", 2, b'{"id": 9, "te'), ("not_an_object", 3, b"[1]")]


def test_lines_are_whole_however_the_file_is_cut_into_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.formats.documents._BLOCK", 7)
    path = tmp_path / "a.jsonl"
    records = [{"id": n, "text": "ё" * n} for n in range(40)]
    path.write_text(
        "\n".join(json.dumps(one, ensure_ascii=False) for one in records), encoding="utf-8"
    )
    items = read(path, type="jsonl")
    assert fields(items) == records
    assert [item.row_number for item in items] == list(range(1, 41))


XML = """<?xml version="1.0" encoding="windows-1251"?>
<d:register xmlns:d="urn:x" made="2026"><junk><a/></junk>
<d:row no="1"><id>1</id><text>Яма <![CDATA[<b>]]></text><empty/></d:row>
<d:row no="2" tag="c">
<id>2</id><text>Ям</text><tag>a</tag><tag>b</tag><at><lat>52.5</lat></at></d:row>
</d:register>"""


def test_an_element_of_xml_is_a_record_and_reads_like_json(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(XML.encode("cp1251"))
    assert fields(read(path, type="xml", records="row")) == [
        {"no": "1", "id": "1", "text": "Яма <b>", "empty": None},
        {"no": "2", "id": "2", "text": "Ям", "tag": ["c", "a", "b"], "at": {"lat": "52.5"}},
    ]


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;&a;">]>',
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd">',
    ],
)
def test_document_types_and_entities_are_never_expanded(tmp_path: Path, prolog: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f"{prolog}<r><row><id>1</id></row></r>", encoding="utf-8")
    assert refusal(path, type="xml", records="row").code == "hostile_markup"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("json", '[{"id": 1}, {"id": 2, "text": "' + "я" * 200_000 + '"}]'),
        ("jsonl", '{"id": 1}\n{"id": 2, "text": "' + "я" * 200_000 + '"}'),
        ("xml", "<r><row><id>1</id></row><row><text>" + "я" * 200_000 + "</text></row></r>"),
    ],
)
def test_a_record_of_absurd_size_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: str
) -> None:
    for module in ("delivered", "documents", "json_text"):
        monkeypatch.setattr(f"ingestion.formats.{module}.LONGEST_RECORD", 100_000)
    monkeypatch.setattr("ingestion.formats.documents._BLOCK", 4096)
    monkeypatch.setattr("ingestion.formats.json_text._CHUNK", 4096)
    path = tmp_path / f"a.{kind}"
    path.write_text(content, encoding="utf-8")
    assert refusal(path, type=kind, records="row" if kind == "xml" else None).code == (
        "record_too_large"
    )
    assert delivered.LONGEST_RECORD == 100_000


def test_elements_nested_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<r><row>" + "<a>" * 500 + "</a>" * 500 + "</row></r>", encoding="utf-8")
    assert refusal(path, type="xml", records="row").code == "not_xml"


@pytest.mark.parametrize("kind", ["json", "jsonl", "xml"])
def test_an_error_page_is_told_from_data(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_text("<!DOCTYPE html><html><body>Вход</body></html>", encoding="utf-8")
    form = {"records": "row"} if kind == "xml" else {}
    assert refusal(path, type=kind, **form).code == "unexpected_answer"


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "xml"])
def test_long_records_make_small_pages(tmp_path: Path, kind: str) -> None:
    text = "яма " * 50_000
    path = tmp_path / f"a.{kind}"
    records = [{"id": str(n), "text": text} for n in range(40)]
    if kind == "csv":
        lines = ["id,text", *(f"{one['id']},{one['text']}" for one in records)]
    elif kind == "xml":
        inside = (f"<row><id>{one['id']}</id><text>{one['text']}</text></row>" for one in records)
        lines = ["<rows>", *inside, "</rows>"]
    else:
        lines = [json.dumps(one, ensure_ascii=False) for one in records]
        if kind == "json":
            lines = ["[", ",".join(lines), "]"]
    path.write_text("\n".join(lines), encoding="utf-8")
    form = {"type": kind, **({"records": "row"} if kind == "xml" else {})}
    pages = list(read_file(path, entity(**form), name=path.name, sha256=None, size=1))
    found = [list(page.records()) for page in pages]
    assert [item.fields["id"] for page in found for item in page] == [one["id"] for one in records]
    # A record is 200,000 characters: without the bound all forty were one page.
    assert max(map(len, found)) <= 1 + (2 << 20) // len(text)
