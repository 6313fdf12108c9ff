"""What the check has passed lands, also with the marks of an earlier check still in the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from ingestion.clients.register import RegisterClient
from ingestion.errors import UnreadableAnswer
from ingestion.ledger import LoadCounts
from ingestion.registers.template import write_template
from ingestion.source import Source
from tests.ingestion.conftest import Platform
from tests.ingestion.registers.conftest import (
    GOOD,
    HEADINGS,
    NOW,
    Fill,
    bytes_of,
    changed,
    check,
    marked,
    repacked,
)

pytestmark = pytest.mark.server


def test_a_corrected_file_lands_and_its_remarks_make_no_version(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    book = marked(check(small, fill(changed(Блок="Дорги"), changed(number="М-2"))))
    book["Данные"]["C2"].value = "Дороги"
    path = tmp_path / "returned.xlsx"
    path.write_bytes(bytes_of(book))
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert (load.outcome, load.rows_read, load.rows_landed) == ("success", 2, 2)
    assert {record["block"] for record in platform.records("small")} == {"Дороги"}
    assert "Снегир" not in platform.stored_text("small")
    # The same register without the column of the check is the same register.
    path.write_bytes(fill(GOOD, changed(number="М-2")))
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert (load.rows_landed, load.rows_unchanged, load.rows_tombstoned) == (0, 2, 0)


def test_a_file_with_a_column_that_nobody_declared_is_kept_and_does_not_land(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    path = tmp_path / "returned.xlsx"
    path.write_bytes(fill([*GOOD, "лишнее"], headings=[*HEADINGS, "Моё"]))
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert load.outcome == "failed"
    assert ("unknown_column", None, "open") in platform.quarantine("small")


def test_what_the_check_refuses_the_loader_refuses_in_the_same_words(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    rows = (
        changed(number="М-10"),
        changed(number="М-11", Мера=None),
        changed(number="М-12", Блок="Дорги"),
        changed(number="М-13", Начало="20.09.2026"),
        changed(number="М-14", Состояние="Выполнена"),
        changed(number="М-15", Срок="31.12.2019", Начало=None),
    )
    content = fill(*rows)
    expected = sorted(
        (problem.code, problem.sentence) for problem in check(small, content).problems
    )
    path = tmp_path / "unchecked.xlsx"
    path.write_bytes(content)
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (6, 1, 5)
    refused = platform.rows(
        "select error_code, reason from ops.quarantine where load_id = %s", load.load_id
    )
    for code, sentence in expected:
        # The file of the operator quotes the cell, what is stored tells its form alone.
        said = sentence.replace("«Дорги»", "«xxxxx»")
        assert [code == of and said in reason for of, reason in refused].count(True) == 1


def test_what_a_slipped_column_brought_stands_in_no_reason(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    path = tmp_path / "slipped.xlsx"
    path.write_bytes(fill(changed(Блок="Снегирёва Анна Петровна", Исполнитель="Анна Снегирёва")))
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert load.rows_quarantined == 1
    assert "негир" not in platform.stored_text("small")


def test_a_register_without_a_record_or_of_another_region_deletes_nothing(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    path = tmp_path / "returned.xlsx"

    def load(content: bytes, region: str = "tambov") -> LoadCounts:
        path.write_bytes(content)
        (counts,) = platform.ingest(small, region=region, files=path)
        return counts

    whole = fill(GOOD, changed(number="М-2"))
    assert load(whole).outcome == "success"
    other = write_template(small.model_copy(update={"code": "votes"}), "tambov", NOW.date())
    for content, region, code in (
        (write_template(small, "tambov", NOW.date()), "tambov", "no_rows"),
        (fill(GOOD), "pskov", "other_region"),
        (other, "tambov", "other_register"),
        (fill(GOOD)[:-700], "tambov", "broken_workbook"),
    ):
        counts = load(content, region)
        assert (counts.outcome, counts.error_class) == ("failed", code)
        assert (counts.rows_landed, counts.rows_tombstoned) == (0, 0)
    assert load(whole).rows_unchanged == 2
    (reason,) = platform.rows("select reason from ops.quarantine where error_code = 'other_region'")
    assert "региона «tambov», а назван регион «pskov»" in reason[0]


def test_a_formula_lands_neither_with_its_result_nor_without(
    platform: Platform, small: Source, fill: Fill, tmp_path: Path
) -> None:
    path = tmp_path / "returned.xlsx"
    keys = [f"М-{number}" for number in range(1, 7)]
    path.write_bytes(fill(*(changed(number=key) for key in keys)))
    platform.ingest(small, region="tambov", files=path)
    book = load_workbook(
        io.BytesIO(
            fill(
                changed(number="М-1", Мера="Убрать лёд"),
                changed(number="М-2", Начало="=DATE(2026,6,1)"),
                changed(number="М-3", Ответственный='="Снегирёва"&" А."'),
                changed(number="М-4", Мера="=A1"),
                changed(number='="М-"&5'),
            )
        )
    )
    book["Данные"]["E9"] = "=COUNTA(A2:A6)"
    # The results of two of them are in the file, as a table program leaves them.
    content = repacked(
        bytes_of(book),
        "xl/worksheets/sheet1.xml",
        lambda text: text.replace(
            b"<f>DATE(2026,6,1)</f><v/>", b"<f>DATE(2026,6,1)</f><v>46174</v>"
        ).replace(b"<f>A1</f><v/>", b"<f>A1</f><v>1</v>"),
    )
    path.write_bytes(content)
    (load,) = platform.ingest(small, region="tambov", files=path)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (6, 1, 5)
    refused = platform.rows(
        "select field, native_id, row_number, reason from ops.quarantine"
        " where error_code = 'formula' order by row_number"
    )
    assert [row[:3] for row in refused] == [
        ("Начало", "М-2", 3),
        ("Ответственный", "М-3", 4),
        ("Мера", "М-4", 5),
        ("№ меры", None, 6),
        ("Ответственный", None, 9),
    ]
    checked = [one for one in check(small, content).problems if one.code == "formula"]
    for one, (*_, reason) in zip(checked, refused, strict=True):
        assert one.sentence in reason
    # Which record the fifth row is nobody knows, so none has vanished; nor does a replay land any.
    assert load.rows_tombstoned == 0
    assert platform.replay(small).as_dict()["rows_landed"] == 0


def test_a_sheet_that_reaches_to_the_end_of_the_grid_is_refused_before_it_is_opened(
    small: Source, fill: Fill, tmp_path: Path
) -> None:
    book = load_workbook(io.BytesIO(fill(GOOD)))
    book["Данные"]["XFD1048576"] = " "
    path = tmp_path / "returned.xlsx"
    path.write_bytes(bytes_of(book))
    client = RegisterClient(small, small.region("tambov"))
    with pytest.raises(UnreadableAnswer, match="1048576 строк и 16384 столбцов") as caught:
        list(client.reread(small.entities["rows"], path, path.name))
    caught.value.content.close()
    assert caught.value.code == "workbook_too_large"
