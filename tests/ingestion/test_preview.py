"""A preview shows what would land, names what would not, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingestion.preview import preview
from ingestion.source import Source
from tests.ingestion.conftest import VAULT_KEY


def test_the_first_records_are_shown_as_they_would_land(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"{n},Яма {n},Секретов,05.11.2026\n" for n in range(1, 50))
    path.write_text(f"id,text,Житель,when\n0,Дым,Секретов,вчера\n{rows}", encoding="cp1251")
    source = make_source(
        "shown",
        f"""
        kind: register
        deadline: none
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
        entities:
          rows:
            table: shown
            role: case
            kind: appeal
            key: id
            format: {{encoding: detect}}
            formats: ["%d.%m.%Y"]
            identity: {{Житель: person}}
            record: {{received_at: when, text: text, applicant_key: Житель}}
        """,
    )
    (seen,) = preview(source, region="pskov", vault_key=VAULT_KEY, limit=3)
    assert [record["native_id"] for record in seen.records] == ["1", "2"]
    assert seen.records[0]["received_at"] == "2026-11-05T00:00:00+03:00"
    assert all(record["applicant_key"].startswith("p_") for record in seen.records)
    assert len(seen.refused) == 1
    assert "when is 'xxxxx'" in seen.refused[0]
    assert "cp1251" in seen.found["encoding"]


def test_a_delivery_that_cannot_be_read_is_told(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("номер,текст\n1,Яма\n", encoding="utf-8")
    source = make_source(
        "unread",
        f"""
        kind: register
        deadline: none
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
        entities:
          rows: {{table: unread, role: case, kind: appeal, key: id, record: {{text: text}}}}
        """,
    )
    (seen,) = preview(source, region="pskov", vault_key=VAULT_KEY)
    assert seen.records == []
    assert "missing: id, text" in seen.refused[0]
