"""History is filled by a plan; what was interrupted goes on where it stopped."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from ingestion import backfill, withdrawal
from ingestion.errors import IngestionError
from ingestion.source import Source, Window, load_source
from tests.ingestion.conftest import HEAD, Platform

REPOSITORY = Path(__file__).resolve().parents[2]
YAML = """
kind: open311
deadline: none
window: {{days: 1}}
max_window_days: 10
paging: none
attempts: 1
regions:
  - {{code: pskov, time_zone: Europe/Moscow, endpoint: "{url}/pskov"}}
  - {{code: samara, time_zone: Europe/Samara, endpoint: "{url}/samara"}}
entities:
  requests:
    table: {code}
    role: case
    kind: request
    key: service_request_id
    listing: window
    record: {{received_at: requested_datetime}}
"""
# Ends itself hard in the window that the test names, as a power cut would.
PROGRAM = """
import os, signal, sys
from datetime import date
from pathlib import Path
from ingestion import backfill
from ingestion.source import load_source

def progress(over, total, what):
    if over == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

source = load_source(Path(sys.argv[1]), {})
plan = backfill.plan(source, database_url=sys.argv[2], first=date(2026, 1, 1),
                     last=date(2026, 2, 1), region="pskov")
backfill.run(plan, database_url=sys.argv[2], vault_key=sys.argv[3], by="test", progress=progress)
"""
JANUARY = {"first": date(2026, 1, 1), "last": date(2026, 2, 1)}
_numbers = itertools.count(1)


class Portal:
    """A portal with one request a day that remembers the windows it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str]] = []
        self.refused: set[str] = set()

    def answer(self, region: str, start: str, end: str) -> list[dict[str, Any]] | None:
        self.asked.append((region, start[:10]))
        if start[:10] in self.refused:
            return None
        first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
        days = (last - first) // timedelta(days=1)
        return [
            {
                "service_request_id": f"{region}-{(first + timedelta(days=n)):%Y%m%d}",
                "requested_datetime": (first + timedelta(days=n, hours=1)).isoformat(),
            }
            for n in range(days)
        ]


