"""The report says what the rows say, opens without a network, and trusts no text in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest

from expectations.report import LATEST, number, render
from expectations.runner import CriticalCheckFailed, run
from tests.expectations.conftest import SOURCES, Line

pytestmark = pytest.mark.server


class _Page(HTMLParser):
    """Tags, attributes that load something, and the text with single spaces."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self._texts: list[str] = []
        self.feed(source)
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = ("src", "href", "srcset", "data", "action", "poster")
        self.references += [value or "" for name, value in attrs if name in names]

    def handle_data(self, data: str) -> None:
        self._texts.append(data)


def page(line: Line, folder: Path) -> _Page:
    path = render(line.warehouse.url("auditor"), folder)
    return _Page(path.read_text(encoding="utf-8"))


def check(line: Line, *stages: str) -> None:
    for stage in stages or ("marts",):
        try:
            run(stage, database_url=line.url, run_id=f"run-{stage}", sources=SOURCES)
        except CriticalCheckFailed:
            continue


@pytest.fixture(scope="module", autouse=True)
def _auditor_reads(_tables: object, warehouse: object) -> None:
    """dbt grants the marts; the stand-ins are granted here."""
    line = Line(warehouse)  # type: ignore[arg-type]
    line.transformer("grant select on all tables in schema marts to tsur_auditor")


def test_the_report_opens_without_a_network(line: Line, tmp_path: Path) -> None:
    line.transformer("update marts.fct_appeals set received_at = null where native_id = '1'")
    check(line)
    path = render(line.warehouse.url("auditor"), tmp_path)
    source = path.read_text(encoding="utf-8")
    shown = _Page(source)

    assert "script" not in shown.tags
    assert {"link", "img", "iframe", "object", "embed"} & set(shown.tags) == set()
    assert all(reference.startswith("#") for reference in shown.references)
    assert not re.search(r"url\(|@import|//[a-z]", source)
    assert "default-src 'none'" in source


def test_the_headline_says_whether_the_numbers_may_be_published(line: Line, tmp_path: Path) -> None:
    check(line)
    assert "Нарушений нет. Все проверки соблюдаются." in page(line, tmp_path).text

    line.transformer("update marts.fct_appeals set received_at = null where native_id = '1'")
    check(line)
    assert "Критических нарушений нет. Находок: 1." in page(line, tmp_path).text

    line.transformer("update marts.fct_appeals set text_masked = 'a@b.ru' where native_id = '1'")
    check(line)
    text = page(line, tmp_path).text
    assert "Показатели публиковать нельзя." in text
    assert "Критических нарушений: 1, находок: 1." in text


def test_a_finding_shows_its_count_its_cases_and_what_to_do(line: Line, tmp_path: Path) -> None:
    line.transformer(
        "update marts.fct_deadlines set source_verdict = '' where source_code = 'boston_311_2015'"
    )
    check(line)
    text = page(line, tmp_path).text

    assert "У обращений со сроком источник указал вывод о сроке" in text
    assert "2 из 4 (boston_311_2015: 2 из 2)" in text
    cases = "select case_id::text, native_id from marts.fct_appeals where native_id in {}"
    for case_id, native_id in line.rows(cases.format("('101', '102')")):
        assert case_id in text
        assert f"№ {native_id}" in text
    assert "Передайте номера владельцу источника" in text


def test_all_empty_verdicts_are_listed(line: Line, tmp_path: Path) -> None:
    """23 cases of Boston's register: an auditor gets every number, not the first few."""
    line.transformer(
        "insert into marts.fct_deadlines select gen_random_uuid(), 1, 'boston', 'boston_311_2015', "
        "'case-' || n, due_at, source_due_at, closed_at, deadline_status, '', as_of, null, null, "
        "true from marts.fct_deadlines, generate_series(1, 60) as n where native_id = '101'"
    )
    check(line)
    text = page(line, tmp_path).text

    assert [n for n in range(1, 61) if f"№ case-{n} " not in text] == []


