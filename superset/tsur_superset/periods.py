"""Superset's parser of periods, made ready before several threads use it.

One grammar is shared by all threads. It is simplified in place when it first parses, without a
lock, and a thread that parses meanwhile gets «Expected '(', found ')'» in place of a chart's rows.
"""

from __future__ import annotations


def prepare_period_parser() -> None:
    """Builds and simplifies the grammar, so that later threads only read it."""
    from superset.utils.date_parser import datetime_eval

    datetime_eval("DATETIME('2026-01-01')")
