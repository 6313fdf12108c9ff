"""What the check has passed lands, also with the marks of an earlier check still in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.source import Source
from tests.ingestion.conftest import Platform
from tests.ingestion.registers.conftest import (
    GOOD,
    HEADINGS,
    Fill,
    bytes_of,
    changed,
    check,
    marked,
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
        assert [code == of and sentence in reason for of, reason in refused].count(True) == 1
