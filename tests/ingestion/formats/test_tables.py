"""Tables as people send them: encodings, separators, sheets, headings further down, footers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from openpyxl import Workbook

from ingestion.clients.base import Item, Page
from ingestion.errors import UnreadableAnswer
from ingestion.formats.files import read_file
from ingestion.source import Entity

HEADING = ["Номер", "Текст обращения", "Сумма"]
ROWS = [["1", "Яма; у дома", "1,5"], ["2", "Снег", ""]]
EXPECTED = [dict(zip(HEADING, row, strict=True)) for row in ROWS]


def entity(**form: Any) -> Entity:
    return Entity.model_validate(
        {
            "name": "rows",
            "table": "rows",
            "role": "case",
            "kind": "appeal",
            "key": "Номер",
            "record": {"text": "Текст обращения", "topic": {"from": "Тема", "optional": True}},
            "format": form,
        }
    )


def pages(path: Path, **form: Any) -> list[Page]:
    return list(read_file(path, entity(**form), name=path.name, sha256=None, size=1))


def items(found: list[Page]) -> list[Item]:
    return [one for page in found if page.block is not None for one in page.block.items()]


def read(path: Path, **form: Any) -> list[dict[str, Any]]:
    return [item.fields for item in items(pages(path, **form)) if item.error is None]


def refusal(path: Path, **form: Any) -> UnreadableAnswer:
    with pytest.raises(UnreadableAnswer) as caught:
        read(path, **form)
    return caught.value


def text(separator: str, rows: list[list[str]] | None = None) -> str:
    lines = [HEADING, *(ROWS if rows is None else rows)]
    return "\r\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines) + "\r\n"


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "koi8-r", "cp866", "utf-16"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_encoding_and_separator_are_detected_and_recorded(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    path = tmp_path / "a.csv"
    rows = [[str(n), f"Во дворе дома не убирают снег, номер {n}", "не было"] for n in range(1, 30)]
    path.write_bytes(text(separator, rows).encode(encoding))
    found = pages(path, encoding="detect", separator="detect")
    assert [item.fields["Текст обращения"] for item in items(found)] == [row[1] for row in rows]
    assert found[0].found["separator"] == separator
    assert encoding.replace("-", "").replace("koi8r", "koi8_r") in (
        found[0].found["encoding"].replace("-", "").replace("utf_8", "utf8")
    )


def test_tab_separated_values_are_a_kind_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text("\t"), encoding="utf-8")
    assert read(path) == EXPECTED
    assert read(path, type="tsv") == EXPECTED


def test_a_sheet_is_chosen_by_name_or_pattern_and_told(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        {
            "Титул": [["Отчёт"]],
            "Январь 2026": [HEADING, ROWS[0]],
            "Февраль 2026": [HEADING, ROWS[1]],
        },
    )
    found = pages(path, sheet="*2026")
    assert [item.fields["Номер"] for item in items(found)] == ["1", "2"]
    assert [item.derived["sheet"] for item in items(found)] == ["Январь 2026", "Февраль 2026"]
    assert refusal(path, sheet="Март").code == "missing_sheet"
    assert refusal(path).code == "missing_column"


def test_a_workbook_of_open_document_format_reads_like_any_other(tmp_path: Path) -> None:
    document = OpenDocumentSpreadsheet()
    table = Table(name="Лист1")
    for line in [HEADING, *ROWS]:
        row = TableRow()
        for value in line:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    document.spreadsheet.addElement(table)
    path = tmp_path / "a.ods"
    document.save(str(path))
    assert read(path) == EXPECTED
    assert read(path, type="ods") == EXPECTED


def test_a_heading_further_down_is_found_by_its_columns(tmp_path: Path) -> None:
    above = [["Реестр обращений"], ["за ноябрь 2026 г."], []]
    path = workbook(tmp_path / "a.xlsx", {"Лист": [*above, HEADING, *ROWS]})
    expected = [row["Номер"] for row in EXPECTED]
    assert [row["Номер"] for row in read(path, header_row="find")] == expected
    assert [row["Номер"] for row in read(path, header_row=4)] == expected
    assert refusal(path).code == "missing_column"


def test_a_heading_that_comes_again_is_no_record_and_may_change_the_order(tmp_path: Path) -> None:
    other = ["Сумма", "Номер", "Текст обращения", "Тема"]
    path = workbook(
        tmp_path / "a.xlsx",
        {"Лист": [HEADING, ROWS[0], HEADING, ROWS[1], other, ["7", "3", "Свет", "Энергетика"]]},
    )
    found = read(path)
    assert [(row["Номер"], row["Текст обращения"]) for row in found] == [
        ("1", "Яма; у дома"),
        ("2", "Снег"),
        ("3", "Свет"),
    ]
    assert found[2]["Тема"] == "Энергетика"


def test_rows_that_close_a_table_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(";", [*ROWS, ["Итого:", "2", ""]]), encoding="utf-8")
    assert read(path, separator=";", footer=["итого"]) == EXPECTED
    assert len(read(path, separator=";")) == 3


def test_the_layout_of_a_table_is_told_by_its_heading(tmp_path: Path) -> None:
    layouts = {"полная": ["Номер", "Тема"], "краткая": ["Номер", "Сумма"]}
    path = tmp_path / "a.csv"
    path.write_text(text(";"), encoding="utf-8")
    assert pages(path, separator=";", layouts=layouts)[0].found["layout"] == "краткая"
    refused = refusal(path, separator=";", layouts={"полная": ["Номер", "Тема"]})
    assert refused.code == "missing_column"
    assert "полная" in str(refused)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (3 << 20))
    assert path.stat().st_size < 10_000
    assert refusal(path, max_unpacked_megabytes=2).code == "workbook_too_large"


def test_an_archive_whose_index_lies_about_its_size_is_refused_too(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (3 << 20))
    told = (3 << 20).to_bytes(4, "little")
    lying = buffer.getvalue().replace(told, (100).to_bytes(4, "little"))
    assert lying != buffer.getvalue()
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(lying)
    assert refusal(path, max_unpacked_megabytes=2).code in {"workbook_too_large", "broken_workbook"}


def test_a_cell_of_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.formats.tables.LONGEST_CELL", 1000)
    path = tmp_path / "a.csv"
    path.write_text(text(";", [["1", "я" * 2000, ""]]), encoding="utf-8")
    assert refusal(path, separator=";").code == "row_shape"
