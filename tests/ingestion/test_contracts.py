"""What a source that changes its shape does to a load: as its contract declares, never silently."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
TABLE = "id,text,count,extra\n1,Яма,3,\n2,Снег,много,да\n3,Свет,5,\n"
LINES = [
    {"id": 1, "text": "Яма", "count": 3, "extra": None},
    {"id": 2, "text": "Снег", "count": "много", "extra": "да"},
    {"id": 3, "text": "Свет", "count": 5, "extra": ""},
]


def deliver(path: Path) -> None:
    if path.suffix == ".csv":
        path.write_text(TABLE, encoding="utf-8")
    else:
        path.write_text("\n".join(json.dumps(line) for line in LINES), encoding="utf-8")


def source(make_source: MakeSource, code: str, path: Path, contract: str) -> Source:
    return make_source(
        code,
        f"""
        kind: register
        deadline: none
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
        entities:
          rows:
            table: {code}
            role: case
            kind: appeal
            key: id
            format: {{type: {path.suffix[1:]}}}
            contract: {contract}
            record: {{text: text, rating: {{from: count, type: integer}}}}
        """,
    )


@pytest.fixture(params=["csv", "jsonl"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"a.{request.param}"


def unknown_columns(platform: Platform, code: str) -> list[str]:
    ((names,),) = platform.rows(
        "select unknown_columns from ops.loads where source_code = %s", code
    )
    return list(names)


def payloads(platform: Platform, table: str) -> list[dict[str, Any]]:
    return [row[0] for row in platform.rows(f"select payload from raw.{table} order by raw_id")]


@pytest.mark.parametrize(
    ("mode", "landed", "has_value"),
    [("evolve", 2, True), ("discard_value", 2, False), ("discard_row", 2, True)],
)
def test_an_unknown_field_is_told_and_treated_as_declared(
    platform: Platform,
    make_source: MakeSource,
    path: Path,
    mode: str,
    landed: int,
    has_value: bool,
) -> None:
    code = f"columns_{mode}_{path.suffix[1:]}"
    deliver(path)
    (load,) = platform.ingest(source(make_source, code, path, f"{{columns: {mode}}}"))
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (3, landed, 3 - landed)
    assert all(("extra" in one) is has_value for one in payloads(platform, code))
    assert unknown_columns(platform, code) == ["extra"]
    reason = "unknown_column" if mode == "discard_row" else "bad_number"
    assert [(entry[0], entry[1]) for entry in platform.quarantine(code)] == [(reason, "2")]


def test_a_frozen_contract_lets_no_unknown_field_in(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    code = f"frozen_{path.suffix[1:]}"
    deliver(path)
    (load,) = platform.ingest(source(make_source, code, path, "{columns: freeze}"))
    codes = {entry[0] for entry in platform.quarantine(code)}
    assert codes == {"unknown_column"}
    # A table is stopped whole; of records that stand alone, those that fill the field are.
    assert load.rows_landed == (0 if path.suffix == ".csv" else 2)


@pytest.mark.parametrize("mode", ["evolve", "discard_value"])
def test_a_value_of_another_type_can_be_left_out_and_the_record_lands(
    platform: Platform, make_source: MakeSource, path: Path, mode: str
) -> None:
    code = f"types_{mode}_{path.suffix[1:]}"
    deliver(path)
    (load,) = platform.ingest(source(make_source, code, path, f"{{data_type: {mode}}}"))
    assert (load.rows_landed, load.rows_quarantined) == (3, 0)
    second = platform.records(code)[1]
    assert "rating" not in second
    assert second["discarded_values"] == ["rating"]
    assert second.get("rating_as_written") == ("много" if mode == "evolve" else None)


def test_a_frozen_type_stops_the_load_and_nothing_of_it_lands(
    platform: Platform, make_source: MakeSource, path: Path
) -> None:
    code = f"types_frozen_{path.suffix[1:]}"
    deliver(path)
    (load,) = platform.ingest(source(make_source, code, path, "{data_type: freeze}"))
    assert (load.outcome, load.error_class) == ("failed", "contract_frozen")
    assert platform.records(code) == []
    # What stopped it is kept, and lands with the rest when the contract is another one.
    assert (load.rows_read, load.rows_quarantined, load.is_balanced) == (1, 1, True)
    assert platform.quarantine(code) == [("bad_number", "2", "open")]
    (again,) = platform.ingest(source(make_source, code, path, "{data_type: freeze}"))
    assert (again.rows_quarantined, len(platform.quarantine(code))) == (1, 1)
    kinder = source(make_source, code, path, "{data_type: evolve}")
    assert platform.replay(kinder).as_dict()["rows_landed"] == 1
    (load,) = platform.ingest(kinder)
    assert (load.rows_landed, load.rows_unchanged) == (2, 1)


def test_a_column_that_vanished_stops_a_table_or_is_empty(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "b.csv"
    path.write_text("id,text\n1,Яма\n", encoding="utf-8")
    (load,) = platform.ingest(source(make_source, "vanished", path, "{}"))
    assert load.error_class == "missing_column"
    (load,) = platform.ingest(source(make_source, "tolerated", path, "{missing: evolve}"))
    assert load.rows_landed == 1
    assert platform.records("tolerated")[0]["text"] == "Яма"
    (found,) = platform.rows("select found from ops.loads where source_code = 'tolerated'")
    assert found[0]["missing_columns"] == "count"
