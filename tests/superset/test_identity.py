"""What a connection of Superset says of who asks cannot be bent by a name."""

from __future__ import annotations

import psycopg
import pytest
from tsur_superset.identity import login_option

from stack.database import Warehouse

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    "name",
    [
        "ivanova",
        "Иванова Мария",
        "x -c tsur.login=head",
        "back\\slash \\ and 'quotes' \"too\"",
        "two  blanks ",
    ],
)
def test_the_warehouse_is_told_the_very_name(warehouse: Warehouse, name: str) -> None:
    with psycopg.connect(warehouse.url("official"), options=login_option(name)) as connection:
        row = connection.execute("select access.current_login()").fetchone()
    assert row == (name,)


def test_without_a_name_nobody_asks(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url("official"), options=login_option("")) as connection:
        row = connection.execute("select access.current_login()").fetchone()
    assert row == (None,)
