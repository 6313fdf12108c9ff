"""A preview shows what would land, names what would not, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.errors import IngestionError
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


def test_a_source_that_is_switched_off_says_what_it_needs(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    source = make_source(
        "switched_off",
        """
        kind: register
        deadline: none
        regions: [{code: pskov, time_zone: Europe/Moscow, endpoint: "${TSUR_NOWHERE}/a"}]
        entities:
          rows: {table: switched_off, role: case, kind: appeal, key: id, record: {text: text}}
        """,
    )
    with pytest.raises(IngestionError, match="switched_off needs TSUR_NOWHERE") as caught:
        preview(source, region="pskov", vault_key=VAULT_KEY)
    assert caught.value.code == "source_not_enabled"
    (tmp_path / "a.csv").write_text("id,text\n1,Яма\n", encoding="utf-8")
    (seen,) = preview(source, region="pskov", vault_key=VAULT_KEY, files=tmp_path / "a.csv")
    assert [record["text"] for record in seen.records] == ["Яма"]


def test_a_preview_names_what_a_load_would_leave_aside(
    make_source: Callable[..., Source], tmp_path: Path
) -> None:
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / "b.csv").write_text("id,text\n1,Яма\n", encoding="utf-8")
    (folder / "a.docx").write_text("Отчёт", encoding="utf-8")
    source = make_source(
        "aside",
        f"""
        kind: register
        deadline: none
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}"}}]
        entities:
          rows:
            {{table: aside, role: case, kind: appeal, key: id, files: "*.csv",
              record: {{text: text}}}}
        """,
    )
    (seen,) = preview(source, region="pskov", vault_key=VAULT_KEY)
    assert (seen.delivery, len(seen.records), seen.refused) == ("b.csv", 1, [])
    assert len(seen.not_read) == 1
    assert "a.docx" in seen.not_read[0]
