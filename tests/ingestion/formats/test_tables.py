"""Tables as people send them: encodings, separators, sheets, headings further down, footers."""

from __future__ import annotations

import io
import tracemalloc
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
from ingestion.source import Contract, Entity

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
    return [one for page in found for one in page.records()]


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


@pytest.mark.parametrize("columns", [50, 1_000])
def test_cells_of_an_ods_that_are_repeated_too_often_are_refused(
    tmp_path: Path, columns: int
) -> None:
    path = tmp_path / "a.ods"
    repeated(path, [(1, [(1, one) for one in HEADING]), (1_000_000, [(columns, "x")])])
    assert path.stat().st_size < 10_000
    assert refusal(path).code == "workbook_too_large"


def test_empty_cells_that_an_ods_repeats_to_its_margins_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    heading = [(1, one) for one in HEADING]
    rows = [(1, [(1, one) for one in row]) for row in ROWS]
    margins = [(1_048_000, [(16_384, "")])]
    repeated(path, [(1, [*heading, (16_000, "")]), *rows, *margins])
    assert read(path) == EXPECTED


def repeated(path: Path, rows: list[tuple[int, list[tuple[int, str]]]]) -> None:
    """An ODS of rows, each with the number of its repetitions, and cells with theirs."""
    book = OpenDocumentSpreadsheet()
    table = Table(name="Лист")
    for times, cells in rows:
        row = TableRow(numberrowsrepeated=times)
        for count, value in cells:
            cell = TableCell(numbercolumnsrepeated=count)
            if value:
                cell.setAttribute("valuetype", "string")
                cell.addElement(P(text=value))
            row.addElement(cell)
        table.addElement(row)
    book.spreadsheet.addElement(table)
    book.save(str(path))


