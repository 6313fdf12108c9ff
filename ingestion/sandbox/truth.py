"""What the generator made, told plainly as JSON Lines; tests compare the marts with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.tables import decision
from ingestion.sandbox.world import Case, World


def _stamp(case: Case, value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.replace(tzinfo=REGIONS[case.region_code].zone).isoformat()


def _labels(case: Case) -> tuple[str | None, str | None]:
    """The finest label and the category as the source hands them out."""
    topic = case.topic
    if topic is None or not case.has_labels or case.source_code == "vk":
        return None, None
    if case.source_code == "pos":
        return (topic.pos_labels[2] if case.has_fact else None), topic.pos_labels[0]
    if case.source_code == "municipal_register":
        return topic.register_labels[1], topic.register_labels[0]
    return None, None


def _parent(case: Case) -> str | None:
    """What a comment answers: the comment above it in its thread, else the post."""
    above = case.thread_of or case.parent_id
    return f"{case.wall_id}_{above}" if above else None


def case_truth(world: World, case: Case) -> dict[str, Any]:
    """One record of a case source; times in ISO 8601 with the region's offset."""
    topic, category = _labels(case)
    if case.source_code == "open311" and case.topic is not None and case.has_labels:
        topic, category = world.catalog.services[case.topic.service_code]
    duplicate = None
    if case.duplicate_of is not None:
        source, number = case.duplicate_of
        duplicate = {"source_code": source, "native_id": number}
    return {
        "region_code": case.region_code,
        "source_code": case.source_code,
        "native_id": case.native_id,
        "kind": case.kind,
        "received_at": _stamp(case, case.received_at),
        "received_date": case.received_at.date().isoformat(),
        "topic_code": case.topic.code if case.topic else None,
        "block_code": case.topic.block_code if case.topic else None,
        "topic": topic,
        "category": category,
        "body_code": case.body.code,
        "body_name": case.body.name,
        "municipality_code": case.address.place.code,
        "settlement": case.address.place.settlement,
        "street": case.address.street,
        "house": case.address.house,
        "address": None if case.source_code == "vk" else case.address.line,
        "latitude": case.address.latitude,
        "longitude": case.address.longitude,
        "is_59fz": case.is_59fz,
        "is_fast_track": case.is_fast_track,
        "is_fast_track_eligible": bool(
            case.topic and case.topic.is_fast_track.get(case.source_code, False)
        ),
        "applicant_id": case.applicant_id or None,
        "is_case": case.is_case,
        "is_deleted_at_source": case.is_deleted,
        "is_bad": case.is_bad,
        "bad_reason": case.bad_reason,
        "duplicate_of": duplicate,
        "external_number": case.external_number,
        "parent_native_id": _parent(case),
        "outcome": case.outcome,
        "resolution": decision(case),
        "rating": case.rating,
        "source_verdict": case.source_verdict,
        "questions_raised": case.questions_raised if case.source_code == "pos" else None,
        "questions_answered": case.questions_answered if case.source_code == "pos" else None,
        "text": case.text,
        "cycles": [
            {
                "cycle_no": cycle.cycle_no,
                "opened_at": _stamp(case, cycle.opened_at),
                "due_at": _stamp(case, cycle.due_at),
                "source_due_at": _stamp(case, cycle.source_due_at),
                "closed_at": _stamp(case, cycle.closed_at),
                "is_extended": cycle.is_extended,
                "body_code": cycle.body_code,
                "deadline_status": cycle.deadline_status,
            }
            for cycle in case.cycles
        ],
    }


def event_truth(world: World) -> Iterator[dict[str, Any]]:
    """Events as the ПОС history hands them out: only of messages, broken rows have none."""
    for case in world.cases:
        if case.source_code != "pos" or case.is_bad:
            continue
        for number, event in enumerate(case.events, start=1):
            yield {
                "region_code": case.region_code,
                "source_code": case.source_code,
                "case_native_id": case.native_id,
                "ordinal": number,
                "cycle_no": event.cycle_no,
                "event": event.event,
                "occurred_at": _stamp(case, event.at.replace(second=0)),
                "body_code": event.body_code,
                "new_due_date": event.new_due.isoformat() if event.new_due else None,
                "rating": event.rating,
            }


