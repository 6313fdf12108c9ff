"""A backup is restored on another data folder, whole; what is wrong with one is said before."""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from expectations.tables import ensure as ensure_audit
from ingestion.ingest import ingest, prepare_sources
from ingestion.migrations import downgrade
from ingestion.source import Source, load_source
from ingestion.vault import Vault
from nlp.tables import ensure as ensure_nlp
from stack.access import AccessError, look, show_block
from stack.backup import Backup, BackupError, backup, read, restore
from stack.database import Warehouse

KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="
OTHER_KEY = "QW5vdGhlciBrZXkgb2YgdGhlIHZhdWx0LCAzMmJ5dGU="
YAML = """
kind: register
description: {ru: Проверочный источник записей, en: A source that tests are made of}
owner: tests
tier: 3
freshness: {warn_hours: 1, error_hours: 2}
deadline: none
max_quarantined_share: 1
regions: [{code: tambov, time_zone: Europe/Moscow, endpoint: "FILE"}]
entities:
  rows:
    table: backed_up
    role: case
    kind: appeal
    key: id
    format: {type: csv, separator: ";"}
    identity: {who: person}
    record: {text: text, received_at: date, applicant_key: who}
"""
ROWS = """id;text;date;who
1;Яма "во дворе"\\t5;2026-01-05;Петрова Анна
2;Свет;2026-01-06;Сидоров Пётр
3;Мост;3020-01-01;Петрова Анна
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    path = tmp_path / "backed_up.yml"
    path.write_text(YAML.replace("FILE", str(tmp_path / "rows.csv")), encoding="utf-8")
    return load_source(path, {})


def load(warehouse: Warehouse, source: Source, key: str = KEY) -> Any:
    prepare_sources(warehouse.url("loader"), [source])
    (counts,) = ingest(source, database_url=warehouse.url("loader"), vault_key=key, run_id="test")
    return counts


@pytest.fixture
def filled(warehouse: Warehouse, source: Source) -> Warehouse:
    """A warehouse with loads, quarantine, identities, enrichments and results of checks."""
    load(warehouse, source)
    with psycopg.connect(warehouse.url("transformer")) as connection:
        ensure_nlp(connection)
        ensure_audit(connection)
        connection.execute("delete from nlp.enrichments")
        connection.execute("delete from nlp.models")
        connection.execute("insert into nlp.models (model_version) values ('m')")
        connection.execute(
            "insert into nlp.enrichments values ('h', 'm', 'маска', '{а,\"б в\"}', '{}', '{}',"
            " '{}', 'ROADS', 0.9123, '{\"person\": 1}')"
        )
        connection.execute(
            "insert into audit.check_runs (run_id, stage, started_at, finished_at, outcome)"
            " values ('r', 'raw', now(), now(), 'passed')"
        )
        # What dbt keeps of a failed test: nobody migrates such a table.
        connection.execute("drop table if exists audit.facts_equal_the_ledger")
        connection.execute(
            "create table audit.facts_equal_the_ledger as"
            " select 1::bigint as case_id, 'в реестре'::text as reason, 1.5::numeric(4,1) as share"
        )
        # Published, as the transformer publishes.
        connection.execute(
            "insert into audit.published_projects values ('p', 'archive', '{}')"
            " on conflict do nothing"
        )
        connection.execute(
            "insert into audit.publications (mart, region_code, period, published_by,"
            " project_sha256, as_of, known, expected_loads, key_columns, column_names, row_count,"
            " is_proven) values ('m', 'tambov', 'all', 'operator', 'p', '{}', '{}', '[]', '{k}',"
            " '{k}', 1, true)"
        )
        connection.execute(
            "insert into audit.published_values select max(publication_id), 1, 'k', 1.50, null"
            " from audit.publications"
        )
    show_block(warehouse.url("owner"), "ivanova", region="tambov", block="HEALTH", by="operator")
    with pytest.raises(AccessError):
        look(warehouse.url("auditor"), ["p_1"], reason="check 12", vault_key=KEY)
    return warehouse


def content(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every table that a backup is about, as PostgreSQL writes it."""
    found = {}
    schemas = ["raw", "ops", "vault", "nlp", "audit", "access"]
    for role in ("owner", "transformer"):
        with psycopg.connect(warehouse.url(role)) as connection:
            connection.execute("set timezone to 'UTC'")
            for schema, table in connection.execute(
                "select schemaname, tablename from pg_tables"
                " where schemaname = any(%s) and tableowner = current_user",
                [schemas],
            ).fetchall():
                query = sql.SQL("select r::text from {} as r order by 1")
                rows = connection.execute(query.format(sql.Identifier(schema, table))).fetchall()
                found[f"{schema}.{table}"] = [row[0] for row in rows]
    return found


