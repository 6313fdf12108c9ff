"""`tsur load withdraw`, `erase`, `backfill`, `backup`, `restore`: a plan first, then the deed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from stack import pipeline
from stack.cli import app
from stack.credentials import Credentials
from stack.database import Warehouse
from stack.postgres import PostgresServer
from stack.settings import get_settings

YAML = """
kind: KIND
description: {ru: Проверочный источник записей, en: A source that tests are made of}
owner: tests
tier: 3
freshness: {warn_hours: 1, error_hours: 2}
deadline: none
EXTRA
regions: [{code: tambov, time_zone: Europe/Moscow, endpoint: "ENDPOINT"}]
entities:
  rows:
    table: operated
    role: case
    kind: appeal
    key: id
    format: {type: csv, separator: ";"}
    identity: {who: person}
    record: {text: text, received_at: date, applicant_key: who}
"""
NAME = "Петрова Анна"
Tsur = Callable[..., Result]


@pytest.fixture(scope="module")
def home(other_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A started home whose empty warehouse is kept as the database `prepared`."""
    folder = tmp_path_factory.mktemp("home")
    with (
        pytest.MonkeyPatch.context() as patch,
        psycopg.connect(other_server.url(), autocommit=True) as connection,
    ):
        connection.execute("drop database if exists warehouse with (force)")
        patch.setenv("TSUR_HOME", str(folder))
        patch.setenv("TSUR_DATABASE_URL", other_server.url())
        get_settings().keep(as_of={"*": "2026-11-21T06:00:00+03:00"})
        pipeline.prepare_warehouse(get_settings())
        connection.execute("create database prepared template warehouse owner tsur_owner")
    return folder


