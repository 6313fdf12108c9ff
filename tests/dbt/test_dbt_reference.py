"""The marts against an independent computation, on what the sandbox made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from raw_rows import RawRows

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference, attributes_of, compute, differences

pytestmark = [pytest.mark.server, pytest.mark.slow]

AS_OF = datetime.fromisoformat("2026-03-01T06:00:00+03:00")
TABLES = {
    ("pos", "appeal"): "pos_messages",
    ("municipal_register", "appeal"): "municipal_register",
    ("open311", "request"): "open311_requests",
    ("vk", "post"): "vk_posts",
    ("vk", "comment"): "vk_comments",
}


_WRITER = {"post": "author_key", "comment": "author_key"}


def pseudonym(case: dict[str, Any]) -> str | None:
    """One a person; an account of a social network is another person to everybody else."""
    if case["applicant_id"] is None:
        return None
    known_as = f"{case['kind'] in _WRITER}|{case['applicant_id']}"
    return "p_" + hashlib.sha256(known_as.encode()).hexdigest()[:32]


def land(rows: RawRows, reference: Reference, cases: Iterable[dict[str, Any]]) -> None:
    """What the truth tells, as the sources would hand it out."""
    for case in cases:
        if case["is_bad"]:
            continue
        key = (case["region_code"], case["source_code"], case["native_id"])
        last = case["cycles"][-1] if case["cycles"] else {}
        is_message = case["source_code"] == "pos"
        # The export of messages dates the end of a withdrawn or rejected one too.
        ended = [
            event["occurred_at"]
            for event in reference.events.get(key, [])
            if event["event"] in ("withdrawn", "rejected")
        ]
        rows.add(
            TABLES[case["source_code"], case["kind"]],
            key[0],
            key[2],
            kind=case["kind"],
            received_at=case["received_at"],
            closed_at=min(ended, default=None) if is_message else last.get("closed_at"),
            is_closed=bool(last.get("closed_at")),
            exclusion="withdrawn"
            if case["source_code"] == "municipal_register" and case["outcome"] == "withdrawn"
            else None,
            due_at=None if is_message else last.get("due_at"),
            is_59fz=case["is_59fz"],
            is_fast_track=case["is_fast_track"],
            topic=case["topic"],
            category=case["category"],
            body=None if case["kind"] in ("post", "comment") else case["body_name"],
            municipality=case["municipality_code"],
            external_number=case["external_number"],
            parent_native_id=case["parent_native_id"],
            text=case["text"],
            address=case["address"],
            rating=case["rating"] if is_message else None,
            resolution=case["resolution"],
            **{_WRITER.get(case["kind"], "applicant_key"): pseudonym(case)},
            is_by_body=not case["is_case"],
            is_deleted_at_source=case["is_deleted_at_source"],
        )
        if is_message:
            rows.add(
                "pos_cards",
                key[0],
                key[2],
                questions_raised=case["questions_raised"],
                questions_answered=case["questions_answered"],
                latitude=case["latitude"],
                longitude=case["longitude"],
            )
        for event in reference.events.get(key, []):
            new_due = event["new_due_date"]
            rows.add(
                "pos_history",
                key[0],
                f"{key[2]}/{event['ordinal']}",
                case_native_id=key[2],
                cycle_no=event["cycle_no"],
                event=event["event"],
                occurred_at=event["occurred_at"],
                body=reference.names[event["body_code"]],
                new_due_at=new_due and f"{new_due}T12:00:00Z",
                rating=event["rating"],
            )
    for check in reference.checks:
        moment = f"{check['checked_at']}T12:00:00"
        rows.add(
            "checked_replies",
            check["region_code"],
            check["native_id"],
            case_native_id=check["case_native_id"],
            body=reference.names[check["body_code"]],
            checked_at=moment + "+05:00",
            is_passed=check["is_passed"],
        )
    for duty in reference.rosters:
        rows.add(
            "duty_rosters",
            duty["region_code"],
            duty["native_id"],
            week_start=duty["week_start"],
            block=duty["block_code"],
            staff_key=duty["staff"],
            hours=duty["hours"],
            share=duty["share"],
        )


def test_the_three_marts_equal_an_independent_computation(
    built_sandbox: Warehouse, tmp_path: Path
) -> None:
    write_truth(build_world(seed=11, as_of=AS_OF, cases=2000), tmp_path)
    with psycopg.connect(built_sandbox.url("transformer")) as connection:

        def query(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement.encode()).fetchall()

        marts = compute(tmp_path, AS_OF, attributes_of(query))
        assert len(marts.compliance) > 500
        assert len(marts.ratings) > 100
        found = differences(marts, query)
    assert found == [], f"{len(found)} cells differ:\n" + "\n".join(found[:20])
