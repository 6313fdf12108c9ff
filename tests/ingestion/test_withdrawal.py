"""A wrong load is taken back: as though it had never been run, and nothing is lost."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.check import Severity
from expectations.sources import SourceTable
from expectations.suites.raw import raw_checks
from ingestion import withdrawal
from ingestion.errors import IngestionError
from ingestion.ledger import LoadCounts
from ingestion.source import Source, Window, load_source
from tests.ingestion.conftest import HEAD, Platform

YAML = """
kind: register
deadline: none
max_quarantined_share: 1
regions:
  - {{code: tambov, time_zone: Europe/Moscow, endpoint: "{folder}/tambov.csv"}}
  - {{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}/pskov.csv"}}
entities:
  rows:
    table: {table}
    role: case
    kind: appeal
    key: id
    listing: {listing}
    format: {{type: csv, separator: ";"}}
    identity: {{who: person}}
    record: {{text: text, received_at: date, applicant_key: who}}
"""
WINDOWS = """
kind: open311
deadline: none
window: {{days: 1}}
paging: none
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "http://portal.example"}}]
entities:
  requests:
    table: {table}
    role: case
    kind: request
    key: service_request_id
    listing: window
    record: {{received_at: requested_datetime}}
"""
_numbers = itertools.count(1)
# What a record brings in one delivery: a text, nothing at all, or a date that cannot be.
BROKEN = "broken"
Delivery = dict[str, str]


class Register:
    """A register of one table, delivered as a file that the test writes."""

    def __init__(self, platform: Platform, folder: Path, listing: str = "complete") -> None:
        self.platform = platform
        self.folder = folder
        self.table = f"withdrawn_{next(_numbers)}"
        path = folder / f"{self.table}.yml"
        text = YAML.format(folder=folder, table=self.table, listing=listing)
        path.write_text(HEAD + text, encoding="utf-8")
        self.source: Source = load_source(path, {})

    def load(self, delivery: Delivery, run_id: str = "test", region: str = "tambov") -> LoadCounts:
        lines = ["id;text;date;who"]
        for number, text in delivery.items():
            date = "3020-01-01" if text == BROKEN else "2026-01-05"
            lines.append(f"{number};{text};{date};Житель {number}")
        (self.folder / f"{region}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (load,) = self.platform.ingest(self.source, region=region, run_id=run_id)
        return load

    def withdraw(self, load: LoadCounts, **how: Any) -> list[withdrawal.WithdrawnLoad]:
        return withdrawal.withdraw(
            self.platform.url, load.load_id, by="tester", reason="wrong file", **how
        )

    def latest(self, region: str = "tambov") -> dict[str, str | None]:
        """What the marts would read: text of each record, None for one that has vanished."""
        return dict(
            self.platform.rows(
                f"select distinct on (record_key) native_id,"
                f" case when not is_deleted then record ->> 'text' end from raw.{self.table}"
                f" where region_code = %s order by record_key, raw_id desc",
                region,
            )
        )

    def history(self, region: str) -> list[tuple[Any, ...]]:
        """Every version in its order, with the run that landed it."""
        return self.platform.rows(
            f"select native_id, run_id, raw.payload, raw.record, raw.payload_hash, is_deleted"
            f" from raw.{self.table} as raw inner join ops.loads using (load_id)"
            f" where raw.region_code = %s order by native_id, raw_id",
            region,
        )

    def waiting(self, region: str) -> list[tuple[Any, ...]]:
        """Records in quarantine that somebody still has to look at."""
        return self.platform.rows(
            "select native_id, error_code from ops.quarantine where source_code = %s"
            " and region_code = %s and state = 'open' order by native_id",
            self.source.code,
            region,
        )

    def watermark(self, region: str) -> list[tuple[Any, ...]]:
        """The run that the watermark stands for."""
        return self.platform.rows(
            "select run_id from ops.watermarks as w inner join ops.loads using (load_id)"
            " where w.source_code = %s and w.region_code = %s",
            self.source.code,
            region,
        )

    def assert_rows_match_the_ledger(self) -> None:
        """Landed + tombstoned + given - set aside = rows in raw, of every load."""
        differing = self.platform.rows(
            f"select load_id from ops.loads as load"
            f" left join (select load_id, sum(rows_given - rows_set_aside) as net"
            f"   from ops.withdrawal_effects group by load_id) as effects using (load_id)"
            f" where source_code = %s and rows_landed + rows_tombstoned + coalesce(net, 0)"
            f"   <> (select count(*) from raw.{self.table} as r where r.load_id = load.load_id)",
            self.source.code,
        )
        assert differing == []


@pytest.fixture
def register(platform: Platform, tmp_path: Path) -> Register:
    return Register(platform, tmp_path)


deliveries = st.lists(
    st.dictionaries(
        st.sampled_from(["1", "2", "3"]), st.sampled_from(["а", "б", BROKEN]), max_size=3
    ),
    min_size=2,
    max_size=5,
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=deliveries, listing=st.sampled_from(["complete", "open"]), data=st.data())
def test_after_a_withdrawal_all_is_as_though_the_load_had_never_been_run(
    platform: Platform, tmp_path: Path, steps: list[Delivery], listing: str, data: st.DataObject
) -> None:
    register = Register(platform, tmp_path, listing)
    wrong = data.draw(
        st.sets(st.integers(0, len(steps) - 1), min_size=1, max_size=2), label="wrong"
    )
    order = data.draw(st.permutations(sorted(wrong)), label="order of the withdrawals")

    loads = [register.load(step, f"step {n}") for n, step in enumerate(steps)]
    for number in order:
        register.withdraw(loads[number])
    for number, step in enumerate(steps):
        if number not in wrong:
            register.load(step, f"step {number}", region="pskov")

    assert register.history("tambov") == register.history("pskov")
    assert register.waiting("tambov") == register.waiting("pskov")
    assert register.watermark("tambov") == register.watermark("pskov")
    register.assert_rows_match_the_ledger()


def test_the_version_before_is_the_latest_again_and_what_only_the_load_knew_is_gone(
    register: Register,
) -> None:
    register.load({"1": "яма", "2": "свет"})
    wrong = register.load({"1": "чужое", "3": "лишнее"})
    assert register.latest() == {"1": "чужое", "2": None, "3": "лишнее"}

    (done,) = register.withdraw(wrong)

    assert register.latest() == {"1": "яма", "2": "свет"}
    assert (done.set_aside, done.restored, done.unknown_again) == (3, 2, 1)


def test_the_evidence_is_kept_with_who_when_and_why(register: Register) -> None:
    register.load({"1": "яма"})
    wrong = register.load({"1": "чужое"})
    before = register.platform.rows(
        f"select raw_id, payload, record, payload_hash, load_id from raw.{register.table}"
        f" where load_id = {wrong.load_id}"
    )
    register.withdraw(wrong)

    assert before == register.platform.rows(
        "select raw_id, payload, record, payload_hash, load_id from ops.withdrawn_rows"
        " where withdrawn_load_id = %s",
        wrong.load_id,
    )
    assert register.platform.rows(
        "select outcome, rows_read, rows_landed, withdrawn_by, withdrawn_reason,"
        " withdrawn_at is not null from ops.loads where load_id = %s",
        wrong.load_id,
    ) == [("success", 1, 1, "tester", "wrong file", True)]
    people = register.platform.rows("select count(*) from vault.identities where kind = 'person'")
    assert people[0][0] > 0


def test_what_a_later_load_confirmed_stays_under_that_load(register: Register) -> None:
    register.load({"1": "яма"})
    wrong = register.load({"1": "яма закрыта", "2": "чужое"})
    later = register.load({"1": "яма закрыта"})
    assert later.rows_unchanged == 1

    (done,) = register.withdraw(wrong)

    assert register.latest()["1"] == "яма закрыта"
    assert "2" not in register.latest()
    assert done.kept_for_later_loads == 1
    assert register.platform.rows(
        f"select load_id from raw.{register.table} where native_id = '1' order by raw_id desc"
    )[0] == (later.load_id,)


def test_a_later_version_that_only_undid_the_wrong_one_is_no_second_version(
    register: Register,
) -> None:
    register.load({"1": "яма"})
    wrong = register.load({"1": "чужое"})
    register.load({"1": "яма"})

    register.withdraw(wrong)

    assert [row[3]["text"] for row in register.history("tambov")] == ["яма"]
    register.assert_rows_match_the_ledger()


def test_a_repetition_that_was_set_aside_lands_when_the_version_before_goes_too(
    register: Register,
) -> None:
    first = register.load({"1": "яма"})
    wrong = register.load({"1": "чужое"})
    later = register.load({"1": "яма"})

    register.withdraw(wrong)
    register.withdraw(first)

    assert register.platform.rows(f"select load_id from raw.{register.table}") == [(later.load_id,)]
    assert register.latest() == {"1": "яма"}
    register.assert_rows_match_the_ledger()


def test_a_record_that_a_later_listing_of_its_window_lacked_too_stays_vanished(
    platform: Platform, tmp_path: Path
) -> None:
    table = f"withdrawn_{next(_numbers)}"
    path = tmp_path / f"{table}.yml"
    path.write_text(HEAD + WINDOWS.format(table=table), encoding="utf-8")
    source = load_source(path, {})
    january = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    february = Window(january.end, datetime(2026, 3, 1, tzinfo=UTC))
    pothole = {"service_request_id": 1, "requested_datetime": "2026-01-05T00:00:00Z"}

    def load(window: Window, *listed: dict[str, Any]) -> LoadCounts:
        with responses.RequestsMock() as portal:
            portal.get("http://portal.example/requests.json", json=list(listed))
            (counts,) = platform.ingest(source, window=window)
        return counts

    def state() -> list[tuple[Any, ...]]:
        return platform.rows(f"select load_id, is_deleted from raw.{table} order by raw_id")

    first = load(january, pothole)
    wrong = load(january)
    load(february)
    withdrawal.withdraw(platform.url, wrong.load_id, by="tester", reason="the portal was down")
    assert state() == [(first.load_id, False)]

    wrong = load(january)
    load(february)
    empty = load(january)
    withdrawal.withdraw(platform.url, wrong.load_id, by="tester", reason="the portal was down")
    assert state() == [(first.load_id, False), (empty.load_id, True)]


def test_a_tombstone_carries_what_vanished_and_not_what_was_withdrawn(register: Register) -> None:
    register.load({"1": "яма"})
    wrong = register.load({"1": "чужое"})
    register.load({})

    register.withdraw(wrong)

    (_, tombstone) = register.history("tambov")
    assert tombstone[3]["text"] == "яма"
    assert tombstone[5]


def test_the_same_file_again_after_a_withdrawal_lands_anew(register: Register) -> None:
    wrong = register.load({"1": "яма", "2": BROKEN})
    register.withdraw(wrong)
    again = register.load({"1": "яма", "2": BROKEN})

    assert (again.rows_landed, again.rows_unchanged, again.rows_quarantined) == (1, 0, 1)
    assert register.latest() == {"1": "яма"}
    assert register.waiting("tambov") == [("2", "date_out_of_range")]


def test_a_load_that_failed_by_its_share_of_quarantine_can_be_taken_back(
    platform: Platform, tmp_path: Path
) -> None:
    register = Register(platform, tmp_path)
    register.source = register.source.model_copy(update={"max_quarantined_share": 0.1})
    rows = {str(n): BROKEN if n % 2 else "яма" for n in range(30)}
    failed = register.load(rows)
    assert failed.outcome == "failed"
    assert register.latest()

    (done,) = register.withdraw(failed)

    assert register.latest() == {}
    assert (done.set_aside, done.quarantine_entries) == (15, 15)


def test_what_a_replay_landed_goes_with_the_load_that_brought_it(register: Register) -> None:
    wrong = register.load({"1": BROKEN})
    lenient = register.source.model_copy(deep=True)
    rule = lenient.entities["rows"].record["received_at"]
    del lenient.entities["rows"].record["received_at"]
    replay = register.platform.replay(lenient, load_id=wrong.load_id)
    assert replay.loads[0].rows_landed == 1
    lenient.entities["rows"].record["received_at"] = rule

    with pytest.raises(IngestionError, match=str(replay.loads[0].load_id)) as refused:
        register.withdraw(wrong)
    assert refused.value.code == "later_loads_depend"
    assert register.latest() == {"1": BROKEN}

    done = register.withdraw(wrong, with_later=True)

    assert [one.load_id for one in done] == [replay.loads[0].load_id, wrong.load_id]
    assert register.latest() == {}
    assert register.waiting("tambov") == []


def test_a_replay_that_is_taken_back_leaves_its_records_waiting_again(register: Register) -> None:
    register.load({"1": BROKEN})
    lenient = register.source.model_copy(deep=True)
    del lenient.entities["rows"].record["received_at"]
    (replayed,) = register.platform.replay(lenient).loads[-1:]
    assert register.waiting("tambov") == []

    register.withdraw(replayed)

    assert register.latest() == {}
    assert register.waiting("tambov") == [("1", "date_out_of_range")]


def test_later_loads_whose_sightings_are_gone_are_named_and_taken_back_on_demand(
    register: Register,
) -> None:
    register.load({"1": "яма"})
    wrong = register.load({"1": "чужое"})
    later = [register.load({"1": "чужое"}), register.load({"1": "новое"})]
    with psycopg.connect(register.platform.url) as connection:
        moment = connection.execute("select clock_timestamp()").fetchone()
        assert moment is not None
        assert withdrawal.forget_sightings(connection, moment[0]) >= 4

    with pytest.raises(IngestionError) as refused:
        register.withdraw(wrong)
    assert all(str(load.load_id) in str(refused.value) for load in later)
    assert register.latest() == {"1": "новое"}

    done = register.withdraw(wrong, with_later=True)

    assert [one.load_id for one in done] == [later[1].load_id, later[0].load_id, wrong.load_id]
    assert register.latest() == {"1": "яма"}


def test_the_checks_of_raw_hold_after_a_withdrawal(register: Register) -> None:
    register.load({"1": "яма", "3": "мост"})
    wrong = register.load({"1": "чужое", "2": "свет", "4": BROKEN})
    register.load({"1": "яма", "2": "свет", "3": "мост"})

    register.withdraw(wrong)

    table = SourceTable(register.source.code, ("rows",), "case", register.table, ("tambov",))
    judged = 0
    transformer = register.platform.warehouse.url("transformer")
    with psycopg.connect(transformer) as connection:
        for check in raw_checks([table]):
            if not check.rows or check.severity is not Severity.CRITICAL:
                continue
            judged += 1
            rows = check.rows.replace("{batch}", check.relation)
            found = connection.execute(
                f"select label from ({rows}) as judged where is_unexpected"
            ).fetchall()
            assert found == [], check.code
    assert judged > 5


def test_a_plan_tells_the_same_numbers_and_changes_nothing(register: Register) -> None:
    register.load({"1": "яма", "2": BROKEN})
    wrong = register.load({"1": "чужое", "2": "свет", "4": BROKEN})

    def state() -> list[Any]:
        return [
            register.history("tambov"),
            register.waiting("tambov"),
            register.watermark("tambov"),
            register.platform.rows("select * from ops.loads order by load_id"),
            register.platform.rows("select count(*) from ops.withdrawn_rows"),
        ]

    before = state()
    planned = withdrawal.plan(register.platform.url, wrong.load_id)
    assert state() == before
    assert register.withdraw(wrong) == planned


def test_only_a_load_that_stands_can_be_withdrawn(register: Register) -> None:
    wrong = register.load({"1": "яма"})
    register.withdraw(wrong)
    with pytest.raises(IngestionError) as twice:
        register.withdraw(wrong)
    assert twice.value.code == "load_not_withdrawable"
    with pytest.raises(IngestionError) as unknown:
        withdrawal.plan(register.platform.url, 10**9)
    assert unknown.value.code == "unknown_load"


def test_raw_is_append_only_but_for_a_withdrawn_load(register: Register) -> None:
    load = register.load({"1": "яма"})
    with psycopg.connect(register.platform.url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "select raw.set_aside(%s, %s, array(select raw_id from raw."
                f"{register.table}), 'withdrawn')",
                [register.table, load.load_id],
            )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from ops.withdrawn_rows")
    assert register.latest() == {"1": "яма"}


@pytest.mark.parametrize("role", ["transformer", "auditor"])
def test_who_checks_sees_which_rows_were_withdrawn_and_no_text(
    register: Register, role: str
) -> None:
    register.withdraw(register.load({"1": "яма"}))
    with psycopg.connect(register.platform.warehouse.url(role), autocommit=True) as connection:
        assert connection.execute("select record_key, load_id from ops.withdrawn_rows").fetchall()
        assert connection.execute("select * from ops.withdrawal_effects").fetchall()
        for column in ("record", "payload"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {column} from ops.withdrawn_rows")