def made(warehouse: Warehouse, folder: Path, **how: Any) -> Backup:
    backup(warehouse, folder, vault_key=KEY, **how)
    return read(folder)


def test_every_table_is_the_same_on_another_server(
    filled: Warehouse, target: Warehouse, tmp_path: Path
) -> None:
    copied = backup(filled, tmp_path / "backup", vault_key=KEY)
    restored = restore(target, read(tmp_path / "backup"), vault_key=KEY)

    before, after = content(filled), content(target)
    assert after == before
    rows = sum(len(lines) for name, lines in before.items() if name != "ops.schema_version")
    assert rows == copied.rows == restored.rows
    assert all(before[name] for name in ("raw.backed_up", "ops.quarantine", "vault.identities"))
    assert all(before[name] for name in ("nlp.enrichments", "audit.facts_equal_the_ledger"))
    assert all(before[name] for name in ("access.official_blocks", "audit.vault_looks"))
    assert any("1.50" in line for line in before["audit.published_values"])


def test_the_restored_warehouse_goes_on_where_the_other_stopped(
    filled: Warehouse, target: Warehouse, source: Source, tmp_path: Path
) -> None:
    restore(target, made(filled, tmp_path / "backup"), vault_key=KEY)

    ((last,),) = rows_of(target, "select max(load_id) from ops.loads")
    again = load(target, source)
    # Numbers go on, and the same people have the same pseudonyms: nothing is new.
    assert (again.load_id > last, again.rows_landed, again.rows_unchanged) == (True, 0, 2)
    sealed = rows_of(target, "select value_sealed from vault.identities")
    names = {Vault(KEY).unseal(row[0]).decode() for row in sealed}
    assert names == {"Петрова Анна", "Сидоров Пётр"}


