"""What every client must do, whatever its protocol: a fault costs time, never a record.

One suite over all clients. Each reads the sandbox through a proxy that breaks its answers; what
is in the tables afterwards is what one clean load would have put there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql

from ingestion.clients import register as register_client
from ingestion.clients.transport import Transport
from ingestion.ingest import CLIENTS
from ingestion.ledger import LoadCounts
from ingestion.sandbox import server as sandbox_server
from ingestion.sandbox.odnoklassniki import APPLICATION_KEY
from ingestion.sandbox.vk import RateLimit
from ingestion.source import Source, Window
from tests.ingestion.clients.loopback import AS_OF, TOKEN, Answer, served_sandbox, shipped
from tests.ingestion.conformance.faults import (
    RETRY_AFTER,
    TIMEOUT_SECONDS,
    Change,
    Fault,
    Proxy,
    backwards,
    between,
    cut_off,
    cut_unseen,
    enveloped,
    in_json,
    in_rows,
    proxied,
    server_error,
    too_many,
    twice,
    unauthorised,
)
from tests.ingestion.conftest import Platform

pytestmark = pytest.mark.server

REGION = "tambov"
ATTEMPTS = 3
ALWAYS = 1_000_000


@dataclass(frozen=True)
class Case:
    """A client under the suite: the source that is read with it, and how its protocol is spoken.

    `records` changes the records of an answer; `expired` is how the protocol tells that a token
    is not valid any more. `settings` make several pages out of little data, `days` of a window.
    """

    source: str
    records: Callable[[bytes, Change], bytes]
    expired: Fault = unauthorised
    settings: dict[str, Any] = field(default_factory=dict)
    days: int = 30


CASES = {
    "pos": Case("pos", in_rows("utf-8-sig"), settings={"file_format": "csv"}, days=200),
    "open311": Case("open311", in_json(""), settings={"page_size": 5}, days=400),
    "register": Case("municipal_register", in_rows("cp1251")),
    "vk": Case(
        "vk",
        in_json("response.items"),
        enveloped({"error": {"error_code": 5, "error_msg": f"User authorization failed: {TOKEN}"}}),
        {"page_size": 5},
        days=800,
    ),
    "telegram_export": Case("telegram_exports", in_json("messages")),
    "telegram_channel": Case(
        "telegram_channels",
        between(
            rb'<div class="tgme_widget_message_wrap.*?(?=<div class="[^"]*_wrap js-w|</section>)'
        ),
    ),
    "odnoklassniki": Case(
        "odnoklassniki",
        in_json("feeds", "comments"),
        enveloped({"error_code": 102, "error_msg": f"PARAM_SESSION_EXPIRED : {TOKEN}"}),
        {"page_size": 5},
    ),
    "feed": Case("local_media", between(rb"<(item|entry)>.*?</\1>")),
}
OVER_HTTP = sorted(set(CASES) - {"telegram_export"})


def test_every_client_is_in_the_suite() -> None:
    assert set(CASES) == set(CLIENTS)


# --- the line that is tried ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with pytest.MonkeyPatch.context() as patch:
        # Nobody waits here, so the rate of the sandbox must not count seconds either.
        tick = iter(range(10**9))
        patch.setattr(sandbox_server, "RateLimit", lambda: RateLimit(lambda: next(tick)))
        with served_sandbox() as upstream, proxied(upstream) as one:
            yield one


@pytest.fixture(scope="module")
def exports(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of exports: one channel of a body, one group of citizens."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / REGION).mkdir()
    for name in ("gov_68", "slovo_68"):
        answer = requests.get(f"{proxy.url}/telegram/{REGION}/{name}/result.json", timeout=30)
        (folder / REGION / f"result_{name}.json").write_bytes(answer.content)
    return folder


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What clients would have waited."""
    written: list[float] = []
    patient = partial(Transport, sleep=written.append)
    monkeypatch.setattr(register_client, "Transport", patient)
    return written


