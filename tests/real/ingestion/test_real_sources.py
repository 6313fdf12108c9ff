"""The real files of the data folder land as they are; the counts are made independently."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.source import SOURCES_FOLDER, Source, load_sources
from stack.database import Warehouse

pytestmark = [pytest.mark.real, pytest.mark.server]

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="


def load(warehouse: Warehouse, folder: Path, code: str) -> list[LoadCounts]:
    source: Source = load_sources(SOURCES_FOLDER, {"TSUR_DATA": str(folder)})[code]
    prepare_sources(warehouse.url("loader"), [source])
    return ingest(source, database_url=warehouse.url("loader"), vault_key=VAULT_KEY, run_id="real")


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url("loader")) as connection:
        return connection.execute(query).fetchall()


def records(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


@pytest.fixture(scope="module")
def landed(warehouse: Warehouse, real_data: Path) -> dict[str, list[LoadCounts]]:
    return {
        code: load(warehouse, real_data, code)
        for code in (
            "kursk_messages",
            "perm_incidents",
            "boston_311_2015",
            "chelyabinsk_comments",
            "fixmystreet_polls",
        )
    }


def test_every_load_is_balanced_and_a_success(landed: dict[str, list[LoadCounts]]) -> None:
    assert all(one.is_balanced and one.outcome == "success" for ls in landed.values() for one in ls)


def test_every_incident_of_perm_lands_though_it_has_neither_number_nor_date(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    expected = Counter(
        row["Текст инцидента"] for row in records(real_data / "appeals/perm_incidents.csv", ";")
    )
    (one,) = landed["perm_incidents"]
    assert (one.rows_read, one.rows_landed) == (expected.total(), expected.total())
    texts = Counter(
        r[0] for r in rows(warehouse, "select record ->> 'text' from raw.perm_incidents")
    )
    assert texts == expected
    assert rows(
        warehouse, "select count(*) from raw.perm_incidents where record ? 'received_at'"
    ) == [(0,)]


def test_the_same_incidents_in_another_order_land_nothing(
    warehouse: Warehouse,
    real_data: Path,
    tmp_path: Path,
    landed: dict[str, list[LoadCounts]],
) -> None:
    shuffled = records(real_data / "appeals/perm_incidents.csv", ";")
    random.Random(3).shuffle(shuffled)
    (tmp_path / "appeals").mkdir()
    path = tmp_path / "appeals" / "perm_incidents.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(shuffled[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(shuffled)
    (one,) = load(warehouse, tmp_path, "perm_incidents")
    assert (one.rows_landed, one.rows_unchanged) == (0, len(shuffled))


def test_messages_of_kursk_land_with_and_without_their_category(
    warehouse: Warehouse,
    real_data: Path,
    tmp_path: Path,
    landed: dict[str, list[LoadCounts]],
) -> None:
    source = records(real_data / "appeals/kursk_messages.csv")
    assert landed["kursk_messages"][0].rows_landed == len({row["id"] for row in source})
    (tmp_path / "appeals").mkdir()
    path = tmp_path / "appeals" / "kursk_messages.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = [name for name in source[0] if name != "Категория"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*source[:50], {**source[50], "id": "other"}])
    (one,) = load(warehouse, tmp_path, "kursk_messages")
    assert (one.rows_read, one.rows_landed, one.outcome) == (51, 51, "success")


def test_the_city_s_verdict_and_times_land_as_written(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    source = records(real_data / "municipal/boston_311_2015.csv")
    assert landed["boston_311_2015"][0].rows_landed == len({r["CASE_ENQUIRY_ID"] for r in source})
    found = dict(rows(warehouse, "select native_id, record from raw.boston_311_2015"))
    zone = ZoneInfo("America/New_York")
    for row in source:
        record = found[row["CASE_ENQUIRY_ID"]]
        assert record["source_verdict"] == row["OnTime_Status"]
        for field, column in (
            ("received_at", "OPEN_DT"),
            ("due_at", "TARGET_DT"),
            ("closed_at", "CLOSED_DT"),
        ):
            if row[column]:
                month, day, year, hour, minute, second, half = re.split(r"[/: ]", row[column])
                expected = datetime(
                    int(year),
                    int(month),
                    int(day),
                    int(hour) % 12 + (12 if half == "PM" else 0),
                    int(minute),
                    int(second),
                    tzinfo=zone,
                )
                assert record[field] == expected.isoformat()
            else:
                assert field not in record
    offsets = {record["received_at"][-6:] for record in found.values()}
    assert offsets == {"-05:00", "-04:00"}


def test_empty_verdicts_and_negative_durations_land(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    source = records(real_data / "municipal/boston_311_2015.csv")
    us = "%m/%d/%Y %I:%M:%S %p"
    empty = sum(1 for row in source if row["TARGET_DT"] and not row["OnTime_Status"])
    negative = sum(
        1
        for row in source
        if row["CLOSED_DT"]
        and datetime.strptime(row["CLOSED_DT"], us) < datetime.strptime(row["OPEN_DT"], us)
    )
    assert rows(
        warehouse,
        "select count(*) filter (where record ? 'due_at' and record ->> 'source_verdict' = ''),"
        " count(*) filter (where (record ->> 'closed_at')::timestamptz"
        " < (record ->> 'received_at')::timestamptz) from raw.boston_311_2015",
    ) == [(empty, negative)]


def polls(folder: Path) -> Iterator[list[dict[str, Any]]]:
    for path in sorted((folder / "municipal/fixmystreet_polls").iterdir()):
        yield json.loads(path.read_text(encoding="utf-8"))["service_requests"]


def test_polls_leave_as_many_requests_versions_and_vanished_as_plain_python_counts(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    last: dict[int, str] = {}
    present: set[int] = set()
    read = versions = vanished = 0
    for answer in polls(real_data):
        read += len(answer)
        now = {one["service_request_id"]: json.dumps(one, sort_keys=True) for one in answer}
        versions += sum(
            1 for key, text in now.items() if last.get(key) != text or key not in present
        )
        vanished += len(present - set(now))
        last |= now
        present = set(now)
    assert rows(
        warehouse,
        "select count(distinct record_key), count(*) filter (where not is_deleted),"
        " count(*) filter (where is_deleted) from raw.fixmystreet_polls",
    ) == [(len(last), versions, vanished)]
    loads = landed["fixmystreet_polls"]
    assert sum(one.rows_read for one in loads) == read
    assert sum(one.rows_tombstoned for one in loads) == vanished


def test_no_poll_is_observed_before_what_it_tells(
    warehouse: Warehouse, landed: dict[str, list[LoadCounts]]
) -> None:
    assert rows(
        warehouse,
        "select count(*) from raw.fixmystreet_polls"
        " where source_changed_at > observed_at and not is_deleted",
    ) == [(0,)]


def test_polls_read_again_change_nothing(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    again = load(warehouse, real_data, "fixmystreet_polls")
    assert sum(one.rows_landed + one.rows_tombstoned + one.rows_quarantined for one in again) == 0


def test_comments_land_in_local_time_without_their_authors(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    source = records(real_data / "posts/chelyabinsk_comments.csv")
    found = dict(rows(warehouse, "select native_id, record from raw.chelyabinsk_comments"))
    assert set(found) == {row["id"] for row in source}
    for row in source:
        record = found[row["id"]]
        assert record["received_at"] == row["date"].replace(" ", "T") + "+05:00"
        assert record["text"] == row["text"]
        assert re.fullmatch(r"p_[0-9a-f]{32}", record["author_key"])
    keys = {row["id"]: row["author_id"] for row in source}
    pairs = {(keys[native_id], record["author_key"]) for native_id, record in found.items()}
    assert len(pairs) == len({author for author, _ in pairs}) == len({key for _, key in pairs})


def test_names_of_requestors_do_not_land_in_the_clear(
    warehouse: Warehouse, real_data: Path, landed: dict[str, list[LoadCounts]]
) -> None:
    names = {
        one["requestor_name"]
        for answer in polls(real_data)
        for one in answer
        if one.get("requestor_name")
    }
    assert names
    stored = rows(
        warehouse,
        "select (payload - 'description' - 'detail' - 'title')::text"
        " || (record - 'text')::text from raw.fixmystreet_polls",
    )
    everything = "\n".join(row[0] for row in stored)
    assert not [name for name in names if name in everything]
    assert rows(warehouse, "select count(*) > 0 from vault.identities where kind = 'person'") == [
        (True,)
    ]


def test_a_truncated_real_file_loses_nothing(
    warehouse: Warehouse, real_data: Path, tmp_path: Path
) -> None:
    """A poll that broke off is kept with its bytes; the polls around it land."""
    folder = tmp_path / "municipal" / "fixmystreet_polls"
    folder.mkdir(parents=True)
    first, second, third = sorted((real_data / "municipal/fixmystreet_polls").iterdir())[:3]
    for path in (first, third):
        shutil.copy(path, folder)
    cut = second.read_bytes()[:-2000]
    (folder / second.name).write_bytes(cut)
    with pytest.raises(IngestionFailed, match="not JSON") as caught:
        load(warehouse, tmp_path, "fixmystreet_polls")
    assert [one.outcome for one in caught.value.loads] == ["success", "failed", "success"]
    assert rows(
        warehouse, "select file_sha256 from ops.quarantine where error_code = 'not_json'"
    ) == [(hashlib.sha256(cut).hexdigest(),)]


def test_the_saved_searches_of_vk_all_land(warehouse: Warehouse, real_data: Path) -> None:
    folder = real_data / "posts" / "vk_exports"
    source = load_sources(SOURCES_FOLDER, {"TSUR_VK_EXPORTS": str(folder)})["vk_exports"]
    prepare_sources(warehouse.url("loader"), [source])
    loads = ingest(source, database_url=warehouse.url("loader"), vault_key=VAULT_KEY, run_id="real")
    links: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            links += [row["ССЫЛКА"] for row in csv.DictReader(file, delimiter=";")]
    assert len(loads) == len(list(folder.glob("*.csv")))
    assert sum(load.rows_read for load in loads) == len(links)
    assert sum(load.rows_quarantined for load in loads) == 0
    landed = {row[0] for row in rows(warehouse, "select native_id from raw.vk_exports")}
    assert landed == set(links)
