"""A returned file is read whole; everything that is wrong comes back marked, with the reason."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.formula import ArrayFormula

from ingestion.errors import ERROR_TEXTS
from ingestion.registers.check import KINDS
from ingestion.registers.template import write_template
from ingestion.registers.workbook import RegisterFileError, is_formula
from ingestion.source import SOURCES_FOLDER, Source, load_source
from tests.ingestion.registers.conftest import (
    GOOD,
    HEADINGS,
    NOW,
    SMALL,
    Fill,
    bytes_of,
    changed,
    check,
    marked,
    repacked,
    told,
)

FILL = "FFC7CE"


def is_marked(book: Workbook, address: str) -> bool:
    cell = book["Данные"][address]
    return str(cell.fill.fgColor.rgb).endswith(FILL) and cell.comment is not None


def test_a_register_that_is_right_is_passed_and_nothing_is_written(
    small: Source, fill: Fill
) -> None:
    found = check(
        small,
        fill(
            GOOD,
            changed(number="М-2", Блок="жкх", Срок="2026-07-01"),
            changed(number="М-3", Блок="«Дороги»"),
        ),
    )
    assert (found.problems, found.rows, found.marked) == ([], 3, None)
    assert found.region == "tambov"


def test_everything_that_is_wrong_is_told_at_once(small: Source, fill: Fill) -> None:
    content = fill(
        GOOD,
        changed(number="М-2", Мера=None, Блок="Дорги", Срок="31.02.2026"),
        changed(number="М-1"),
        changed(number=None, Начало=datetime(2026, 12, 1)),
        changed(number="М-5", Состояние="выполняется", Срок="01.01.3020"),
        changed(number="М-6", Состояние="Выполнена", Срок="31.12.2019", Начало=None),
    )
    found = check(small, content)
    assert told(found) == {
        (3, "Мера", "missing_value"),
        (3, "Блок", "not_in_list"),
        (3, "Срок", "bad_date"),
        (4, "№ меры", "repeated_key"),
        (5, "№ меры", "missing_key"),
        (5, "Срок", "breaks_rule"),
        (6, "Состояние", "unknown_value"),
        (6, "Срок", "date_out_of_range"),
        (7, "Выполнена", "missing_value"),
        (7, "Срок", "out_of_bounds"),
    }
    assert found.rows == 6


def test_reasons_are_written_in_the_words_of_the_person_who_filled_it_in(
    small: Source, fill: Fill
) -> None:
    content = fill(
        changed(Блок="Дорги", Срок="31.02.2026"),
        changed(number="М-2", Состояние="Запланировано"),
        changed(number="М-2", Состояние="Выполнена"),
    )
    book = marked(check(small, content))
    sheet = book["Данные"]
    assert sheet["J1"].value == "Что исправить"
    assert sheet["J2"].value.splitlines() == [
        "«Блок»: «Дорги» нет в списке; похоже на «Дороги».",
        "«Срок»: «31.02.2026» — не дата; напишите её так: ДД.ММ.ГГГГ, например 21.11.2026.",
    ]
    assert "похоже на «Запланирована»" in sheet["J3"].value
    assert "такая запись уже есть в строке 3" in sheet["J4"].value
    assert "а в столбце «Состояние» указано «Выполнена»" in sheet["J4"].value
    for address in ("C2", "G2", "H3", "A4", "I4"):
        assert is_marked(book, address), address
    assert not is_marked(book, "B2")
    assert sheet["C2"].comment.text == "«Блок»: «Дорги» нет в списке; похоже на «Дороги»"
    summary = book["Итог проверки"]
    assert summary["A1"].value.startswith("Найдено: 5, строк с ошибками: 3.")
    assert [row[0].value for row in summary.iter_rows(min_row=4)] == [2, 2, 3, 4, 4]


def test_a_corrected_file_passes_with_the_marks_still_in_it(small: Source, fill: Fill) -> None:
    book = marked(check(small, fill(changed(Блок="Дорги"), changed(number="М-2"))))
    book["Данные"]["C2"].value = "Дороги"
    assert check(small, bytes_of(book)).problems == []
    # What is still wrong is marked anew, and only that.
    book["Данные"]["B3"].value = None
    again = marked(check(small, bytes_of(book)))
    assert [cell.value for cell in again["Данные"]["J"]] == [
        "Что исправить",
        None,
        "«Мера»: не заполнено.",
    ]
    assert is_marked(again, "B3")
    corrected = again["Данные"]["C2"]
    assert corrected.comment is None
    assert corrected.fill.fill_type is None
    assert again.sheetnames.count("Итог проверки") == 1


def test_a_column_that_is_missing_is_put_where_it_can_be_filled_in(
    small: Source, fill: Fill
) -> None:
    headings = [*HEADINGS[:6], *HEADINGS[7:]]
    row = [*GOOD[:6], *GOOD[7:]]
    found = check(small, fill(row, headings=headings))
    assert told(found) == {(1, "Срок", "missing_column"), (2, "Срок", "missing_value")}
    book = marked(found)
    added = next(cell for cell in book["Данные"][1] if cell.value == "Срок")
    book["Данные"].cell(2, added.column).value = "15.09.2026"
    assert check(small, bytes_of(book)).problems == []


def test_a_renamed_column_is_told_with_the_name_that_was_meant(small: Source, fill: Fill) -> None:
    headings = ["Сроки" if name == "Срок" else name for name in HEADINGS]
    found = check(small, fill(GOOD, headings=headings))
    assert (1, "G", "unknown_column") in told(found)
    stranger = next(one for one in found.problems if one.code == "unknown_column")
    assert stranger.sentence.endswith("похоже на «Срок»")


@pytest.mark.parametrize("heading", ["срок", " Срок  ", "СРОК"])
def test_a_heading_is_found_however_it_is_spaced_and_cased(
    small: Source, fill: Fill, heading: str
) -> None:
    headings = [heading if name == "Срок" else name for name in HEADINGS]
    assert check(small, fill(GOOD, headings=headings)).problems == []


@pytest.mark.parametrize("mode", ["freeze", "discard_value", "evolve"])
def test_a_value_of_a_wrong_type_is_told_whatever_the_loader_makes_of_it(
    make_source: Callable[..., Source], fill: Fill, mode: str
) -> None:
    contract = f"contract: {{columns: freeze, data_type: {mode}}}"
    small = make_source("small", SMALL.replace("contract: {columns: freeze}", contract))
    assert told(check(small, fill(changed(Начало="скоро")))) == {(2, "Начало", "bad_date")}


def test_columns_are_judged_as_the_contract_says(
    make_source: Callable[..., Source], fill: Fill
) -> None:
    small = make_source(
        "small",
        SMALL.replace("{columns: freeze}", "{columns: evolve, missing: evolve}"),
    )
    headings = ["Моё" if name == "Ответственный" else name for name in HEADINGS]
    assert check(small, fill(GOOD, headings=headings)).problems == []


def test_a_column_may_come_under_its_other_name_and_is_marked_there(
    make_source: Callable[..., Source], fill: Fill
) -> None:
    small = make_source("small", SMALL.replace("from: Срок\n", "from: [Срок, До какого дня]\n"))
    headings = ["До какого дня" if name == "Срок" else name for name in HEADINGS]
    assert check(small, fill(GOOD, headings=headings)).problems == []
    book = marked(check(small, fill(changed(Срок="скоро"), headings=headings)))
    assert is_marked(book, "G2")


@pytest.mark.parametrize("heading", ["«Срок»", '"Срок"'])
def test_a_heading_that_the_loader_would_not_find_is_told(
    small: Source, fill: Fill, heading: str
) -> None:
    headings = [heading if name == "Срок" else name for name in HEADINGS]
    assert (1, "G", "unknown_column") in told(check(small, fill(GOOD, headings=headings)))


def test_every_kind_of_problem_is_on_the_page_of_errors() -> None:
    assert set(KINDS) <= set(ERROR_TEXTS)


def test_a_column_of_one_s_own_and_one_without_a_name_are_refused(
    small: Source, fill: Fill
) -> None:
    found = check(small, fill([*GOOD, "моё", "и ещё"], headings=[*HEADINGS, "Моё"]))
    assert told(found) == {(1, "J", "unknown_column"), (1, "K", "unknown_column")}


def test_a_column_that_stands_there_twice_is_told(small: Source, fill: Fill) -> None:
    found = check(small, fill([*GOOD, "15.09.2026"], headings=[*HEADINGS, "Срок"]))
    assert told(found) == {(1, "Срок", "repeated_column")}


def test_headings_that_were_cut_off_do_not_name_a_person(small: Source, fill: Fill) -> None:
    """Where data stand in the first row, the log tells letters and not what stands there."""
    found = check(small, fill(GOOD, headings=[str(cell) for cell in GOOD]))
    names = {problem.column for problem in found.problems}
    assert all("Снегирёва" not in str(name) for name in names)
    assert {"E", "Ответственный"} <= names


def test_formulas_are_refused_and_come_back_as_text(small: Source, fill: Fill) -> None:
    book = load_workbook(io.BytesIO(fill(changed(Мера='=CMD|"/C calc"!A0'), GOOD)))
    book["Данные"]["G2"] = ArrayFormula("G2", "=SUM(A1:A2)")
    book["Пояснения"]["H1"] = "=1+1"
    found = check(small, bytes_of(book))
    assert {(2, "Мера", "formula"), (2, "Срок", "formula")} <= told(found)
    # Of one cell one thing is told: an empty value is not.
    assert len([one for one in found.problems if one.row == 2 and one.column == "Мера"]) == 1
    returned = marked(found)
    assert returned["Данные"]["B2"].value == '=CMD|"/C calc"!A0'
    for sheet in returned:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", f"{sheet.title}!{cell.coordinate}"
    # A text that would become a formula when it is copied is refused as well.
    assert (2, "Мера", "formula") in told(check(small, bytes_of(returned)))


def test_what_is_quoted_from_a_cell_cannot_become_a_formula(small: Source, fill: Fill) -> None:
    book = marked(check(small, fill(changed(Блок="@SUM(1)", Мера="-1+1"))))
    values = [cell.value for row in book["Данные"].iter_rows() for cell in row if cell.value]
    assert not [value for value in values if is_formula(value)]
    assert book["Итог проверки"]["C4"].data_type == "s"


def test_the_name_of_a_person_is_never_quoted() -> None:
    source = load_source(SOURCES_FOLDER / "indicators.yml", {})
    book = load_workbook(io.BytesIO(write_template(source, "tambov", NOW.date())))
    data = book["Данные"]
    row = {
        "Код показателя": "ОП-04",
        "Орган": "Минздрав Тамбовской области",
        "Период": "2026-К3",
        "Показатель": "Доля ответов в срок",
        "Вид показателя": "Обязательный",
        "Единица": "процент",
        "Заявлено": "93,4",
        "Внёс значение": "Снегирёва Анна Петровна",
        "Внесено": "05.10.2026",
        "Состояние": "Проверено",
        "Проверил": "снегирева  анна петровна",
        "Проверено": "08.10.2026",
    }
    data.append([row.get(str(cell.value)) for cell in data[1]])
    found = check(source, bytes_of(book))
    # The verifier is not the author (5.11), however the name is spelled.
    assert told(found) == {(2, "Проверил", "breaks_rule")}
    assert "негир" not in found.problems[0].sentence


def test_merged_cells_come_back_apart(small: Source, fill: Fill) -> None:
    book = load_workbook(io.BytesIO(fill(GOOD, changed(number="М-2", Мера=None))))
    book["Данные"].merge_cells("B2:B3")
    found = check(small, bytes_of(book))
    assert told(found) == {(3, "Мера", "missing_value")}
    assert is_marked(marked(found), "B3")


def test_a_body_that_is_no_more_may_stand_in_old_rows_and_another_region_s_may_not(
    small: Source, fill: Fill
) -> None:
    pskov = "Комитет по здравоохранению Псковской области"
    found = check(small, fill(changed(Исполнитель=pskov)))
    assert told(found) == {(2, "Исполнитель", "not_in_list")}


def test_a_file_of_another_register_or_region_is_refused(small: Source, fill: Fill) -> None:
    other = load_source(SOURCES_FOLDER / "votes.yml", {})
    with pytest.raises(RegisterFileError, match="Это файл реестра «votes»"):
        check(small, write_template(other, "tambov", NOW.date()))
    with pytest.raises(RegisterFileError, match="региона «tambov», а назван регион «pskov»"):
        check(small, fill(GOOD), region="pskov")
    assert check(small, fill(GOOD), region="tambov").problems == []


def test_a_workbook_from_elsewhere_is_checked_for_all_regions(small: Source) -> None:
    book = Workbook()
    book.active.title = "Данные"
    book.active.append(HEADINGS)
    book.active.append(GOOD)
    found = check(small, bytes_of(book))
    assert (found.region, found.problems) == (None, [])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "не книга Excel"),
        (b"<html>login</html>", "не книга Excel"),
        (b"\xd0\xcf\x11\xe0" + bytes(512), "старого формата"),
    ],
)
def test_what_is_no_workbook_is_refused_with_what_to_do(
    small: Source, content: bytes, reason: str
) -> None:
    with pytest.raises(RegisterFileError, match=reason):
        check(small, content)


def test_a_cut_off_workbook_is_refused(small: Source, fill: Fill) -> None:
    with pytest.raises(RegisterFileError, match=r"повреждён|не открывается"):
        check(small, fill(GOOD)[:-700])


def test_a_workbook_with_damaged_bytes_is_refused(small: Source, fill: Fill) -> None:
    content = bytearray(fill(GOOD))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [one for one in archive.infolist() if "worksheets/sheet" in one.filename]
    for sheet in sheets:
        begin = sheet.header_offset + 30 + len(sheet.filename) + 20
        content[begin : begin + 30] = b"\xff" * 30
    with pytest.raises(RegisterFileError, match=r"повреждён|не открывается"):
        check(small, bytes(content))


def test_a_formula_in_the_key_or_alone_in_its_row_is_told(small: Source, fill: Fill) -> None:
    book = load_workbook(io.BytesIO(fill(GOOD, changed(number="=1+1", Мера=None))))
    book["Данные"]["F7"] = "=SUM(F2:F3)"
    assert {(3, "№ меры", "formula"), (3, "Мера", "missing_value"), (7, "Начало", "formula")} <= (
        told(check(small, bytes_of(book)))
    )


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    small: Source, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = repacked(fill(GOOD), "xl/worksheets/sheet1.xml", lambda _: bytes(60 << 20))
    assert len(bomb) < 1 << 20
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(RegisterFileError, match="больше, чем бывает у реестра"):
        check(small, bomb)


def test_a_book_of_names_without_number_is_refused_before_it_is_opened(
    small: Source, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = b"".join(b'<definedName name="n%d">1</definedName>' % n for n in range(120_000))
    book = repacked(
        fill(GOOD),
        "xl/workbook.xml",
        lambda text: text.replace(b"</definedNames>", names + b"</definedNames>"),
    )
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(RegisterFileError, match="Имена, стили и свойства"):
        check(small, book)


def test_entities_in_xml_are_refused(small: Source, fill: Fill) -> None:
    sheet = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData>'
        "</worksheet>"
    )
    with pytest.raises(RegisterFileError, match="не открывается"):
        check(small, repacked(fill(GOOD), "xl/worksheets/sheet1.xml", lambda _: sheet.encode()))


def test_a_cell_at_the_far_end_is_told_and_not_walked_to(small: Source, fill: Fill) -> None:
    book = load_workbook(io.BytesIO(fill(GOOD)))
    book["Данные"]["XFD1048576"] = " "
    with pytest.raises(RegisterFileError, match="1048576 строк и 16384 столбцов"):
        check(small, bytes_of(book))


def test_a_book_without_the_sheet_of_the_data_is_refused_with_those_it_has(
    small: Source,
) -> None:
    book = Workbook()
    book.active.title = "Лист1"
    with pytest.raises(RegisterFileError, match="нет листа «Данные», есть: Лист1"):
        check(small, bytes_of(book))