def test_a_single_cell_far_out_is_refused_and_the_reason_is_told(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(HEADING)
    book.active["XFD1048576"] = "x"
    path = tmp_path / "far.xlsx"
    book.save(path)
    refused = refusal(path)
    assert refused.code == "workbook_too_large"
    assert "reading it takes more than 1000 MB of memory" in str(refused)


def test_a_wide_sheet_of_few_rows_is_read(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append([*HEADING, *[None] * 16_000, "далеко"])
    book.active.append(ROWS[0])
    path = tmp_path / "wide.xlsx"
    book.save(path)
    assert len(read(path)) == 1


def test_a_workbook_under_a_password_is_refused_as_broken(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"Лист": [HEADING, *ROWS]})
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    while entry >= 0:
        content[entry + 8] |= 1  # the flag of an encrypted entry
        entry = content.find(b"PK\x01\x02", entry + 4)
    path.write_bytes(content)
    assert refusal(path).code == "broken_workbook"


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


def test_a_binary_workbook_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.bin", b"")
    refused = refusal(path)
    assert refused.code == "broken_workbook"
    assert "save it as XLSX" in str(refused)


HUGE = "я" * 2000
WITHIN = '"a;""b""\r\nc"'


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.formats.tables.LONGEST_CELL", 1000)
    monkeypatch.setattr("ingestion.formats.tables.LONGEST_ROW", 3000)


def until_refused(path: Path, **form: Any) -> tuple[list[str], UnreadableAnswer]:
    """The numbers of the rows that were given away, and the error that came after them."""
    found: list[str] = []
    try:
        for one in read_file(path, entity(**form), name=path.name, sha256=None, size=1):
            found += [item.fields["Номер"] for item in items([one]) if item.error is None]
    except UnreadableAnswer as error:
        return found, error
    raise AssertionError(f"{path} was read to its end")


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("row", "is_end_known"),
    [
        (f"x;{HUGE};", True),
        (f'x;"{HUGE}";', True),
        (f'x;"{HUGE};', False),
        (f'x;"{HUGE}\r\n{HUGE}";', False),
        ('x;"' + "\r\n".join(["я" * 90] * 30) + '";', False),
        ("x;" + ";".join('"' + "\n".join(["я" * 90] * 9) + '"' for _ in range(9)), False),
        # It began and is not ended before the line that is too long.
        (f'x;"я\r\n{HUGE}";', False),
        (f'x;{WITHIN};"{HUGE}"', False),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
def test_a_cell_of_absurd_size_keeps_no_other_row_from_landing(
    tmp_path: Path, row: str, is_end_known: bool, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    rest = "3;Свет;\r\n4;Дым;\r\n"
    path.write_bytes(f"{text(';')}{row}\r\n{rest}".encode(encoding))
    found, refused = until_refused(path, separator=";", encoding=encoding)
    assert found == (["1", "2", "3", "4"] if is_end_known else ["1", "2"])
    assert refused.code == "record_too_large"
    with refused.content as kept:
        assert kept.read() == path.read_bytes()
    assert "row 4" in str(refused)
    assert "я" * 5 not in str(refused)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("row", [f"{HUGE};x;", f'"{HUGE}'])
def test_a_table_that_begins_with_a_row_of_absurd_size_is_refused_for_that(
    tmp_path: Path, row: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{row}\r\n{text(';')}", encoding="utf-8")
    assert refusal(path, separator=";").code == "record_too_large"


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(text(";") + 'x;"')
        for _ in range(60):
            file.write("я" * (1 << 20))
    tracemalloc.start()
    found, refused = until_refused(path, separator=";")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    refused.content.close()
    assert (found, refused.code) == (["1", "2"], "record_too_large")
    assert peak < 100 << 20


def test_lines_of_another_encoding_are_counted_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = [["1", "Яма", ""]] * 8
    for bad, is_refused in ((1, False), (3, True)):
        lines = text(";", good).encode() + "9;Снег и снег;\r\n".encode("cp1251") * bad
        path.write_bytes(lines)
        if is_refused:
            assert "line 10 of 12 is not utf-8 (3 such lines)" in str(refusal(path, separator=";"))
        else:
            assert len(read(path, separator=";")) == 8


SECRET_ROW = ["Секретный Иван Петрович", "8 916 555-44-33", "secret@example.ru"]


@pytest.mark.parametrize("find", [1, "find"])
def test_a_table_without_a_heading_is_refused_without_what_stands_in_it(
    tmp_path: Path, find: int | str
) -> None:
    path = tmp_path / "a.csv"
    rows = [";".join(SECRET_ROW), ";".join(["x", *SECRET_ROW[1:]])]
    path.write_text("\n".join(rows), encoding="utf-8")
    for missing in ({}, {"missing": "evolve"}):
        declared = entity(separator=";", header_row=find).model_copy(
            update={"contract": Contract.model_validate(missing)}
        )
        with pytest.raises(UnreadableAnswer, match="missing: Номер, Текст обращения") as caught:
            list(read_file(path, declared, name="a.csv", sha256=None, size=1))
        assert caught.value.code == "missing_column"
        told = str(caught.value)
        assert "the file may have no heading" in told
        assert "'xxxxxxxxx xxxx xxxxxxxx', '9 999 999-99-99', 'xxxxxx@xxxxxxx.xx'" in told
        assert not any(cell in told for cell in SECRET_ROW)


def test_columns_that_stand_there_twice_are_told_by_their_form_unless_the_yaml_knows_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(";".join([*HEADING, "Номер", "Иванов", "Иванов"]), encoding="utf-8")
    refused = refusal(path, separator=";")
    assert refused.code == "repeated_column"
    assert "twice: 'xxxxxx', Номер" in str(refused)


def test_the_row_that_comes_nearest_to_a_heading_is_told_and_the_layouts_too(
    tmp_path: Path,
) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        {"Лист": [["Секретный реестр"], ["", "за ноябрь"], ["Номер", "Тема", "Сводка"], ["1"]]},
    )
    layouts = {"полная": ["Номер", "Сводка", "Итог"], "краткая": ["Номер", "Сумма"]}
    told = str(refusal(path, header_row="find", layouts=layouts))
    assert (
        "missing: Текст обращения; no declared layout fits (полная: Номер, Сводка, Итог; " in told
    )
    assert "found in row 3: Номер, Тема, Сводка." in told
    assert "no heading" not in told
    assert "Секретный" not in told
