"""From source fields to what lands: types, times, identities, keys, hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion.errors import RecordError
from ingestion.mapping import Mapper, Row, record_key, shape
from ingestion.source import Source
from ingestion.vault import Vault

MakeSource = Callable[..., Source]
OBSERVED = datetime(2026, 11, 21, 3, tzinfo=UTC)
BOSTON = ZoneInfo("America/New_York")
US = ("%m/%d/%Y %I:%M:%S %p",)


def mapper(
    make_source: MakeSource,
    entity: str,
    *,
    kind: str = "register",
    deadline: str = "none",
    zone: str = "Europe/Moscow",
) -> Mapper:
    body = "\n".join(f"    {line}" for line in entity.strip().splitlines())
    source = make_source(
        "sample",
        f"kind: {kind}\ndeadline: {deadline}\n"
        f"regions: [{{code: tambov, time_zone: {zone}, endpoint: /nowhere,"
        " walls: [{owner_id: -1}]}]\n"
        f"entities:\n  rows:\n    table: sample\n    role: case\n    kind: appeal\n{body}\n",
    )
    return Mapper(
        source,
        source.entities["rows"],
        source.region("tambov"),
        Vault("dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="),
    )


def record(row: Row) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(row.record)
    return result


def payload(row: Row) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(row.payload)
    return result


def test_a_due_date_without_a_time_lasts_to_the_end_of_its_day(make_source: MakeSource) -> None:
    one = mapper(
        make_source,
        'key: id\nformats: ["%d.%m.%Y"]\n'
        "record: {source_due_at: {from: due, end_of_day: true}, received_at: got}",
        deadline="source",
    )
    landed = record(one.land({"id": "1", "due": "05.03.2026", "got": "01.03.2026"}, {}, OBSERVED))
    assert landed["due_at"] == landed["source_due_at"] == "2026-03-05T23:59:59+03:00"
    assert landed["received_at"] == "2026-03-01T00:00:00+03:00"
    assert landed["received_has_time"] is False


def test_a_source_without_deadlines_of_its_own_keeps_the_planned_date_apart(
    make_source: MakeSource,
) -> None:
    one = mapper(make_source, "key: id\nrecord: {source_due_at: due}", deadline="rule")
    landed = record(one.land({"id": "1", "due": "2026-03-05"}, {}, OBSERVED))
    assert "source_due_at" in landed
    assert "due_at" not in landed


@pytest.mark.parametrize("written", ["1989-12-31", "3020-01-01", "2036-11-22", "9999-12-31"])
def test_a_date_that_cannot_be_is_refused_with_its_field(
    make_source: MakeSource, written: str
) -> None:
    one = mapper(make_source, "key: id\nrecord: {received_at: got}")
    with pytest.raises(RecordError) as caught:
        one.land({"id": "1", "got": written}, {}, OBSERVED)
    assert (caught.value.code, caught.value.field) == ("date_out_of_range", "got")


@pytest.mark.parametrize("written", ["1990-01-01", "2036-11-20"])
def test_dates_up_to_the_bounds_land(make_source: MakeSource, written: str) -> None:
    one = mapper(make_source, "key: id\nrecord: {received_at: got}")
    assert record(one.land({"id": "1", "got": written}, {}, OBSERVED))["received_at"]


def test_a_closing_before_the_opening_lands(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nrecord: {received_at: got, closed_at: done}")
    landed = record(one.land({"id": "1", "got": "2026-03-05", "done": "2026-03-01"}, {}, OBSERVED))
    assert landed["closed_at"] < landed["received_at"]


def test_an_odd_date_is_refused_with_the_formats_that_were_tried(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nrecord: {received_at: got}")
    with pytest.raises(RecordError, match=r"got is '31\.02\.2026', declared are iso") as caught:
        one.land({"id": "1", "got": "31.02.2026"}, {}, OBSERVED)
    assert caught.value.code == "bad_date"


# --- values --------------------------------------------------------------------------------------


def test_a_verdict_stays_as_written_and_an_empty_one_stays_empty(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nrecord: {source_verdict: {from: v, optional: true}}")
    assert (
        record(one.land({"id": "1", "v": " ONTIME"}, {}, OBSERVED))["source_verdict"] == " ONTIME"
    )
    assert record(one.land({"id": "2", "v": ""}, {}, OBSERVED))["source_verdict"] == ""
    assert "source_verdict" not in record(one.land({"id": "3"}, {}, OBSERVED))


@pytest.mark.parametrize(("written", "expected"), [("52,7317", 52.7317), (" 1 250,5 ", 1250.5)])
def test_russian_numbers_are_read(make_source: MakeSource, written: str, expected: float) -> None:
    one = mapper(make_source, "key: id\nrecord: {fact: {from: n, type: number}}")
    assert record(one.land({"id": "1", "n": written}, {}, OBSERVED))["fact"] == expected


@pytest.mark.parametrize(
    ("field", "written", "code"),
    [
        ("latitude", "91", "out_of_bounds"),
        ("longitude", "-180.1", "out_of_bounds"),
        ("latitude", "north", "bad_number"),
        ("rating", "4.5", "bad_number"),
        ("rating", "nan", "bad_number"),
        ("rating", "0", "out_of_bounds"),
        ("rating", "7", "out_of_bounds"),
        ("is_59fz", "возможно", "bad_boolean"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused(
    make_source: MakeSource, field: str, written: str, code: str
) -> None:
    one = mapper(make_source, f"key: id\nrecord: {{{field}: v}}")
    with pytest.raises(RecordError) as caught:
        one.land({"id": "1", "v": written}, {}, OBSERVED)
    assert caught.value.code == code


def test_the_first_filled_field_counts(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nrecord: {body: [a, b]}")
    assert (
        record(one.land({"id": "1", "a": "-", "b": "Комитет"}, {}, OBSERVED))["body"] == "Комитет"
    )


def test_a_condition_on_another_field_decides_whether_a_field_is_read(
    make_source: MakeSource,
) -> None:
    one = mapper(
        make_source, "key: id\nrecord: {closed_at: {from: changed, when: {status: closed}}}"
    )
    fields = {"id": "1", "changed": "2026-03-05", "status": "open"}
    assert "closed_at" not in record(one.land(fields, {}, OBSERVED))
    assert "closed_at" in record(one.land({**fields, "status": "closed"}, {}, OBSERVED))


# --- keys and hashes -----------------------------------------------------------------------------


def test_the_record_key_is_the_hash_that_the_contract_names() -> None:
    digest = hashlib.sha256("pos\x1ftambov\x1fmessages\x1f№ 7".encode()).digest()
    assert record_key("pos", "tambov", "messages", "№ 7") == digest[:16].hex()


@pytest.mark.parametrize("number", ["", " ", "-", None])
def test_a_record_without_its_key_is_refused(make_source: MakeSource, number: Any) -> None:
    one = mapper(make_source, "key: id\nrecord: {text: t}")
    with pytest.raises(RecordError) as caught:
        one.land({"id": number, "t": "x"}, {}, OBSERVED)
    assert caught.value.code == "missing_key"


def test_a_record_without_a_key_is_known_by_its_content(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: content\nrecord: {text: t}")
    rows = [one.land({"t": text}, {}, OBSERVED) for text in ("a", "b", "a")]
    assert [row.key for row in rows] == [None, None, None]
    assert rows[0].native_id == rows[2].native_id != rows[1].native_id


def test_order_of_keys_and_volatile_fields_do_not_make_a_version(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nvolatile: [likes]\nrecord: {text: t}", kind="vk")
    first = one.land(
        {"id": 1, "t": "x", "likes": {"count": 1}, "a": {"b": 1, "c": 2}}, {}, OBSERVED
    )
    other = one.land(
        {"likes": {"count": 9}, "a": {"c": 2, "b": 1}, "t": "x", "id": 1}, {}, OBSERVED
    )
    assert first.content_hash == other.content_hash
    assert payload(other)["likes"] == {"count": 9}
    changed = one.land({"id": 1, "t": "y", "a": {"b": 1, "c": 2}}, {}, OBSERVED)
    assert changed.content_hash != first.content_hash


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d"])
def test_what_the_warehouse_cannot_store_is_refused(make_source: MakeSource, text: str) -> None:
    one = mapper(make_source, "key: id\nrecord: {text: t}")
    with pytest.raises(RecordError) as caught:
        one.land({"id": "1", "t": text}, {}, OBSERVED)
    assert caught.value.code == "invalid_character"


def test_a_text_that_spells_the_escape_of_nul_lands(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nrecord: {text: t}")
    assert record(one.land({"id": "1", "t": "C:\\u0000"}, {}, OBSERVED))["text"] == "C:\\u0000"


# --- identities ----------------------------------------------------------------------------------


def test_declared_identities_become_pseudonyms_and_are_handed_to_the_vault(
    make_source: MakeSource,
) -> None:
    one = mapper(
        make_source,
        "key: id\nidentity: {Житель: person}\nrecord: {text: t, applicant_key: Житель}",
    )
    row = one.land({"id": "1", "t": "Яма", "Житель": "Петров Пётр"}, {}, OBSERVED)
    pseudonym = payload(row)["Житель"]
    assert record(row)["applicant_key"] == pseudonym
    assert row.identities == {pseudonym: ("person", "Петров Пётр")}
    assert "Петров" not in (row.payload + row.record).decode()


@pytest.mark.parametrize(
    "column",
    [
        "ФИО",
        "ФИО руководителя",
        "Телефон заявителя",
        "Эл. почта",
        "Фамилия",
        "email",
        "СНИЛС",
        "requestor_name",
        "first_name",
        "Паспорт",
    ],
)
def test_a_column_that_betrays_a_person_is_replaced_though_nobody_declared_it(
    make_source: MakeSource, column: str
) -> None:
    one = mapper(make_source, "key: id\nrecord: {text: t}")
    row = one.land({"id": "1", "t": "x", column: "Секретов"}, {}, OBSERVED)
    assert "Секретов" not in row.payload.decode()


@pytest.mark.parametrize(
    "column", ["Направлено по email в ФОИВ, не подключенный к ПОС", "Организация", "neighborhood"]
)
def test_a_column_that_betrays_nobody_stays(make_source: MakeSource, column: str) -> None:
    one = mapper(make_source, "key: id\nrecord: {text: t}")
    assert payload(one.land({"id": "1", "t": "x", column: "Нет"}, {}, OBSERVED))[column] == "Нет"


def test_accounts_are_replaced_at_any_depth_and_inside_addresses(make_source: MakeSource) -> None:
    one = mapper(
        make_source,
        'key: id\nidentity: {"**.owner_id": account, "**.from_id": account}\nrecord: {text: text}',
        kind="vk",
    )
    row = one.land(
        {
            "id": 5,
            "text": "пишет [id26033241|Имя]",
            "owner_id": -77,
            "attachments": [
                {"doc": {"owner_id": 26033241, "url": "http://vk.com/doc26033241_2378"}}
            ],
            "copy_history": [{"from_id": 555000111}],
        },
        {},
        OBSERVED,
    )
    landed = payload(row)
    assert landed["owner_id"] == -77
    del landed["text"]
    assert "26033241" not in json.dumps(landed)
    assert "555000111" not in json.dumps(landed)
    # Texts stay as they were written; they are masked before anyone but the loader reads them.
    assert record(row)["text"] == "пишет [id26033241|Имя]"


def test_a_reason_never_quotes_an_identity(make_source: MakeSource) -> None:
    one = mapper(make_source, "key: id\nidentity: {who: person}\nrecord: {received_at: who}")
    with pytest.raises(RecordError) as caught:
        one.land({"id": "1", "who": "Секретов"}, {}, OBSERVED)
    assert "Секретов" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("31.02.2026", "'31.02.2026'"),
        ("12,5,1", "'12,5,1'"),
        ("Секретов Пётр +7 915 123-45-67", "'xxxxxxxx xxxx +9 999 999-99-99'"),
        ("+7 915 123-45-67", "'+9 999 999-99-99'"),
        ("2026-13-45T10:00", "'9999-99-99x99:99'"),
    ],
)
def test_a_reason_tells_the_form_of_a_value_and_nobody_s_name(written: str, told: str) -> None:
    assert shape(written) == told


@pytest.mark.parametrize(
    "rule",
    [
        "received_at: v",
        "rating: v",
        "is_closed: v",
        "status: {from: v, values: {Новое: new}}",
        "latitude: v",
    ],
)
def test_no_refusal_quotes_a_person(make_source: MakeSource, rule: str) -> None:
    one = mapper(make_source, f"key: id\nrecord: {{text: t, {rule}}}")
    for value in ("Секретов Пётр", "79151234567"):
        with pytest.raises(RecordError) as caught:
            one.land({"id": "1", "t": "x", "v": value}, {}, OBSERVED)
        assert value not in str(caught.value)
