"""What is written in the binary format of COPY is what the server then has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest

from ingestion.copy_binary import (
    HEADER,
    TRAILER,
    bigint,
    binary,
    field_count,
    integer,
    jsonb,
    timestamptz,
    with_field,
)
from stack.database import Warehouse

MOSCOW = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(1917, 11, 7, 12, 0, 0, 1, tzinfo=MOSCOW),
        datetime(9999, 12, 31, tzinfo=MOSCOW),
        None,
    ],
)
@pytest.mark.parametrize("text", ["", "Яма\tу \\N дома\n№ 5\r", "🌧" * 70_000, None])
@pytest.mark.parametrize("number", [0, -1, 2**31 - 1, None])
def test_every_value_comes_back_as_it_was_written(
    warehouse: Warehouse, moment: datetime | None, text: str | None, number: int | None
) -> None:
    row = field_count(5) + binary(None if text is None else text.encode())
    row += (
        integer(number)
        + timestamptz(moment)
        + binary(b"\x00\xff\\")
        + jsonb('{"a": "Ё\\n"}'.encode())
    )
    with psycopg.connect(warehouse.url("loader")) as connection:
        connection.execute(
            "create temporary table t"
            " (t text, n integer, at timestamptz, b bytea, j jsonb, big bigint)"
        )
        with (
            connection.cursor() as cursor,
            cursor.copy("copy t from stdin (format binary)") as copy,
        ):
            copy.write(HEADER + with_field(row, bigint(2**62)) + TRAILER)
        found = connection.execute("select * from t").fetchall()
    assert found == [(text, number, moment, b"\x00\xff\\", {"a": "Ё\n"}, 2**62)]
