"""Replay lands what a fix made readable, and nothing that has been overtaken."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import openpyxl
import psycopg
import pytest
from cryptography.fernet import InvalidToken

from ingestion import evidence
from ingestion.errors import IngestionError
from ingestion.quarantine import replay
from ingestion.source import Source
from ingestion.spool import nameless_file
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]


def register(make_source: MakeSource, code: str, path: Path, formats: str = "iso") -> Source:
    return make_source(
        code,
        f"""
        kind: register
        deadline: none
        regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{path}"}}]
        entities:
          rows:
            table: {code}
            role: case
            kind: appeal
            key: id
            formats: [{formats}]
            identity: {{who: person}}
            record: {{received_at: date, text: text, applicant_key: who}}
        """,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,date,text,who\n1,2026-01-05,Яма,Петрова\n2,05/01/2026,Снег,Петрова\n"
        "3,07/01/2026,Свет,Иванова\n",
        encoding="utf-8",
    )
    return path


def test_records_land_after_a_fix_of_the_yaml_though_the_file_is_gone(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    (load,) = platform.ingest(register(make_source, "dates", path))
    assert (load.rows_landed, load.rows_quarantined) == (1, 2)
    path.unlink()
    fixed = register(make_source, "dates", path, 'iso, "%d/%m/%Y"')
    (again,) = platform.replay(fixed).loads
    assert again.is_balanced
    assert (again.rows_read, again.rows_landed) == (2, 2)
    assert [record["received_at"] for record in platform.records("dates")] == [
        "2026-01-05T00:00:00+04:00",
        "2026-01-05T00:00:00+04:00",
        "2026-01-07T00:00:00+04:00",
    ]
    assert platform.rows(
        "select distinct state, replayed_load_id from ops.quarantine where source_code = 'dates'"
    ) == [("replayed", again.load_id)]
    assert "Петрова" not in platform.stored_text("dates")
    assert "Иванова" not in platform.stored_text("dates")


def test_a_replayed_record_is_the_same_as_if_it_had_landed_at_once(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    platform.ingest(register(make_source, "same", path))
    fixed = register(make_source, "same", path, 'iso, "%d/%m/%Y"')
    platform.replay(fixed)
    (load,) = platform.ingest(fixed)
    assert (load.rows_landed, load.rows_unchanged, load.rows_quarantined) == (0, 3, 0)


def test_what_still_cannot_land_keeps_its_entry_with_the_new_reason(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    platform.ingest(register(make_source, "still", path))
    worse = register(make_source, "still", path, '"%Y"')
    (again,) = platform.replay(worse).loads
    assert (again.rows_read, again.rows_landed, again.rows_quarantined) == (2, 0, 2)
    assert again.is_balanced
    entries = platform.rows(
        "select state, reason like %s, last_load_id from ops.quarantine"
        " where source_code = 'still'",
        "%declared are %Y%",
    )
    assert entries == [("open", True, again.load_id)] * 2


def test_the_loads_of_a_replay_are_told_by_their_run(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    source = register(make_source, "told_apart", path)
    platform.ingest(source, run_id="nightly")
    platform.replay(source)
    replay([source], database_url=platform.url, vault_key=platform.vault_key, run_id="by-hand")
    runs = platform.rows(
        "select run_id, rows_quarantined from ops.loads where source_code = 'told_apart'"
        " order by load_id"
    )
    assert runs == [("nightly", 2), ("replay", 2), ("replay-by-hand", 2)]


def test_a_version_that_came_later_stands(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    platform.ingest(register(make_source, "later", path))
    path.write_text("id,date,text,who\n2,2026-01-05,Снег убран,Петрова\n", encoding="utf-8")
    platform.ingest(register(make_source, "later", path))
    fixed = register(make_source, "later", path, 'iso, "%d/%m/%Y"')
    (again,) = platform.replay(fixed).loads
    assert (again.rows_landed, again.rows_unchanged) == (1, 1)
    latest = platform.rows(
        "select distinct on (record_key) native_id, record ->> 'text' from raw.later"
        " order by record_key, raw_id desc"
    )
    assert sorted(latest) == [("1", "Яма"), ("2", "Снег убран"), ("3", "Свет")]
    assert {state for _, _, state in platform.quarantine("later")} == {"replayed"}


def test_the_same_bad_records_in_the_next_load_are_the_same_entries(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    source = register(make_source, "again", path)
    platform.ingest(source)
    (load,) = platform.ingest(source)
    assert (load.rows_unchanged, load.rows_quarantined) == (1, 2)
    assert len(platform.quarantine("again")) == 2


def test_one_load_s_entries_can_be_replayed_alone(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    (load,) = platform.ingest(register(make_source, "alone", path))
    fixed = register(make_source, "alone", path, 'iso, "%d/%m/%Y"')
    with pytest.raises(IngestionError, match="no such load"):
        platform.replay(fixed, load_id=load.load_id + 1000)
    assert platform.replay(fixed, load_id=load.load_id).as_dict()["rows_landed"] == 2


def test_another_vault_key_cannot_open_the_entries(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    source = register(make_source, "sealed", path)
    platform.ingest(source)
    other = "b3RoZXItdmF1bHQta2V5LTMyLWJ5dGVzLWxvbmchISE="
    with pytest.raises(InvalidToken):
        replay([source], database_url=platform.url, vault_key=other)


def test_what_lies_in_quarantine_is_not_readable_without_the_key(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    platform.ingest(register(make_source, "opaque", path))
    with psycopg.connect(platform.warehouse.url("auditor")) as connection:
        sealed = connection.execute(
            "select raw_sealed from ops.quarantine where source_code = 'opaque'"
        ).fetchall()
    assert sealed
    assert all("Петрова".encode() not in row[0] and b"05/01" not in row[0] for row in sealed)


# --- whole files ---------------------------------------------------------------------------------

_MEGABYTES = 32


def document(make_source: MakeSource, code: str, path: Path, records: str) -> Source:
    return make_source(
        code,
        f"""
        kind: register
        deadline: none
        regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{path}"}}]
        entities:
          rows:
            table: {code}
            role: case
            kind: appeal
            key: id
            format: {{type: json, records: {records}}}
            record: {{text: text}}
        """,
    )


def test_a_large_file_is_replayed_in_little_memory_and_never_seen_in_a_folder(
    platform: Platform,
    make_source: MakeSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "large.json"
    space = b" " * (_MEGABYTES << 20)
    path.write_bytes(b'{"rows": [{"id": 1, "text": "a"},' + space + b'{"id": 2, "text": "b"}]}')
    source = document(make_source, "large", path, "cases")
    (load,) = platform.ingest(source)
    assert load.error_class == "unexpected_answer"
    path.unlink()
    del space
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    seen: list[list[Path]] = []
    tracemalloc.start()
    (again,) = replay(
        [document(make_source, "large", path, "rows")],
        database_url=platform.url,
        vault_key=platform.vault_key,
        progress=lambda what, rows: seen.append(list(temporary.iterdir())),
    ).loads
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (again.outcome, again.rows_landed) == ("success", 2)
    assert most < (_MEGABYTES << 20) * 0.75
    assert seen
    assert not any(seen)


def test_of_large_refused_records_few_wait_in_memory_to_be_written(
    platform: Platform, make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "refused.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,date,text,who\n")
        file.writelines(f"{n},no day,{n}{'a' * 500_000},x\n" for n in range(60))
    waiting: list[int] = []
    write = evidence.Writer.flush

    def flush(writer: evidence.Writer) -> None:
        waiting.append(
            sum(len(cell) for row in writer._rows for cell in row if type(cell) is bytes)
        )
        write(writer)

    monkeypatch.setattr(evidence.Writer, "flush", flush)
    (load,) = platform.ingest(register(make_source, "refused", path))
    assert (load.rows_read, load.rows_quarantined) == (60, 60)
    assert sum(waiting) > path.stat().st_size
    assert max(waiting) < 20 << 20


def test_a_file_on_its_way_is_for_this_account_alone() -> None:
    with nameless_file(b"personal data") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == b"personal data"
    assert not path.exists()


def test_an_empty_file_keeps_its_entry(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(b"")
    source = register(make_source, "nothing", path)
    platform.ingest(source)
    (again,) = platform.replay(source).loads
    assert (again.error_class, again.rows_quarantined) == ("empty_file", 1)
    assert platform.quarantine("nothing") == [("empty_file", None, "open")]


def test_a_whole_file_that_breaks_a_frozen_contract_ends_its_attempt_and_keeps_its_entry(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,date,text\n1,2026-01-05,Яма\n2,никогда,Снег\n", encoding="utf-8")
    platform.ingest(register(make_source, "frozen", path))
    fixed = make_source(
        "frozen",
        f"""
        kind: register
        deadline: none
        regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{path}"}}]
        entities:
          rows:
            table: frozen
            role: case
            kind: appeal
            key: id
            formats: [iso]
            contract: {{data_type: freeze}}
            record: {{received_at: date, text: text}}
        """,
    )
    for _ in range(2):
        (again,) = platform.replay(fixed).loads
        assert (again.outcome, again.error_class, again.rows_landed) == (
            "failed",
            "contract_frozen",
            0,
        )
    assert platform.rows("select count(*) from ops.loads where outcome = 'running'") == [(0,)]
    assert platform.quarantine("frozen") == [("missing_column", None, "open")]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_row_that_no_fix_can_help_keeps_its_reason_and_stops_no_other(
    platform: Platform, make_source: MakeSource, tmp_path: Path, kind: str
) -> None:
    code = f"wide_{kind}"
    path = tmp_path / f"rows.{kind}"
    rows = [("id", "date", "text", "who"), ("1", "05/01/2026", "Яма", "Петрова")]
    rows.append(("2", "06/01/2026", "Снег", "Петрова", "лишнее", "лишнее"))
    if kind == "csv":
        path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in rows:
            book.active.append(row)
        book.active["F1"] = None
        book.save(path)
    platform.ingest(register(make_source, code, path))
    fixed = register(make_source, code, path, 'iso, "%d/%m/%Y"')
    (again,) = platform.replay(fixed).loads
    assert (again.rows_read, again.rows_landed, again.rows_quarantined) == (2, 1, 1)
    assert platform.quarantine(code) == [
        ("bad_date", "1", "replayed"),
        ("row_shape", None, "open"),
    ]