def counts(world: World) -> dict[str, Any]:
    """Rows served per region, source and entity, and what they are."""
    answer: dict[str, Any] = {
        "seed": world.seed,
        "as_of": world.as_of.isoformat(),
        "regions": {},
        "services": len(world.catalog.services),
    }
    for region in REGIONS:
        sources: dict[str, Any] = {}
        for source in ("pos", "municipal_register", "open311", "vk"):
            found = world.of(region, source)
            good = [case for case in found if not case.is_bad]
            entities: dict[str, int]
            if source == "pos":
                entities = {
                    "messages": len(found),
                    "cards": len(good),
                    "history": sum(len(case.events) for case in good),
                }
            elif source == "vk":
                entities = dict(
                    Counter("posts" if case.kind == "post" else "comments" for case in found)
                )
            else:
                entities = {"rows" if source == "municipal_register" else "requests": len(found)}
            sources[source] = {
                "rows": entities,
                "bad": sum(case.is_bad for case in found),
                "bad_reasons": dict(Counter(case.bad_reason for case in found if case.bad_reason)),
                "not_cases": sum(not case.is_case for case in good),
                "cases": sum(case.is_case for case in good),
                "duplicates": sum(case.duplicate_of is not None for case in good),
                "deleted_at_source": sum(case.is_deleted for case in good),
                "facts": sum(case.is_case and case.duplicate_of is None for case in good),
                "deadline_statuses": dict(
                    Counter(
                        cycle.deadline_status
                        for case in good
                        if case.is_case and case.duplicate_of is None
                        for cycle in case.cycles
                    )
                ),
            }
        sources["duty_rosters"] = {
            "rows": {"duty_rosters": sum(row.region_code == region for row in world.rosters)}
        }
        sources["checked_replies"] = {
            "rows": {
                "checked_replies": sum(row.region_code == region for row in world.checked_replies)
            }
        }
        sources["populations"] = {
            "rows": {"populations": sum(row.region_code == region for row in world.populations)}
        }
        answer["regions"][region] = sources
    answer["total"] = {
        name: sum(
            answer["regions"][region][source][name]
            for region in REGIONS
            for source in ("pos", "municipal_register", "open311", "vk")
        )
        for name in ("bad", "not_cases", "cases", "duplicates", "deleted_at_source", "facts")
    }
    return answer


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_truth(world: World, output: Path) -> dict[str, Any]:
    """Writes the files into ``output`` and returns the counts."""
    output.mkdir(parents=True, exist_ok=True)
    _write_lines(output / "cases.jsonl", (case_truth(world, case) for case in world.cases))
    _write_lines(output / "events.jsonl", event_truth(world))
    _write_lines(
        output / "rosters.jsonl",
        (
            {
                "native_id": row.native_id,
                "region_code": row.region_code,
                "week_start": row.week_start.isoformat(),
                "block_code": row.block_code,
                "staff": row.staff,
                "hours": row.hours,
                "share": row.share,
            }
            for row in world.rosters
        ),
    )
    _write_lines(
        output / "checked_replies.jsonl",
        (
            {
                "native_id": reply.native_id,
                "region_code": reply.region_code,
                "case_native_id": reply.case_native_id,
                "body_code": reply.body_code,
                "checked_at": reply.checked_at.isoformat(),
                "is_passed": reply.is_passed,
            }
            for reply in world.checked_replies
        ),
    )
    _write_lines(
        output / "populations.jsonl",
        (
            {
                "native_id": row.native_id,
                "region_code": row.region_code,
                "municipality_code": row.municipality_code,
                "municipality": row.municipality,
                "year": row.year,
                "population": row.population,
            }
            for row in world.populations
        ),
    )
    told = counts(world)
    (output / "counts.json").write_text(
        json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    return told