def test_texts_of_the_data_are_escaped(line: Line, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    line.owner(
        "insert into ops.quarantine (load_id, last_load_id, source_code, region_code, entity, "
        "error_code, reason, raw_sealed, fingerprint) select load_id, load_id, source_code, "
        f"region_code, entity, 'bad_row', '{attack}', 'x', 'x' from ops.loads limit 1"
    )
    line.transformer(f"update marts.mart_case_ledger set reason = '{attack}' where native_id = '2'")
    check(line)
    shown = page(line, tmp_path)

    assert "script" not in shown.tags
    assert shown.text.count(attack) >= 2


def test_loads_show_the_identity(line: Line, tmp_path: Path) -> None:
    line.owner(
        "update ops.loads set rows_read = 1234567, rows_unchanged = 1234563, rows_quarantined = 2 "
        "where entity = 'rows'"
    )
    text = page(line, tmp_path).text

    expected = f"boston_311_2015 rows Бостон (США) 1 {number(1234567)} 2 {number(1234563)} 2 да"
    assert expected.replace("\u00a0", " ") in text


def test_the_ledger_says_where_each_case_ended(line: Line, tmp_path: Path) -> None:
    text = page(line, tmp_path).text

    assert "pos Тамбовская область 3 2 1 0 0 0" in text
    assert "Всего 5 4 1 0 0 0" in text
    assert "pos объединено с другим Тот же текст. 1" in text


def test_quarantine_is_shown_by_code_with_its_reason(line: Line, tmp_path: Path) -> None:
    line.owner(
        "insert into ops.quarantine (load_id, last_load_id, source_code, region_code, entity, "
        "error_code, reason, raw_sealed, fingerprint) select load_id, load_id, source_code, "
        "region_code, entity, 'date_out_of_range', 'Год 3020.', 'x', 'x' from ops.loads "
        "order by load_id limit 1"
    )

    assert "pos messages date_out_of_range ожидает решения 1 Год 3020." in page(line, tmp_path).text


def test_a_check_that_could_not_be_computed_is_shown_with_its_error(
    line: Line, tmp_path: Path
) -> None:
    line.transformer("alter table marts.mart_agency_rating_dimensions rename to hidden")
    try:
        check(line)
    finally:
        line.transformer("alter table marts.hidden rename to mart_agency_rating_dimensions")
    text = page(line, tmp_path).text

    assert "Не вычислена Балл рейтинга раскладывается на составляющие" in text
    assert "нет таблицы или права её читать: marts.mart_agency_rating_dimensions" in text


def test_empty_tables_give_a_report(empty_line: Line, tmp_path: Path) -> None:
    check(empty_line, "raw", "marts")
    text = page(empty_line, tmp_path).text

    assert "Загрузок нет." in text
    assert "Реестр ещё не построен." in text


def test_the_report_can_be_drawn_before_the_marts_are_built(line: Line, tmp_path: Path) -> None:
    run("raw", database_url=line.url, run_id="run", sources=SOURCES)
    line.transformer("alter table marts.mart_case_ledger rename to hidden")
    try:
        text = page(line, tmp_path).text
    finally:
        line.transformer("alter table marts.hidden rename to mart_case_ledger")

    assert "Реестр ещё не построен." in text


def test_old_reports_go_and_the_newest_is_the_index(line: Line, tmp_path: Path) -> None:
    check(line)
    (tmp_path / "notes.html").write_text("kept")
    paths = [render(line.url, tmp_path, keep=2) for _ in range(4)]

    assert [path.exists() for path in paths] == [False, False, True, True]
    assert (tmp_path / LATEST).read_text() == paths[-1].read_text()
    assert (tmp_path / "notes.html").exists()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html"] * 4


def test_runs_of_single_sources_are_put_together(line: Line, tmp_path: Path) -> None:
    """DAGs check their own source: the report shows the newest answer for every table."""
    for source in SOURCES:
        run("raw", database_url=line.url, run_id=source.table, sources=[source])
    text = page(line, tmp_path).text

    for source in SOURCES:
        assert f"raw.{source.table} Проверка" in text


def test_officials_may_not_read_where_the_loads_are(line: Line, tmp_path: Path) -> None:
    check(line)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        render(line.warehouse.url("official"), tmp_path)
