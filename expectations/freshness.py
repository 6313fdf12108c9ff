"""Has every source come in time? Asked of the same mart that the report and the dashboard show."""

from __future__ import annotations

from collections import Counter

import psycopg

_MART = "marts.mart_source_freshness"


class SourcesOverdue(RuntimeError):
    """Sources are later than their declared `error_hours`; the message names each and its owner."""


def require_fresh(connection: psycopg.Connection) -> dict[str, int]:
    """How many loads are in which state of freshness; `connection` is tsur_transformer's.

    Raises SourcesOverdue when one is later than its `error_hours`, LookupError when there is
    nothing to ask: no source is enabled, or the marts were never built.
    """
    found = connection.execute("select to_regclass(%s) is not null", [_MART]).fetchone()
    if found is None or not found[0]:
        raise LookupError(f"{_MART} is not there yet: the DAG warehouse makes it. Trigger it.")
    rows = connection.execute(
        """
        select freshness_code, is_overdue, source_code, entity_code, region_code, owner,
            error_hours, to_char(last_loaded_at, 'YYYY-MM-DD HH24:MI TZH')
        from marts.mart_source_freshness
        order by source_code, entity_code, region_code
        """
    ).fetchall()
    if not rows:
        raise LookupError("No source is enabled. See: tsur source list")
    overdue = [
        f"- {source} / {entity} / {region}: last load {last or 'never'},"
        f" promised every {hours} h; ask {owner}"
        for _, is_overdue, source, entity, region, owner, hours, last in rows
        if is_overdue
    ]
    if overdue:
        raise SourcesOverdue(f"{len(overdue)} of {len(rows)} loads overdue:\n" + "\n".join(overdue))
    return dict(Counter(code for code, *_ in rows))