@pytest.fixture
def tsur(home: Path, target: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tsur:
    """The program in a started home, on an empty warehouse."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("TSUR_DATABASE_URL", target.admin_url)
    enter(home, monkeypatch)
    warehouse = pipeline.warehouse_of(get_settings())
    warehouse.create_roles()
    with psycopg.connect(target.admin_url, autocommit=True) as connection:
        connection.execute("create database warehouse template prepared owner tsur_owner")
    warehouse.grant()

    def run(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=typed)

    return run


def enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("TSUR_HOME", str(home))


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(
        f"id;text;date;who\n1;Яма;2026-01-05;{NAME}\n", encoding="utf-8"
    )
    path = tmp_path / "operated.yml"
    text = YAML.replace("KIND", "register").replace("EXTRA", "")
    path.write_text(text.replace("ENDPOINT", str(tmp_path / "rows.csv")), encoding="utf-8")
    return path


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(query: str) -> list[tuple[Any, ...]]:
    url = pipeline.warehouse_of(get_settings()).url("loader")
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_a_load_is_withdrawn_only_with_a_yes_and_a_reason(tsur: Tsur, declared: Path) -> None:
    told(tsur("ingest", str(declared), "--json"))
    plan = told(tsur("load", "withdraw", "1", "--json"))
    assert (plan["is_done"], plan["loads"][0]["set_aside"]) == (False, 1)
    assert tsur("load", "withdraw", "1", "--yes").exit_code == 2
    assert rows("select count(*) from raw.operated") == [(1,)]

    done = told(
        tsur("load", "withdraw", "1", "--yes", "--reason", "wrong file", "--by", "me", "--json")
    )
    assert done["is_done"]
    assert rows("select count(*) from raw.operated") == [(0,)]
    (listed,) = told(tsur("load", "list", "--json"))
    assert listed["withdrawn_reason"] == "wrong file"


def test_what_was_loaded_by_a_path_is_replayed_by_its_path_and_otherwise_said(
    tsur: Tsur, declared: Path
) -> None:
    broken = declared.read_text(encoding="utf-8")
    right = broken + "    formats: ['%d/%m/%Y']\n"
    (declared.parent / "rows.csv").write_text(
        f"id;text;date;who\n1;Яма;05/01/2026;{NAME}\n", encoding="utf-8"
    )
    assert tsur("ingest", str(declared), "--json").exit_code == 0
    declared.write_text(right, encoding="utf-8")

    done = told(tsur("replay", "--json"))
    (skipped,) = done["skipped"]
    assert (done["loads"], done["not_tried"]) == (0, 1)
    assert (skipped["source_code"], skipped["entries"]) == ("operated", 1)
    shown = " ".join(tsur("replay").output.split())
    assert "Not tried: 1 of operated rows tambov" in shown
    assert "./tsur replay --source PATH/operated.yml" in shown

    # Where another source is asked for, this one is not spoken of.
    assert told(tsur("replay", "--source", "pos", "--json"))["not_tried"] == 0
    done = told(tsur("replay", "--source", str(declared), "--json"))
    assert (done["rows_landed"], done["not_tried"]) == (1, 0)
    assert rows("select count(*) from ops.quarantine where state = 'open'") == [(0,)]


def test_an_entry_whose_region_or_entity_left_the_yaml_is_said_and_stops_nothing(
    tsur: Tsur, declared: Path
) -> None:
    broken = declared.read_text(encoding="utf-8")
    (declared.parent / "rows.csv").write_text(
        f"id;text;date;who\n1;Яма;05/01/2026;{NAME}\n", encoding="utf-8"
    )
    tsur("ingest", str(declared))
    for left, what in (("code: tambov", "region"), ("  rows:", "entity")):
        declared.write_text(
            broken.replace(left, left.replace("tambov", "pskov").replace("rows", "others")),
            encoding="utf-8",
        )
        (skipped,) = told(tsur("replay", "--source", str(declared), "--json"))["skipped"]
        assert (skipped["undeclared"], skipped["entries"]) == (what, 1)


def test_the_ledger_decides_which_loads_are_listed_not_the_folder_of_yamls(
    tsur: Tsur, declared: Path
) -> None:
    told(tsur("ingest", str(declared), "--json"))
    declared.rename(declared.with_name("elsewhere.txt"))
    for name in ("operated", str(declared)):
        (listed,) = told(tsur("load", "list", "--source", name, "--json"))
        assert listed["source_code"] == "operated"
    refused = tsur("load", "list", "--source", "operated' or 'a' = 'a")
    assert refused.exit_code == 2
    assert "it has operated" in " ".join(refused.output.replace("│", " ").split())


def test_a_person_is_erased_without_being_named_in_arguments_or_output(
    tsur: Tsur, declared: Path
) -> None:
    told(tsur("ingest", str(declared), "--json"))
    typed = f"person: {NAME}\n"
    plan = tsur("erase", "--stdin", "--json", typed=typed)
    assert (told(plan)["is_done"], told(plan)["records"]) == (False, 1)

    done = tsur("erase", "--stdin", "--yes", "--reason", "request 17", "--json", typed=typed)
    assert (told(done)["is_done"], told(done)["records"]) == (True, 1)
    assert NAME not in plan.output + done.output
    assert rows("select record ->> 'text', payload from raw.operated") == [
        (None, {"tsur_erased": True})
    ]
    assert rows("select requested_by <> '', reason from ops.erasures") == [(True, "request 17")]


def test_what_is_no_identity_is_refused_without_repeating_it(tsur: Tsur) -> None:
    for typed in (f"{NAME}\n", f"nickname: {NAME}\n", "person:\n", "", f"phone: {NAME}\n"):
        result = tsur("erase", "--stdin", typed=typed)
        assert result.exit_code != 0
        assert NAME not in result.output + str(result.exception)


def test_files_of_a_delivery_that_are_not_read_are_named(
    tsur: Tsur, declared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "brought"
    folder.mkdir()
    (tmp_path / "rows.csv").rename(folder / "rows.csv")
    (folder / "отчёт.csv").write_text("id;text\n", encoding="utf-8")
    text = declared.read_text(encoding="utf-8")
    declared.write_text(text.replace("table: ", 'files: "rows*"\n    table: ', 1), encoding="utf-8")
    command = ("ingest", str(declared), "--region", "tambov", "--file", str(folder), "--json")
    result = tsur(*command)
    assert (told(result)["rows_landed"], told(result)["files_not_read"]) == (1, 1)
    assert "отчёт.csv" in result.stderr
    seen = tsur("source", "preview", str(declared), "--file", str(folder))
    assert (seen.exit_code, "отчёт.csv" in seen.stderr) == (0, True)
    (folder / "rows.csv").unlink()
    result = tsur(*command)
    assert (result.exit_code, "отчёт.csv" in str(result.exception)) == (1, True)


def test_a_backfill_without_yes_shows_its_plan(tsur: Tsur, declared: Path) -> None:
    text = YAML.replace("KIND", "pos").replace("EXTRA", "window: {days: 1}")
    declared.write_text(text.replace("ENDPOINT", "http://127.0.0.1:9/export"), encoding="utf-8")
    period = ("--from", "2026-01-01", "--to", "2026-03-01", "--step", "31")

    plan = told(tsur("backfill", str(declared), *period, "--json"))
    assert (plan["is_done"], plan["windows"], plan["expected_calls"]) == (False, 2, 2)
    assert rows("select count(*) from ops.backfills") == [(0,)]
    shown = tsur("backfill", str(declared), *period)
    assert "2 of 2 windows are left" in " ".join(shown.output.split())


def test_a_home_is_restored_with_its_key_and_its_moment(
    tsur: Tsur, declared: Path, tmp_path: Path, target: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tsur("ingest", str(declared), "--json"))
    assert tsur("backup", str(tmp_path / "backup"), "--with-key", "--json").exit_code == 0
    assert tsur("backup", str(tmp_path / "keyless"), "--json").exit_code == 0
    key = get_settings().credentials.vault_key
    with psycopg.connect(target.admin_url, autocommit=True) as connection:
        connection.execute("drop database warehouse with (force)")

    enter(tmp_path / "new home", monkeypatch)
    refused = tsur("restore", str(tmp_path / "keyless"))
    assert refused.exit_code != 0
    assert "--without-key" in str(refused.exception)

    counts = told(tsur("restore", str(tmp_path / "backup"), "--json"))
    assert counts["tables"] > 10
    assert rows("select record ->> 'text' from raw.operated") == [("Яма",)]
    # A build may come before the next start: it says of each load whether it came.
    assert rows("select count(*) > 0 from ops.expected_loads") == [(True,)]
    settings = get_settings()
    assert settings.credentials.vault_key == key
    assert settings.as_of_variable == {"*": "2026-11-21T06:00:00+03:00"}
    secrets = settings.home / "secrets"
    assert Credentials.load_or_create(secrets).vault_key == key
    assert [path for path in (tmp_path / "keyless").rglob("*") if key in read_text(path)] == []


def read_text(path: Path) -> str:
    return path.read_bytes().decode("latin-1") if path.is_file() else ""


def test_retention_erases_nothing_unless_a_setting_says_so(
    tsur: Tsur, declared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tsur("ingest", str(declared), "--json"))
    assert pipeline.apply_retention() == {"sightings": 0}
    assert rows("select record ->> 'text' from raw.operated") == [("Яма",)]
    monkeypatch.setenv("TSUR_TEXT_RETENTION_DAYS", "30")
    monkeypatch.setenv("TSUR_QUARANTINE_RETENTION_DAYS", "30")
    monkeypatch.setenv("TSUR_VAULT_RETENTION_DAYS", "30")
    assert pipeline.apply_retention() == {
        "texts": 1,
        "quarantine": 0,
        "identities": 0,
        "sightings": 0,
    }
    assert rows("select record ->> 'text' from raw.operated") == [(None,)]