def test_rights_are_those_of_a_new_warehouse(
    filled: Warehouse, target: Warehouse, tmp_path: Path
) -> None:
    restore(target, made(filled, tmp_path / "backup"), vault_key=KEY)
    refused = {
        "loader": "update raw.backed_up set is_deleted = true",
        "transformer": "select * from vault.identities",
        "auditor": "select * from raw.backed_up",
    }
    for role, statement in refused.items():
        with (
            psycopg.connect(target.url(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def rows_of(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url("loader")) as connection:
        return connection.execute(query).fetchall()


def test_the_vault_lies_apart_and_its_key_only_where_it_is_asked_for(
    filled: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    made(filled, folder)
    assert not list(folder.rglob("*.key"))
    assert [path.name for path in (folder / "vault").iterdir() if path.suffix == ".gz"] == [
        "vault.identities.copy.gz"
    ]
    # Who looked into the vault is no part of it.
    assert not list((folder / "warehouse").glob("vault.*"))
    for path in [folder, folder / "vault", folder / "warehouse"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700

    made(filled, tmp_path / "with key", with_key=True)
    (key,) = (tmp_path / "with key").rglob("*.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().strip() == KEY
    assert KEY not in "".join(
        path.read_text() for path in (tmp_path / "with key").rglob("manifest.json")
    )


def test_a_vault_that_was_kept_elsewhere_is_named(
    filled: Warehouse, target: Warehouse, tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "backup", tmp_path / "safe"
    made(filled, folder)
    shutil.move(folder / "vault", elsewhere)
    with pytest.raises(BackupError, match="--vault"):
        read(folder)
    made(filled, tmp_path / "later")
    with pytest.raises(BackupError, match="vault of another backup"):
        read(folder, vault_folder=tmp_path / "later" / "vault")
    restore(target, read(folder, vault_folder=elsewhere), vault_key=KEY)
    assert content(target) == content(filled)


def test_a_damaged_or_unfinished_backup_is_refused_by_the_name_of_its_file(
    filled: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    made(filled, folder)
    damaged = folder / "warehouse" / "ops.loads.copy.gz"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-9] + b"x" + whole[-8:])
    with pytest.raises(BackupError, match=r"ops\.loads\.copy\.gz is damaged"):
        read(folder)
    damaged.unlink()
    with pytest.raises(BackupError, match=r"ops\.loads\.copy\.gz is missing"):
        read(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BackupError, match="not finished"):
        read(folder)


def test_a_manifest_that_names_something_else_is_refused(filled: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    made(filled, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("public.users", "../../secrets", "raw.x; drop table ops.loads"):
        manifest["tables"][0]["name"] = name
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(BackupError, match="no table of a backup"):
            read(folder)


def test_a_warehouse_with_rows_is_not_restored_into(
    filled: Warehouse, target: Warehouse, source: Source, tmp_path: Path
) -> None:
    target.prepare()
    load(target, source)
    before = content(target)
    with pytest.raises(BackupError, match="not empty"):
        restore(target, made(filled, tmp_path / "backup"), vault_key=KEY)
    assert content(target) == before


def test_with_the_wrong_key_nothing_is_restored(
    filled: Warehouse, target: Warehouse, tmp_path: Path
) -> None:
    found = made(filled, tmp_path / "backup")
    assert found.opens_with(KEY)
    assert not found.opens_with(OTHER_KEY)
    assert not found.opens_with("no key at all")
    with pytest.raises(BackupError, match="does not open the vault"):
        restore(target, found, vault_key=OTHER_KEY)
    assert rows_of(target, "select count(*) from ops.loads") == [(0,)]


def test_without_the_key_all_but_what_it_opens_comes_back(
    filled: Warehouse, target: Warehouse, source: Source, tmp_path: Path
) -> None:
    restore(target, made(filled, tmp_path / "backup"), vault_key=None)
    assert content(target) == content(filled)
    # What the runbook says: under a new key everybody is somebody else.
    again = load(target, source, OTHER_KEY)
    assert again.rows_landed == 2


def test_a_backup_of_an_older_schema_is_brought_up_to_this_program_s(
    filled: Warehouse, target: Warehouse, tmp_path: Path
) -> None:
    older = replace(filled, database="older")
    with psycopg.connect(filled.admin_url, autocommit=True) as connection:
        statement = "create database older template {} owner tsur_owner"
        connection.execute(sql.SQL(statement).format(sql.Identifier(filled.database)))
    try:
        older.grant()
        downgrade(older.url("owner"), "0004")
        found = made(older, tmp_path / "backup")
    finally:
        with psycopg.connect(filled.admin_url, autocommit=True) as connection:
            connection.execute("drop database older with (force)")

    restore(target, found, vault_key=KEY)
    after, before = content(target), content(filled)
    assert after["raw.backed_up"] == before["raw.backed_up"]
    assert after["ops.schema_version"] == before["ops.schema_version"]
    with pytest.raises(BackupError, match="later version"):
        restore(target_again(target), replace(found, revision="9999"), vault_key=KEY)


def target_again(target: Warehouse) -> Warehouse:
    with psycopg.connect(target.admin_url, autocommit=True) as connection:
        connection.execute("drop database warehouse with (force)")
    return target


def test_loads_go_on_during_a_backup_which_holds_one_moment(
    filled: Warehouse, target: Warehouse, source: Source, tmp_path: Path
) -> None:
    before = content(filled)
    loaded = False

    def meanwhile(done: int, total: int, table: str) -> None:
        nonlocal loaded
        if done == total // 2 and not loaded:
            loaded = True
            load(filled, source)

    found = made(filled, tmp_path / "backup", progress=meanwhile)
    assert loaded
    restore(target, found, vault_key=KEY)
    assert content(target) == before


def test_a_folder_that_is_in_use_is_not_written_to(filled: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(BackupError, match="not empty"):
        backup(filled, tmp_path, vault_key=KEY)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "backed_up.yml",
        "letter.txt",
        "rows.csv",
    ]