@contextmanager
def rewritten(folder: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """The exports of the folder, changed for a while."""
    kept = {path: path.read_bytes() for path in (folder / REGION).iterdir()}
    for path, content in kept.items():
        path.write_bytes(change(content))
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def pushed(parameters: dict[str, str]) -> dict[str, str]:
    """What stands at the place that is asked for, on a wall that has one more by now."""
    place = max(0, int(parameters.get("offset", "0")) - 1)
    return {**parameters, "offset": str(place)}


def one_more(answer: Answer) -> Answer:
    status, headers, content = answer
    document = json.loads(content)
    document["response"]["count"] += 1
    return status, headers, json.dumps(document, ensure_ascii=False).encode()


State = dict[str, list[tuple[Any, ...]]]


class Line:
    """One client with its source, its tables and the proxy before it."""

    def __init__(self, kind: str, platform: Platform, proxy: Proxy, exports: Path) -> None:
        self.case = CASES[kind]
        self.proxy = proxy
        self.is_export = kind == "telegram_export"
        self.is_disturbed = False
        self._platform = platform
        source = shipped(
            self.case.source,
            f"suite_{kind}",
            TSUR_SANDBOX_URL=proxy.url,
            TSUR_FULL_SANDBOX_URL=proxy.url,
            TSUR_POS_TOKEN=TOKEN,
            TSUR_VK_TOKEN=TOKEN,
            TSUR_OK_TOKEN=TOKEN,
            TSUR_OK_SECRET=TOKEN,
            TSUR_OK_APPLICATION_KEY=APPLICATION_KEY,
            TSUR_TELEGRAM_EXPORTS=str(exports),
        )
        settings = {
            "regions": (source.region(REGION),),
            "attempts": ATTEMPTS,
            "timeout_seconds": TIMEOUT_SECONDS,
            "calls_per_second": None,
            **self.case.settings,
        }
        self.source: Source = source.model_copy(update=settings)
        assert self.source.is_enabled, self.source.missing_variables

    def load(self) -> list[LoadCounts]:
        """One run; whatever came of it, every row that was read is accounted for."""
        loads = self._platform.ingest(
            self.source, window=Window(AS_OF - timedelta(days=self.case.days), AS_OF)
        )
        self.proxy.stop()
        assert loads
        assert all(load.is_balanced for load in loads), loads
        return loads

    def clean_load(self) -> State:
        loads = self.load()
        assert {load.outcome for load in loads} == {"success"}, loads
        return self.state()

    @property
    def middle(self) -> int:
        """The number of the call in the middle of a clean load."""
        return _calls[self.source.code] // 2 + 1

    def empty(self) -> None:
        with psycopg.connect(self._platform.warehouse.url("owner"), autocommit=True) as owner:
            for table in self.source.tables:
                owner.execute(sql.SQL("truncate {}").format(sql.Identifier("raw", table)))
            for table in ("quarantine", "watermarks"):
                owner.execute(
                    sql.SQL("delete from {} where source_code = %s").format(
                        sql.Identifier("ops", table)
                    ),
                    [self.source.code],
                )

    def state(self) -> State:
        """What the tables hold, every version and tombstone of it."""
        return {
            table: self._platform.rows(
                f"select record_key, payload_hash, is_deleted from raw.{table} order by 1, 2, 3"
            )
            for table in self.source.tables
        }

    def export_change(self, change: Change) -> Callable[[bytes], bytes]:
        return partial(self._rewritten, change) if self.is_export else bytes

    def _rewritten(self, change: Change, content: bytes) -> bytes:
        changed = self.case.records(content, change)
        self.is_disturbed = self.is_disturbed or changed != content
        return changed

    def disturb(self, change: Change) -> None:
        """The records of every answer of the next run, changed."""
        if self.source.kind == "vk" and change is twice:
            # A page holds no more than was asked for: what comes twice is what a wall that has
            # grown meanwhile pushes over to the next page.
            self.proxy.asking = pushed
            self.proxy.inject(one_more, lasts=ALWAYS)
            self.is_disturbed = True
        else:
            self.proxy.inject(self._changed(change), lasts=ALWAYS)

    def _changed(self, change: Change) -> Fault:
        def fault(answer: Answer) -> Answer:
            status, headers, content = answer
            return status, headers, self._rewritten(change, content) if status == 200 else content

        return fault

    def in_the_clear(self) -> str:
        """Every column that is not sealed, of the ledger, the quarantine and the raw tables."""
        tables = [f"raw.{table}" for table in self.source.tables]
        parts = [
            row[0]
            for table in ("ops.loads", "ops.quarantine", "ops.watermarks", *tables)
            for row in self._platform.rows(f"select to_jsonb(t)::text from {table} as t")
        ]
        return "\n".join(parts)


@pytest.fixture
def line(
    request: pytest.FixtureRequest,
    platform: Platform,
    proxy: Proxy,
    exports: Path,
    waits: list[float],
) -> Iterator[Line]:
    one = Line(request.param, platform, proxy, exports)
    yield one
    proxy.stop()


_references: dict[str, State] = {}
_calls: dict[str, int] = {}


@pytest.fixture
def reference(line: Line) -> State:
    """The tables after one clean load; they are left filled."""
    known = _references.get(line.source.code)
    if known is None or line.state() != known:
        if known is not None:
            line.empty()
        line.proxy.calls = 0
        _references[line.source.code] = line.clean_load()
        _calls[line.source.code] = line.proxy.calls
    return _references[line.source.code]


every_client = pytest.mark.parametrize("line", sorted(CASES), indirect=True)
every_http_client = pytest.mark.parametrize("line", OVER_HTTP, indirect=True)


# --- promises ------------------------------------------------------------------------------------


@every_client
def test_the_same_twice_is_the_same_once(line: Line, reference: State) -> None:
    assert all(reference.values())
    again = line.load()
    assert sum(load.rows_landed + load.rows_tombstoned for load in again) == 0
    assert line.state() == reference


@every_client
@pytest.mark.parametrize("change", [backwards, twice])
def test_records_in_another_order_or_repeated_change_nothing(
    line: Line, reference: State, change: Change, exports: Path
) -> None:
    for is_empty in (False, True):
        if is_empty:
            line.empty()
        with rewritten(exports, line.export_change(change)):
            line.disturb(change)
            line.load()
        assert line.is_disturbed
        assert line.state() == reference


@every_http_client
@pytest.mark.parametrize("fault", ["slow", "cut", "429", "503"])
def test_a_fault_that_passes_leaves_no_trace(
    line: Line, reference: State, waits: list[float], fault: str
) -> None:
    faults = {"slow": line.proxy.late, "cut": cut_off, "429": too_many, "503": server_error}
    line.empty()
    line.proxy.inject(faults[fault], begins_at=line.middle, lasts=1)
    loads = line.load()
    assert line.proxy.faults == 1
    assert {load.outcome for load in loads} == {"success"}, loads
    assert line.state() == reference
    # The source's own wish counts, otherwise the client's patience.
    assert (float(RETRY_AFTER) in waits) is (fault == "429")
    assert waits


@every_http_client
@pytest.mark.parametrize(
    ("fault", "code"),
    [("cut", "http_connection"), ("429", "http_rate_limited"), ("expired", "http_unauthorised")],
)
def test_a_fault_that_stays_takes_nothing_away_and_the_next_run_makes_up_for_it(
    line: Line, reference: State, caplog: pytest.LogCaptureFixture, fault: str, code: str
) -> None:
    caplog.set_level(logging.DEBUG)
    faults = {"cut": cut_off, "429": too_many, "expired": line.case.expired}

    def failed_load(begins_at: int) -> list[LoadCounts]:
        line.proxy.inject(faults[fault], begins_at=begins_at, lasts=ALWAYS)
        loads = line.load()
        assert {load.error_class for load in loads if load.outcome == "failed"} == {code}, loads
        assert sum(load.rows_tombstoned for load in loads) == 0
        return loads

    at_once = failed_load(1)
    assert sum(load.rows_read for load in at_once) == 0
    assert line.state() == reference
    line.empty()
    half_way = failed_load(line.middle)
    assert all(set(rows) <= set(reference[table]) for table, rows in line.state().items())
    assert line.clean_load() == reference
    for told in (line.in_the_clear(), caplog.text, str(at_once), str(half_way)):
        assert TOKEN not in told


@every_http_client
def test_half_an_answer_that_looks_like_a_whole_one_makes_nothing_vanish(
    line: Line, reference: State
) -> None:
    line.proxy.inject(cut_unseen, begins_at=line.middle, lasts=1)
    loads = line.load()
    assert line.proxy.faults == 1
    assert sum(load.rows_tombstoned for load in loads) == 0, loads
    line.clean_load()
    assert all(set(rows) <= set(line.state()[table]) for table, rows in reference.items())


def test_an_export_that_is_cut_lands_what_is_whole_and_the_whole_one_makes_up_for_it(
    platform: Platform, proxy: Proxy, exports: Path
) -> None:
    line = Line("telegram_export", platform, proxy, exports)
    line.empty()
    whole = line.clean_load()
    line.empty()
    with rewritten(exports, lambda content: content[: len(content) // 2]):
        loads = line.load()
    assert {load.error_class for load in loads} == {"not_json"}
    landed = line.state()
    assert all(0 < len(landed[table]) < len(rows) for table, rows in whole.items())
    assert line.clean_load() == whole