@pytest.fixture
def portal() -> Iterator[Portal]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            region = address.path.split("/")[1]
            content = told.answer(region, query["start_date"], query["end_date"])
            self.send_response(200 if content is not None else 400)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Portal(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


class Filling:
    """One source and the backfills of it."""

    def __init__(self, platform: Platform, portal: Portal, folder: Path) -> None:
        self.platform = platform
        self.portal = portal
        code = f"filled_{next(_numbers)}"
        self.path = folder / f"{code}.yml"
        self.path.write_text(HEAD + YAML.format(url=portal.url, code=code), encoding="utf-8")
        self.source: Source = load_source(self.path, {})

    def plan(self, **how: Any) -> backfill.Plan:
        return backfill.plan(
            self.source, database_url=self.platform.url, **{"region": "pskov", **JANUARY, **how}
        )

    def run(self, plan: backfill.Plan, **how: Any) -> backfill.Backfilled:
        return backfill.run(
            plan,
            database_url=self.platform.url,
            vault_key=self.platform.vault_key,
            by="tester",
            **how,
        )

    def landed(self) -> int:
        ((count,),) = self.platform.rows(f"select count(*) from raw.{self.source.code}")
        return int(count)


@pytest.fixture
def filling(platform: Platform, portal: Portal, tmp_path: Path) -> Filling:
    return Filling(platform, portal, tmp_path)


def test_a_plan_names_the_windows_and_asks_nobody(filling: Filling) -> None:
    plan = filling.plan(region=None)

    assert [(w.region_code, f"{w.start:%m-%d}", f"{w.end:%m-%d}") for w in plan.windows] == [
        (region, start, end)
        for region in ("pskov", "samara")
        for start, end in (
            ("01-01", "01-11"),
            ("01-11", "01-21"),
            ("01-21", "01-31"),
            ("01-31", "02-01"),
        )
    ]
    # Whole local days: midnight of Samara is an hour before that of Pskov.
    assert plan.windows[0].start - plan.windows[4].start == timedelta(hours=1)
    assert (plan.basis, plan.as_dict()["expected_calls"]) == ("pages", 8)
    assert plan.as_dict()["expected_rows"] is None
    assert plan.vanishing == ("requests",)
    assert filling.portal.asked == []
    assert (
        filling.platform.rows(
            "select * from ops.backfills where source_code = %s", plan.source.code
        )
        == []
    )


def test_expected_calls_come_from_the_loads_so_far(filling: Filling) -> None:
    filling.run(filling.plan(last=date(2026, 1, 11), step_days=1))
    plan = filling.plan(first=date(2026, 1, 11), last=date(2026, 1, 31), step_days=5)
    assert (plan.basis, plan.windows[0].expected_calls, plan.windows[0].expected_rows) == (
        "history",
        5,
        5,
    )
    elsewhere = filling.plan(region="samara", step_days=10)
    assert elsewhere.windows[0].expected_calls == 10


def test_a_backfill_lands_every_window_and_is_then_finished(filling: Filling) -> None:
    seen: list[tuple[int, int]] = []
    result = filling.run(
        filling.plan(), progress=lambda over, total, what: seen.append((over, total))
    )

    assert (result.done, result.left, result.calls, result.rows_landed) == (4, 0, 4, 31)
    assert filling.landed() == 31
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    runs = filling.platform.rows(
        "select distinct run_id from ops.loads where source_code = %s", filling.source.code
    )
    assert runs == [(f"backfill {result.backfill_id}",)]
    again = filling.plan()
    assert (again.backfill_id, again.left) == (None, ())


def test_windows_that_loads_cover_are_skipped_unless_asked_for(filling: Filling) -> None:
    zone = filling.source.region("pskov").zone
    window = Window(datetime(2026, 1, 5, tzinfo=zone), datetime(2026, 1, 21, tzinfo=zone))
    (load,) = filling.platform.ingest(filling.source, region="pskov", window=window)

    states = [window.state for window in filling.plan().windows]
    assert states == ["planned", "skipped", "planned", "planned"]
    assert len(filling.plan(is_again=True).left) == 4
    withdrawal.withdraw(filling.platform.url, load.load_id, by="tester", reason="wrong")
    assert len(filling.plan().left) == 4


@pytest.mark.parametrize("over", [0, 2])
def test_kill_9_in_the_middle_and_the_same_command_again_load_the_rest_only(
    filling: Filling, over: int
) -> None:
    url, key = filling.platform.url, filling.platform.vault_key
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(filling.path), url, key, str(over)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.wait(timeout=60) == -signal.SIGKILL
    asked = len(filling.portal.asked)
    assert asked == over

    plan = filling.plan()
    assert plan.backfill_id is not None
    assert len(plan.left) == 4 - over
    result = filling.run(plan)

    assert len(filling.portal.asked) == 4
    assert (result.left, filling.landed()) == (0, 31)


def test_a_window_that_fails_is_told_and_tried_again_by_the_next_run(filling: Filling) -> None:
    filling.portal.refused = {"2026-01-11"}
    result = filling.run(filling.plan())
    assert (result.done, result.failed, result.left, result.stopped) == (3, 1, 1, None)
    (failed,) = backfill.failures(filling.platform.url, result.backfill_id)
    assert (failed["error_class"], failed["attempts"]) == ("http_client_error", 1)

    filling.portal.refused = set()
    plan = filling.plan()
    assert [f"{window.start:%m-%d}" for window in plan.left] == ["01-11"]
    assert filling.run(plan).left == 0
    assert filling.landed() == 31


def test_an_error_stops_the_backfill_where_that_is_asked_for(filling: Filling) -> None:
    filling.portal.refused = {"2026-01-11"}
    result = filling.run(filling.plan(), stop_on_error=True)
    assert (result.done, result.failed, result.left, result.stopped) == (1, 1, 3, "error")
    assert len(filling.portal.asked) == 2


def test_no_window_is_begun_that_would_exceed_the_calls(filling: Filling) -> None:
    result = filling.run(filling.plan(), max_calls=2)
    assert (result.done, result.left, result.calls, result.stopped) == (2, 2, 2, "calls")
    assert len(filling.portal.asked) == 2
    assert filling.run(filling.plan()).left == 0


def test_two_processes_do_not_fill_the_same_backfill(filling: Filling) -> None:
    started = filling.run(filling.plan(), max_calls=0)
    with psycopg.connect(filling.platform.url, autocommit=True) as other:
        other.execute(
            "select pg_advisory_lock(hashtext('ingestion.backfill'), %s)", [started.backfill_id]
        )
        with pytest.raises(IngestionError) as busy:
            filling.run(filling.plan())
    assert busy.value.code == "backfill_running"
    assert filling.portal.asked == []


def test_what_has_no_history_is_refused_with_the_reason(filling: Filling) -> None:
    whole = filling.source.model_copy(update={"window": None})
    with pytest.raises(IngestionError) as refused:
        backfill.plan(whole, database_url=filling.platform.url, **JANUARY)
    assert refused.value.code == "no_windows"
    with pytest.raises(IngestionError) as refused:
        filling.plan(last=date(2026, 1, 1))
    assert refused.value.code == "empty_period"
    switched_off = filling.source.model_copy(update={"missing_variables": frozenset({"TSUR_X"})})
    with pytest.raises(IngestionError, match="TSUR_X"):
        backfill.plan(switched_off, database_url=filling.platform.url, **JANUARY)


@pytest.mark.parametrize("role", ["transformer", "auditor"])
def test_who_checks_sees_how_far_a_backfill_came(filling: Filling, role: str) -> None:
    filling.run(filling.plan(), max_calls=1)
    with psycopg.connect(filling.platform.warehouse.url(role)) as connection:
        assert connection.execute("select state from ops.backfill_windows").fetchall()
        assert connection.execute("select finished_at from ops.backfills").fetchall()
