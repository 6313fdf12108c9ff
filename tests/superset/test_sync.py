"""A real Superset, synchronised: complete, repeatable, closed to those who may not look."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from tsur_superset import assets

from stack.bench.charts import QUERIES
from tests.superset.conftest import SupersetInstance

pytestmark = pytest.mark.slow
WRITE_QUERIES = "TSUR_WRITE_CHART_QUERIES"
AGAIN = f"{WRITE_QUERIES}=1 pytest tests/superset/test_sync.py -k queries"
SOURCES = "Основание: Данные источников"
BOTH_SHARES = re.compile(r"не определён: \d+,\d %.*прочее вне восьми блоков: \d+,\d %")


def test_the_first_sync_fills_an_empty_database_and_every_chart_answers(
    first_sync: subprocess.CompletedProcess[str],
) -> None:
    assert "опрошено диаграмм: 26" in first_sync.stdout
    assert "готово за" in first_sync.stdout


def test_a_second_sync_changes_nothing(observed: dict[str, Any]) -> None:
    assert observed["after"] == observed["before"]
    assert len(observed["after"]["charts"]) == 26
    assert len(observed["after"]["rules"]) == 6


def test_the_parser_of_periods_is_ready_before_threads_share_it(observed: dict[str, Any]) -> None:
    built, simplified = observed["period_parser"]
    assert (built, simplified) == (1, True)


def test_every_chart_gives_rows_and_every_caption_says_when_of_how_many_and_what_is_unknown(
    observed: dict[str, Any],
) -> None:
    answers = observed["answers"]
    assert [answer for answer in answers if answer["error"] or not answer["rows"]] == []
    captions = [answer for answer in answers if answer["chart"].startswith("Основание: ")]
    assert len(captions) * 2 == len(answers)
    for answer in captions:
        assert answer["caption"].startswith("По состоянию на "), answer
        if answer["chart"] == SOURCES:
            continue
        assert BOTH_SHARES.search(answer["caption"]), answer
        assert re.search(r" из \d|учтено наблюдений: \d|Поступило обращений: \d", answer["caption"])


def test_an_official_sees_which_data_did_not_come_whatever_period_is_chosen(
    observed: dict[str, Any],
) -> None:
    states = [row["freshness_name"] for row in observed["sources"]]
    assert states == ["просрочено"] * 2 + ["опаздывает"] * 2 + states[4:]
    assert sorted(states[4:]) == ["в срок"] * 4 + ["не загружался"] * 2
    assert observed["sources_of_one_region"] == [
        row for row in observed["sources"] if row["region_name"] == "Псковская область"
    ]
    captions = {answer["chart"]: answer["caption"] for answer in observed["answers"]}
    assert (
        "Источников: 2, ожидаемых загрузок: 10. Просрочено: 2, опаздывает: 2, не загружалось: 2, "
        "объём ниже обычного: 10." in captions[SOURCES]
    )
    assert "Фильтры «Период», «Блок»," in captions[SOURCES]


def test_captions_name_the_filters_that_do_not_act(observed: dict[str, Any]) -> None:
    captions = {answer["chart"]: answer["caption"] for answer in observed["answers"]}
    workload = captions["Основание: Занятость блоков"]
    assert workload.endswith("Фильтры «Орган», «Муниципалитет», «Канал» здесь не действуют.")
    rating = captions["Основание: Рейтинг органов"]
    assert rating.endswith("Фильтры «Муниципалитет», «Канал» здесь не действуют.")
    assert "не действу" not in captions["Основание: Соблюдение сроков"]


def test_a_measure_that_an_act_does_not_ask_for_is_called_outside_the_act(
    observed: dict[str, Any],
) -> None:
    captions = {answer["chart"]: answer["caption"] for answer in observed["answers"]}
    assert (
        "Показатель вне положения: Еврейская автономная область, Самарская область, "
        "Челябинская область." in captions["Основание: Занятость блоков"]
    )
    assert "вне положения" not in captions["Основание: Рейтинг органов"]


def test_the_unfinished_month_is_marked_and_stays_out_of_the_comparisons(
    observed: dict[str, Any],
) -> None:
    labels = [row["month_label"] for row in observed["months"]]
    assert "ноябрь 2026 (не завершён)" in labels
    assert [label for label in labels if "не завершён" in label] == ["ноябрь 2026 (не завершён)"]
    assert len(labels) == 12
    captions = {answer["chart"]: answer["caption"] for answer in observed["answers"]}
    assert "Последний месяц не завершён." in captions["Основание: Сроки по месяцам"]
    assert "Только завершённые месяцы." in captions["Основание: Соблюдение сроков по блокам"]


def test_a_filter_narrows_the_rating_and_leaves_every_rank_as_it_was(
    observed: dict[str, Any],
) -> None:
    ranks = {row["body_name"]: row["rank_label"] for row in observed["rating"]}
    for narrowed in (observed["rating_one_region"], observed["rating_one_body"]):
        assert 0 < len(narrowed) < len(ranks)
        assert all(ranks[row["body_name"]] == row["rank_label"] for row in narrowed)
    assert observed["rating_one_body"][0]["rank_label"] == "2"


def test_the_rating_is_that_of_the_last_finished_quarter_of_the_chosen_period(
    observed: dict[str, Any],
) -> None:
    captions = {answer["chart"]: answer["caption"] for answer in observed["answers"]}
    assert "3 квартал 2026" in captions["Основание: Рейтинг органов"]
    assert len(observed["rating_of_2025"]) == 35
    assert observed["rating_of_2025"] != observed["rating"]
    (only,) = observed["caption_of_two_months"]
    assert only["Основание"].startswith("В выбранном периоде нет ни одного завершённого квартала.")


def test_a_channel_filter_changes_what_the_caption_counts(observed: dict[str, Any]) -> None:
    (everything,), (one,) = observed["caption"], observed["caption_one_channel"]

    def counted(row: dict[str, str]) -> int:
        found = re.search(r"из ([\d\s]+) циклов", row["Основание"])
        assert found is not None
        return int(re.sub(r"\s", "", found.group(1)))

    assert 0 < counted(one) < counted(everything)


def test_the_compliance_share_is_that_of_the_finished_months_of_the_mart(
    observed: dict[str, Any], warehouse: Any
) -> None:
    import psycopg

    with psycopg.connect(warehouse.url("official")) as connection:
        row = connection.execute(
            "select sum(on_time)::numeric / sum(due_cohort) from marts.mart_deadline_compliance"
            " where is_month_finished and month_date >= %s and month_date < %s",
            [date(2025, 12, 1), date(2026, 12, 1)],
        ).fetchone()
    assert row is not None
    ((value,),) = (list(found.values()) for found in observed["share"])
    assert float(value) == pytest.approx(float(row[0]), abs=1e-9)


def _as_yaml(queries: list[dict[str, Any]]) -> str:
    class Dumper(yaml.SafeDumper):
        pass

    def block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        style = "|" if text.startswith(("SELECT", "WITH")) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, block)
    head = (
        "# What Superset asks for an official's charts of the dashboard, filters off and on.\n"
        f"# Written by Superset: {AGAIN}\n"
        "# In braces: what the filters are set to (charts.py).\n"
    )
    body = yaml.dump(queries, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=1000)
    return head + body


def test_the_file_of_queries_behind_the_charts_holds_what_superset_sends(
    observed: dict[str, Any],
) -> None:
    sent = observed["chart_sql"]
    assert {entry["chart"] for entry in sent} == {a["chart"] for a in observed["answers"]}
    if os.environ.get(WRITE_QUERIES) == "1":
        QUERIES.write_text(_as_yaml(sent), encoding="utf-8")
    listed = yaml.safe_load(QUERIES.read_text(encoding="utf-8"))
    differing = [f"{one['chart']} {one['filters']}" for one in sent if one not in listed]
    assert listed == sent, (
        f"{QUERIES.name} is not what Superset sends: {differing[:3]}…\nWrite it again: {AGAIN}"
    )


def test_a_chart_reads_the_mart_by_municipality_only_when_one_is_chosen(
    observed: dict[str, Any],
) -> None:
    for entry in observed["chart_sql"]:
        if "deadline_compliance" in entry["sql"]:
            is_chosen = "municipality_name" in entry["filters"]
            assert ("marts.mart_deadline_compliance" in entry["sql"]) == is_chosen
            assert ("marts.agg_deadline_compliance" in entry["sql"]) != is_chosen
    assert len({row["municipality_name"] for row in observed["municipalities"]}) == 10


def test_an_official_has_28_permissions_and_the_datasets_and_no_sql_lab(
    observed: dict[str, Any],
) -> None:
    permissions = observed["after"]["roles"]["Должностное лицо"]
    assert len([name for name in permissions if not name.startswith("datasource access")]) == 28
    assert len(permissions) == 28 + len(observed["after"]["datasets"])
    status, data, _ = observed["official_sql_lab"]
    assert status in (401, 403, 404)
    assert data is None
    assert observed["official_pages"]["/api/v1/dashboard/overview"] == 200
    closed = {
        path: code for path, code in observed["official_pages"].items() if "overview" not in path
    }
    assert set(closed.values()) <= {401, 403, 404}, closed


def test_an_analyst_queries_the_marts_in_sql_lab_but_not_the_raw_rows(
    observed: dict[str, Any],
) -> None:
    status, data, _ = observed["analyst_marts"]
    assert status == 200
    assert data[0]["n"] > 5_000
    status, data, errors = observed["analyst_raw"]
    assert status >= 400
    assert not data
    assert "permission denied" in errors


def test_whom_no_rule_names_sees_no_row(observed: dict[str, Any]) -> None:
    assert len(observed["rating"]) == 35
    assert observed["stranger_rows"] == 0


def test_an_official_of_one_block_sees_its_rows_whatever_others_were_answered(
    observed: dict[str, Any],
) -> None:
    bodies = [row["body_name"] for row in observed["physician_rating"]]
    assert bodies == ["Министерство здравоохранения (Тамбовская область)"]
    assert len(observed["physician_months"]) == len(observed["months"]) == 12
    assert observed["physician_months"] != observed["months"]
    assert observed["physician_sources"] == len(observed["sources"])
    assert observed["without_a_block"] == 0


def test_what_is_no_longer_declared_goes_and_what_people_made_stays(
    observed: dict[str, Any],
) -> None:
    left = observed["after_removal"]["charts"]
    assert not set(observed["gone"]) & set(left)
    assert observed["own"] in left
    kept = {key: number for key, number in left.items() if key != observed["own"]}
    before = observed["after"]["charts"]
    assert kept == {key: before[key] for key in before if key not in observed["gone"]}


def test_pages_are_russian_and_ask_no_other_host(observed: dict[str, Any]) -> None:
    sources = re.findall(r"https?://[^\s;]+", observed["csp"])
    assert sources == []
    assert "default-src 'self'" in observed["csp"]
    assert "'unsafe-eval'" not in observed["csp"]
    assert observed["phrases"]["Filters and controls"] == "Фильтры"
    assert observed["phrases"]["Retry"] == "Повторить"
    assert observed["scripts_with_telemetry"] == []


def test_guessing_a_password_is_stopped_with_a_russian_sentence(observed: dict[str, Any]) -> None:
    assert observed["guesses"] == [401] * 5 + [429] * 2
    assert observed["refusal"].startswith("Слишком много неудачных попыток входа.")


def test_logins_that_others_can_read_are_refused(
    instance: SupersetInstance, tmp_path: Path
) -> None:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps(instance.logins))
    file.chmod(0o644)
    result = instance.run("-m", "tsur_superset.sync", TSUR_SUPERSET_LOGINS=str(file))
    assert result.returncode == 1
    assert "mode 0644; run chmod 600" in result.stderr


def test_a_missing_setting_is_named(instance: SupersetInstance) -> None:
    result = instance.run("-m", "tsur_superset.verify", TSUR_SUPERSET_SECRET_KEY="short")
    assert result.returncode != 0
    assert "TSUR_SUPERSET_SECRET_KEY is shorter" in result.stderr


def test_assets_for_a_mart_that_dbt_does_not_have_are_refused(
    instance: SupersetInstance, tmp_path: Path
) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"nodes": {}}))
    result = instance.run(
        "-m", "tsur_superset.sync", "--check-only", TSUR_DBT_MANIFEST=str(manifest)
    )
    assert result.returncode == 1
    assert "the mart mart_deadline_compliance has no contract" in result.stderr
    assert assets.ASSETS.is_dir()
