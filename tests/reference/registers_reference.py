"""Marts over the registers that people keep, worked out a second time in plain Python.

Written from DOMAIN.md 5.1, 5.5, 5.11 and 5.17-5.20, not from the SQL. It reads canonical records
of the sandbox's registers and, where a mart is made of cases, the cycles of `marts_reference`. Rows
are dictionaries: mart → key → column → value; dates are `datetime.date`, shares and amounts Decimal
rounded as they are published.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import yaml
from scipy.stats import beta  # type: ignore[import-untyped]

from tests.reference.marts_reference import CaseKey, Query, Reference

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = REPOSITORY / "dbt_project" / "seeds"
SOURCES = REPOSITORY / "ingestion" / "sources"
Row = dict[str, Any]
Mart = dict[tuple[Any, ...], Row]


class Register(Protocol):
    """One row of a register, as `tests/dbt/register_rows.py` makes it."""

    table: str
    region_code: str
    native_id: str
    record: dict[str, Any]


def _seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _key(text: str | None) -> str:
    """One spelling: small letters, е for ё, without quotation marks and doubled blanks."""
    letters = (text or "").lower().replace("ё", "е")
    return " ".join("".join(c for c in letters if c not in "«»\"„“”'★").split())


def _rounded(value: Decimal | float | None, digits: int) -> Decimal | None:
    if value is None:
        return None
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _share(part: int | float, whole: int | float, digits: int = 4) -> Decimal | None:
    return _rounded(Decimal(part) / Decimal(whole), digits) if whole else None


def effect(before: int, after: int) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Ratio after ÷ before with its exact 95 % interval, by scipy (DOMAIN 5.17)."""
    if before < 10:
        return None, None, None
    low = float(beta.ppf(0.025, after, before + 1)) if after else 0.0
    high = float(beta.ppf(0.975, after + 1, before))
    bounds = [_rounded(share / (1 - share), 4) for share in (low, high)]
    return _share(after, before), bounds[0], bounds[1]


class Registers:
    """The marts over the registers, as of one moment."""

    def __init__(
        self,
        rows: Iterable[Register],
        as_of: datetime,
        cases: Reference | None = None,
    ) -> None:
        self.as_of = as_of
        self.cases = cases
        self.zones = cases.zones if cases else {}
        self.rows: dict[str, list[Register]] = defaultdict(list)
        for row in rows:
            self.rows[row.table].append(row)
        self.regions = {r["region_code"]: r for r in _seed("regions")}
        self.block_names = {r["block_code"]: r["block_name"] for r in _seed("blocks")}
        self.blocks: dict[tuple[str, str], str] = {}
        for block in _seed("blocks"):
            names = (block["block_code"], block["block_name"], *block["aliases"].split("|"))
            for region in self.regions:
                self.blocks |= {(region, _key(name)): block["block_code"] for name in names}
        own = sorted(_seed("region_blocks"), key=lambda r: r["block_code"], reverse=True)
        for block in own:
            self.blocks[block["region_code"], _key(block["label"])] = block["block_code"]
        self.bodies = {r["body_code"]: r for r in _seed("bodies")}
        self.body_codes = {
            (r["region_code"], _key(name)): r["body_code"]
            for r in _seed("bodies")
            for name in (r["body_name"], *r["aliases"].split("|"))
        }
        self.place_names = {r["municipality_code"]: r for r in _seed("municipalities")}
        self.places = {
            (r["region_code"], _key(r["municipality_name"])): r["municipality_code"]
            for r in _seed("municipalities")
        }
        self.topics: dict[str, set[str]] = defaultdict(set)
        for topic in _seed("topics"):
            self.topics[_key(topic["topic_name"])].add(topic["topic_code"])
        for label in (*_seed("topic_catalog"), *_seed("label_blocks")):
            if label["label_kind"] == "topic" and label["topic_code"]:
                self.topics[_key(label["label"])].add(label["topic_code"])
        self.words: dict[tuple[str, str, str], str] = {}
        for path in SOURCES.glob("*.yml"):
            for entity in yaml.safe_load(path.read_text(encoding="utf-8"))["entities"].values():
                for field, rule in entity["record"].items():
                    if isinstance(rule, dict):
                        for word, code in (rule.get("values") or {}).items():
                            self.words[path.stem, field, str(code)] = word

    # --- what every row needs -----------------------------------------------------------------

    def today(self, region: str) -> date:
        return self.as_of.astimezone(self.zones[region]).date()

    def _placed(self, row: Register) -> Row:
        region, record = row.region_code, row.record
        place: Row = {"region_name": self.regions[region]["region_name"]}
        if "block" in record:
            code = self.blocks.get((region, _key(record["block"])))
            place |= {"block_code": code, "block_name": self.block_names[code]} if code else {}
        if "body" in record:
            code = self.body_codes.get((region, _key(record["body"])))
            place |= (
                {"body_code": code, "body_name": self.bodies[code]["body_name"]} if code else {}
            )
        if "municipality" in record:
            code = self.places.get((region, _key(record["municipality"])))
            if code:
                name = self.place_names[code]["municipality_name"]
                place |= {"municipality_code": code, "municipality_name": name}
        return place

    def _dates(self, row: Register, *names: str) -> Iterator[date | None]:
        for name in names:
            value = row.record.get(name)
            yield date.fromisoformat(value) if value else None

    def _word(self, register: str, field: str, code: str) -> str:
        return self.words[register, field, code]

    # --- the marts ----------------------------------------------------------------------------

    def votes(self) -> Mart:
        mart: Mart = {}
        for row in self.rows["votes"]:
            record, today = row.record, self.today(row.region_code)
            started, ended, decided, implemented = self._dates(
                row, "started_on", "ended_on", "decided_on", "implemented_on"
            )
            assert started is not None
            state = "идёт"
            if started > today:
                state = "объявлено"
            elif ended and ended < today:
                state = "завершено"
            decision = record["decision_state"]
            if decided and decided > today:
                decision = "none"
            if decision == "implemented" and implemented and implemented > today:
                decision = "in_progress"
            if decision == "none":
                decided = None
            if decision != "implemented":
                implemented = None
            share = reason = None
            if record["kind"] != "vote":
                reason = "обсуждение: голоса не считаются"
            elif state != "завершено":
                reason = "голосование не завершено"
            else:
                share = _share(record["leading_votes"], record["participants"])
            # Who carries the decision out is told with the measures.
            placed = {k: v for k, v in self._placed(row).items() if not k.startswith("body_")}
            mart[row.region_code, row.native_id] = placed | {
                "title": record["title"],
                "kind_name": self._word("votes", "kind", record["kind"]),
                "started_on": started,
                "ended_on": ended,
                "vote_state": state,
                "participants": record.get("participants"),
                "proposals": record.get("proposals"),
                "leading_votes": record.get("leading_votes"),
                "leading_share": share,
                "not_computed_reason": reason,
                "decision": record.get("decision") if decision != "none" else None,
                "decision_state_code": decision,
                "decided_on": decided,
                "implemented_on": implemented,
                "days_to_decision": (decided - ended).days if decided and ended else None,
                "days_to_implementation": (implemented - decided).days
                if implemented and decided
                else None,
            }
        return mart

    def surveys(self) -> Mart:
        questions: dict[tuple[str, str, str], list[Register]] = defaultdict(list)
        for row in self.rows["surveys"]:
            survey, question, _ = row.native_id.rsplit("_", 2)
            questions[row.region_code, survey, question].append(row)
        mart: Mart = {}
        for (region, survey, question), answers in questions.items():
            judged = [r.record for r in answers if r.record.get("is_satisfied") is not None]
            satisfied = sum(r["answers"] for r in judged if r["is_satisfied"])
            for row in answers:
                record, today = row.record, self.today(region)
                started, ended, agreed = self._dates(row, "started_on", "ended_on", "agreed_on")
                assert started is not None
                if started > today:
                    continue
                is_finished = ended is not None and ended < today
                is_shown = is_finished and record["respondents"] >= 10
                agreement = "не требуется"
                if region == "jewish_ao" and record["method"] == "online":
                    agreement = "не согласован"
                    if agreed and agreed <= today:
                        agreement = "согласован"
                        if agreed > started:
                            agreement = "согласован после начала"
                mart[region, survey, question, row.native_id.rsplit("_", 1)[1]] = self._placed(
                    row
                ) | {
                    "subject_name": "удовлетворённость" if judged else "мнение",
                    "method_name": self._word("surveys", "method", record["method"]),
                    "is_finished": is_finished,
                    "respondents": record["respondents"],
                    "answers": record["answers"],
                    "answer_share": _share(record["answers"], record["respondents"])
                    if is_shown
                    else None,
                    "satisfied_share": _share(satisfied, sum(r["answers"] for r in judged))
                    if is_shown and judged
                    else None,
                    "not_computed_reason": None if is_finished else "опрос не завершён",
                    "agreement_state": agreement,
                }
        return mart

    def pages(self) -> Mart:
        """Pages of the register, and the mandatory ones that it lacks (key: body and platform)."""
        required = _seed("mandatory_pages")
        in_act = {
            (r["region_code"], r["platform_code"], r["body_kind_code"])
            for r in _seed("page_platforms")
        }
        walls = self._walls()
        mart: Mart = {}
        kept = set()
        for row in self.rows["official_pages"]:
            record, region, today = row.record, row.region_code, self.today(row.region_code)
            opened, closed, checked = self._dates(row, "opened_on", "closed_on", "checked_on")
            if opened and opened > today:
                continue
            place = self._placed(row)
            body = place.get("body_code")
            kind = self.bodies[body]["body_kind_code"] if body else None
            is_closed = closed is not None and closed <= today
            if not is_closed:
                kept.add((body, record["platform"]))
            number = re.match(r"https?://vk\.(?:com|ru)/(?:club|public)(\d+)$", row.native_id)
            wall = walls.get((region, f"-{number[1]}")) if number else None
            reason = None
            if is_closed:
                reason = "страница закрыта"
            elif record["platform"] != "vk":
                reason = "записи этой площадки не собираются"
            elif number is None:
                reason = "в адресе нет номера сообщества: записи со страницей не связать"
            elif wall is None:
                reason = "записи этой страницы не собираются"
            is_covered = bool({(region, record["platform"], k) for k in ("*", kind)} & in_act)
            shown = wall if wall and reason is None else {}
            mart[region, body, record["platform"], row.native_id] = {
                "region_name": place["region_name"],
                "body_name": place.get("body_name"),
                "page_state_code": "closed" if is_closed else "kept",
                "is_mandatory": any(
                    r["platform_code"] == record["platform"]
                    and date.fromisoformat(r["valid_from"]) <= today
                    for r in required
                ),
                "days_since_check": (today - checked).days
                if checked and checked <= today
                else None,
                "not_computed_reason": reason,
                "module_label": "" if is_covered else "вне положения",
                "posts_28d": shown.get("posts"),
                "messages_28d": shown.get("messages"),
                "answered_28d": shown.get("answered"),
                "answered_share_28d": shown.get("share"),
                "median_answer_hours_28d": shown.get("hours"),
            }
        with_register = {row.region_code for row in self.rows["official_pages"]}
        for code, body in self.bodies.items():
            region = body["region_code"]
            for rule in required:
                platform = rule["platform_code"]
                if region not in with_register or (code, platform) in kept:
                    continue
                if date.fromisoformat(rule["valid_from"]) > self.today(region):
                    continue
                covered = {(region, platform, k) for k in ("*", body["body_kind_code"])} & in_act
                mart[region, code, platform, None] = {
                    "body_name": body["body_name"],
                    "page_state_code": "absent",
                    "not_computed_reason": "страницы нет в реестре",
                    "module_label": "" if covered else "вне положения",
                    "posts_28d": None,
                }
        return mart

    def _walls(self) -> dict[tuple[str, str], Row]:
        """Activity of every wall that is read, in the 28 days before the report."""
        if self.cases is None:
            return {}
        since = self.as_of - timedelta(days=28)
        found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        answers: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        for case in self.cases.records:
            if case["source_code"] != "vk" or case["is_bad"] or case["is_deleted_at_source"]:
                continue
            at = datetime.fromisoformat(case["received_at"])
            if at > self.as_of:
                continue
            found[case["region_code"], case["native_id"].split("_")[0]].append({**case, "at": at})
            if not case["is_case"] and case.get("parent_native_id"):
                answers[case["region_code"], case["parent_native_id"]].append(at)
        walls: dict[tuple[str, str], Row] = {}
        for (region, owner), entries in found.items():
            recent = [entry for entry in entries if entry["at"] > since]
            messages = [entry for entry in recent if entry["is_case"]]
            hours = [
                (min(after) - entry["at"]).total_seconds() / 3600
                for entry in messages
                if (
                    after := [
                        at
                        for at in answers.get((region, entry["native_id"]), ())
                        if at >= entry["at"]
                    ]
                )
            ]
            walls[region, owner] = {
                "posts": sum(e["kind"] == "post" and not e["is_case"] for e in recent),
                "messages": len(messages),
                "answered": len(hours),
                "share": _share(len(hours), len(messages)),
                "hours": _rounded(median(hours), 2) if hours else None,
            }
        return walls

    def risks(self) -> Mart:
        """Risks of projects: what had not happened by the report has not happened."""
        points = {"low": 1, "medium": 2, "high": 3}
        titles = {(r.region_code, r.native_id): r.record["title"] for r in self.rows["projects"]}
        mart: Mart = {}
        for row in self.rows["project_risks"]:
            record, today = row.record, self.today(row.region_code)
            identified, reviewed, escalated, closed = self._dates(
                row, "identified_on", "reviewed_on", "escalated_on", "closed_on"
            )
            if identified is None or identified > today:
                continue
            reviewed = reviewed if reviewed and reviewed <= today else None
            escalated = escalated if escalated and escalated <= today else None
            state = record["state"]
            if state == "closed" and closed and closed > today:
                state = "mitigated" if reviewed else "open"
            if state == "mitigated" and record.get("reviewed_on") and reviewed is None:
                state = "open"
            closed = closed if state == "closed" else None
            decision = record.get("decision") if escalated else None
            score = points[record["probability"]] * points[record["impact"]]
            project, number = row.native_id.rsplit("_", 1)
            mart[row.region_code, project, number] = self._placed(row) | {
                "project_title": titles.get((row.region_code, project)),
                "risk": record["risk"],
                "probability_name": self._word(
                    "project_risks", "probability", record["probability"]
                ),
                "impact_name": self._word("project_risks", "impact", record["impact"]),
                "risk_score": score,
                "risk_level": "высокий" if score >= 6 else "средний" if score >= 3 else "низкий",
                "mitigation": record.get("mitigation"),
                "identified_on": identified,
                "reviewed_on": reviewed,
                "escalated_on": escalated,
                "decision": decision,
                "is_undecided": escalated is not None and not decision and state != "closed",
                "state_code": state,
                "state_name": self._word("project_risks", "state", state),
                "closed_on": closed,
                "days_open": ((closed or today) - identified).days,
            }
        return mart

    def stages(self) -> Mart:
        """Stages of the road maps: the day of the term is in time."""
        titles = {(r.region_code, r.native_id): r.record["title"] for r in self.rows["projects"]}
        mart: Mart = {}
        for row in self.rows["project_stages"]:
            record, today = row.record, self.today(row.region_code)
            due, done = self._dates(row, "due_on", "done_on")
            assert due is not None
            state = record["state"]
            if state == "done" and done and done > today:
                state = "active"
            done = done if state == "done" else None
            late = None
            if state in ("planned", "active") and due < today:
                state, late = "late", (today - due).days
            elif done and done > due:
                late = (done - due).days
            project, number = row.native_id.rsplit("_", 1)
            mart[row.region_code, project, number] = self._placed(row) | {
                "project_title": titles.get((row.region_code, project)),
                "stage": record["stage"],
                "due_on": due,
                "done_on": done,
                "state_code": state,
                "is_completed_late": bool(done and done > due),
                "days_late": late,
            }
        return mart

    def _road_map(self, stages: Mapping[int, Row]) -> Row:
        """What the project tells of its stages, by their numbers."""
        kept = {number: row for number, row in stages.items() if row["state_code"] != "cancelled"}
        ahead = [
            (row["due_on"], number) for number, row in kept.items() if row["state_code"] != "done"
        ]
        return {
            "stages_total": len(kept),
            "stages_done": len(kept) - len(ahead),
            "stages_late": sum(row["state_code"] == "late" for row in kept.values()),
            "next_stage": kept[min(ahead)[1]]["stage"] if ahead else None,
            "next_stage_due_on": min(ahead)[0] if ahead else None,
        }

    def projects(self) -> Mart:
        risks: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for key, risk in self.risks().items():
            counted = risks[key[:2]]
            is_open = risk["state_code"] != "closed"
            counted["risks"] += 1
            counted["open_risks"] += is_open
            counted["heavy_risks"] += is_open and risk["risk_score"] >= 6
            counted["occurred_risks"] += risk["state_code"] == "occurred"
            counted["escalated_risks"] += risk["escalated_on"] is not None
            counted["undecided_risks"] += risk["is_undecided"]
        stages: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
        for (region, project, number), stage in self.stages().items():
            stages[region, project][int(number)] = stage
        mart: Mart = {}
        for row in self.rows["projects"]:
            record, today = row.record, self.today(row.region_code)
            agreed, approved, started, due, completed, reported = self._dates(
                row,
                *("passport_agreed_on", "passport_approved_on", "started_on", "due_on"),
                *("completed_on", "reported_on"),
            )
            assert started is not None
            assert due is not None
            agreed = agreed if agreed and agreed <= today else None
            approved = approved if approved and approved <= today else None
            state = record["state"]
            if (state == "done" and completed and completed > today) or (
                state == "active" and started > today
            ):
                state = "active" if started <= today else ("approved" if approved else "draft")
            if state == "approved" and not approved:
                state = "draft"
            completed = completed if state == "done" else None
            is_late = state not in ("done", "cancelled") and due < today
            late = (today - due).days if is_late else None
            if completed and completed > due:
                late = (completed - due).days
            planned = None
            if state == "active":
                gone = min(max((today - started).days, 0), (due - started).days)
                planned = _rounded(Decimal(100 * gone) / (due - started).days, 1)
            steps = {
                "pskov": ("ответственный за тематический блок → руководитель", "куратор"),
                "jewish_ao": ("ответственный за отраслевой блок → руководитель ЦУР", "куратор ЦУР"),
            }.get(row.region_code)
            valid = date.fromisoformat(self.regions[row.region_code]["valid_from"])
            steps = steps if started >= valid else None
            mart[row.region_code, row.native_id] = self._placed(row) | {
                "state_code": state,
                "passport_state": "утверждён"
                if approved
                else ("согласован" if agreed else "готовится"),
                "passport_next_step": None
                if approved or steps is None
                else steps[1 if agreed else 0],
                "is_passport_out_of_order": bool(
                    steps and approved and (agreed is None or agreed > approved)
                ),
                "is_late": is_late,
                "is_completed_late": completed is not None and completed > due,
                "days_late": late,
                "planned_percent": planned,
                "progress_gap": Decimal(str(record["progress_percent"])) - planned
                if planned is not None
                else None,
                "days_since_report": (today - reported).days
                if reported and reported <= today
                else None,
                **self._road_map(stages[row.region_code, row.native_id]),
                **{
                    name: risks[row.region_code, row.native_id][name]
                    for name in (
                        *("risks", "open_risks", "heavy_risks", "occurred_risks"),
                        *("escalated_risks", "undecided_risks"),
                    )
                },
            }
        return mart

    def measures(self, topics: Mapping[CaseKey, str | None] | None = None) -> Mart:
        """`topics`: as what topic the warehouse understood a case, by the key of the case."""
        mart: Mart = {}
        for row in self.rows["measures"]:
            started, completed, cancelled = self._dates(
                row, "started_on", "completed_on", "cancelled_on"
            )
            mart[row.region_code, row.record["kind"], row.native_id] = self._placed(row) | (
                self._undertaking(row, row.record["state"], started, completed, cancelled)
            )
        states = {"ordered": "active", "done": "done", "removed": "cancelled"}
        for row in self.rows["orders"]:
            raised, protocol, done = self._dates(row, "raised_on", "protocol_on", "done_on")
            assert raised is not None
            if raised > self.today(row.region_code):
                continue
            state = states.get(row.record["state"], "planned")
            mart[row.region_code, "order", row.native_id] = self._placed(row) | (
                self._undertaking(row, state, protocol, done, None)
            )
        decisions = {"implemented": "done", "in_progress": "active", "taken": "planned"}
        votes = self.votes()
        for row in self.rows["votes"]:
            vote = votes[row.region_code, row.native_id]
            state = decisions.get(vote["decision_state_code"])
            if state is None:
                continue
            decided, implemented = self._dates(row, "decided_on", "implemented_on")
            mart[row.region_code, "decision", row.native_id] = self._placed(row) | (
                self._undertaking(row, state, decided, implemented, None)
            )
        if topics is not None:
            self._effects(mart, topics)
        return mart

    def _undertaking(
        self,
        row: Register,
        state: str,
        started: date | None,
        completed: date | None,
        cancelled: date | None,
    ) -> Row:
        today = self.today(row.region_code)
        (due,) = self._dates(row, "due_on")
        is_begun = started is not None and started <= today
        if state == "done" and completed and completed > today:
            state = "active" if is_begun else "planned"
        if state == "cancelled" and cancelled and cancelled > today:
            state = "active" if is_begun else "planned"
        if state == "active" and started and started > today:
            state = "planned"
        completed = completed if state == "done" else None
        if state in ("planned", "active") and due and due < today:
            state = "late"
        late = (today - due).days if state == "late" and due else None
        is_completed_late = bool(completed and due and completed > due)
        if is_completed_late and completed and due:
            late = (completed - due).days
        reason = None
        if state != "done":
            reason = "мера не выполнена"
        elif not row.record.get("topic"):
            reason = "тема обращений не указана"
        elif completed and completed + timedelta(days=28) >= today:
            reason = "не прошло 28 дней после выполнения"
        return {
            "state_code": state,
            "days_late": late,
            "is_completed_late": is_completed_late,
            "completed_on": completed,
            "not_computed_reason": reason,
            "due_on": due,
            "place": row.record.get("place"),
            "topic_label": row.record.get("topic"),
        }

    def _effects(self, mart: Mart, topics: Mapping[CaseKey, str | None]) -> None:
        assert self.cases is not None
        days: dict[tuple[str, str], list[tuple[date, str | None]]] = defaultdict(list)
        for key, case in self.cases.cases.items():
            topic = topics.get(key)
            if topic is not None:
                _, place, _ = self.cases.attributes[key]
                received = datetime.fromisoformat(case["received_at"])
                day = received.astimezone(self.zones[key[0]]).date()
                days[key[0], topic].append((day, place))
        for key, row in mart.items():
            before = after = None
            if row["not_computed_reason"] is None:
                before = after = 0
                for topic in self.topics[_key(row["topic_label"])]:
                    for day, place in days.get((key[0], topic), ()):
                        distance = (day - row["completed_on"]).days
                        is_here = row.get("municipality_code") in (None, place)
                        if is_here and 0 < abs(distance) <= 28:
                            before += distance < 0
                            after += distance > 0
                if before < 10:
                    row["not_computed_reason"] = "до выполнения меньше 10 обращений"
            row |= {"cases_before": before, "cases_after": after}
            ratio, low, high = effect(before or 0, after or 0)
            row |= {"effect_ratio": ratio, "effect_low": low, "effect_high": high}

    def media(self) -> Mart:
        mart: Mart = {}
        for row in self.rows["media_plans"]:
            record, today = row.record, self.today(row.region_code)
            planned, held, agreed = self._dates(row, "planned_on", "held_on", "agreed_on")
            assert planned is not None
            is_held = record["state"] == "held" and (held is None or held <= today)
            state, late = record["state"], None
            if is_held:
                state = "held"
                late = (held - planned).days if held and held > planned else None
            elif state != "cancelled":
                state = "planned" if state == "held" else state
                if planned < today:
                    state, late = "late", (today - planned).days
            agreement = "не требуется"
            if row.region_code == "jewish_ao" and planned >= date(2022, 10, 13):
                agreement = "не согласовано"
                if agreed and agreed <= today:
                    agreement = "согласовано"
                    if agreed > planned:
                        agreement = "согласовано после даты плана"
            mart[row.region_code, row.native_id] = self._placed(row) | {
                "kind_name": self._word("media_plans", "kind", record["kind"]),
                "state_code": state,
                "held_on": held if is_held else None,
                "days_late": late,
                "reach": record.get("reach") if is_held else None,
                "agreement_state": agreement,
                "month_start": planned.replace(day=1),
            }
        return mart

    def requests(self) -> Mart:
        """`mart_data_supply`: answers to the ministry and to the ANO, by month of the request."""
        groups: dict[tuple[Any, ...], list[tuple[str, int, str]]] = defaultdict(list)
        for row in self.rows["information_requests"]:
            record, today = row.record, self.today(row.region_code)
            received, due, answered = self._dates(row, "received_on", "due_on", "answered_on")
            if received is None or received > today:
                continue
            answered = answered if answered and answered <= today else None
            state, over = "without_term", 0
            if due:
                over = ((answered or today) - due).days
                if answered:
                    state = "late" if over > 0 else "in_time"
                else:
                    state = "missing" if over > 0 else "not_due"
            requester = self._word("information_requests", "requester", record["requester"])
            kind = self._word("information_requests", "kind", record["kind"])
            key = (row.region_code, requester, kind, received.replace(day=1))
            groups[key].append((state, over, row.native_id))
        mart: Mart = {}
        for key, found in groups.items():
            states = Counter(state for state, _, _ in found)
            late = [over for state, over, _ in found if state in ("late", "missing")]
            due = states["in_time"] + states["late"] + states["missing"]
            mart[key] = {
                "expected": len(found),
                **{name: states[name] for name in ("in_time", "late", "missing", "not_due")},
                "in_time_share": _share(states["in_time"], due),
                "mean_days_late": _rounded(Decimal(sum(late)) / len(late), 2) if late else None,
                "longest_days_late": _rounded(Decimal(max(late)), 2) if late else None,
                "request_numbers": sorted(number for _, _, number in found),
            }
        return mart

    def owed(self) -> Mart:
        """`mart_owed_reports`: the key is region, report, first day of the period, request."""
        mart: Mart = {}
        for rule in _seed("owed_reports"):
            region, today = rule["region_code"], self.today(rule["region_code"])
            since = date.fromisoformat(rule["valid_from"])
            terms: list[tuple[date | None, date | None, date | None, str | None]] = []
            if rule["period"] == "day":
                days = range((today - since).days + 1)
                terms = [(d, d, None, None) for d in (since + timedelta(days=n) for n in days)]
            elif rule["period"] == "year":
                terms = [
                    (max(date(year, 1, 1), since), date(year, 12, 31), None, None)
                    for year in range(since.year, today.year + 1)
                ]
            elif rule["register_code"]:
                for row in self.rows[rule["register_code"]]:
                    received, due, answered = self._dates(
                        row, "received_on", "due_on", "answered_on"
                    )
                    if (
                        rule["period"] == "by_request"
                        and row.region_code == region
                        and row.record["kind"] == "materials"
                        and row.record["requester"] == rule["requester_code"]
                        and received
                        and since <= received <= today
                    ):
                        given = answered if answered and answered <= today else None
                        terms.append((received, due, given, row.native_id))
            for start, due, given, number in terms or [(since, None, None, None)]:
                state = "срок не назван"
                if not rule["register_code"]:
                    state = "не сдан: реестра нет"
                elif rule["period"] == "by_request" and not terms:
                    state = "запросов не было"
                elif due:
                    over = ((given or today) - due).days
                    if given:
                        state = "сдан с опозданием" if over > 0 else "сдан"
                    else:
                        state = "просрочен" if over > 0 else "срок не наступил"
                is_late = (given or today) > due if due else None
                mart[region, rule["report_code"], start, number] = {
                    "due_on": due,
                    "report_state": state,
                    "is_late": is_late,
                    "days_late": ((given or today) - due).days if is_late and due else None,
                }
        return mart

    def indicators(self) -> Mart:
        cohorts: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)
        for cycle in self.cases.cycles if self.cases else ():
            if cycle.is_excluded or cycle.due is None or cycle.due > self.as_of:
                continue
            if cycle.status in ("on_time", "late", "overdue_open") and cycle.body:
                month = cycle.due.astimezone(self.zones[cycle.key[0]]).date().replace(day=1)
                cohorts[cycle.body, month]["due"] += 1
                cohorts[cycle.body, month]["on_time"] += cycle.status == "on_time"
        mart: Mart = {}
        for row in self.rows["indicators"]:
            record, today = row.record, self.today(row.region_code)
            declared, verified, approved = self._dates(
                row, "declared_on", "verified_on", "approved_on"
            )
            if declared is None or declared > today:
                continue
            year, quarter = int(record["period"][:4]), int(record["period"][-1])
            months = [date(year, 3 * quarter - 3 + n, 1) for n in (1, 2, 3)]
            ends = (months[-1] + timedelta(days=32)).replace(day=1)
            place = self._placed(row)
            total: Counter[str] = Counter()
            for month in months:
                total += cohorts[place["body_code"], month]
            state = record["state"]
            is_self = record.get("verified_by_key") == record["declared_by_key"]
            if is_self or (verified and verified > today):
                state = "draft"
            if state == "approved" and approved and approved > today:
                state = "verified"
            value = reason = None
            if ends > today:
                reason = "период не закончен"
            elif not total["due"]:
                reason = "за период не наступил ни один срок"
            else:
                value = _share(100 * total["on_time"], total["due"], 2)
            difference = tolerance = None
            if value is not None:
                difference = Decimal(str(record["declared_value"])) - value
                tolerance = max(abs(value) / 100, Decimal(1))
            mart[
                row.region_code, record["indicator_code"], place["body_code"], record["period"]
            ] = {
                **place,
                "computed_value": value,
                "due_cohort": total["due"] if reason is None else None,
                "difference": difference,
                "tolerance": _rounded(tolerance, 4),
                "is_within_tolerance": abs(difference) <= tolerance
                if difference is not None and tolerance is not None
                else None,
                "not_computed_reason": reason,
                "state_code": state,
                "state_name": self._word("indicators", "state", state),
                "rejection_reason": record.get("rejection_reason") if state == "rejected" else None,
            }
        return mart

    def corrected(self) -> dict[str, dict[CaseKey, str]]:
        """What an operator decided: `block` and `municipality` → case → code."""
        sources = {_key(r["source_name"]): r["source_code"] for r in _seed("data_sources")}
        found: dict[str, dict[CaseKey, tuple[datetime, str]]] = {"block": {}, "municipality": {}}
        for row in self.rows["corrections"]:
            record, region = row.record, row.region_code
            known = {"block": self.blocks, "municipality": self.places}.get(record["field"], {})
            code = known.get((region, _key(record["new_value"])))
            decided = datetime.fromisoformat(record["decided_at"])
            if code is None or decided > self.as_of:
                continue
            case = (region, sources[_key(record["case_source"])], record["case_native_id"])
            earlier = found[record["field"]].get(case)
            if earlier is None or earlier[0] < decided:
                found[record["field"]][case] = (decided, code)
        return {
            field: {case: code for case, (_, code) in cases.items()}
            for field, cases in found.items()
        }

    def block_days(self) -> Mart:
        """`mart_block_reports`: counts of every day and block, looked at when the day ends."""
        assert self.cases is not None
        mart: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        first: dict[str, date] = {}
        for cycle in self.cases.cycles:
            region = cycle.key[0]
            zone, block = self.zones[region], self.cases.attributes[cycle.key][0]
            opened = cycle.opened.astimezone(zone).date()
            first[region] = min(first.get(region, opened), opened)
            mart[opened, region, block]["intake" if cycle.number == 1 else "reopened"] += 1
            ended = max(cycle.closed, cycle.opened) if cycle.closed else None
            if ended and not cycle.is_excluded:
                mart[ended.astimezone(zone).date(), region, block]["answered"] += 1
            if cycle.is_excluded:
                continue
            day = opened
            while day <= self.today(region):
                midnight = datetime.combine(day + timedelta(days=1), time(), zone)
                moment = min(midnight.astimezone(UTC), self.as_of)
                if ended is not None and ended.astimezone(zone).date() <= day:
                    break
                counted = mart[day, region, block]
                counted["open_cases"] += 1
                if cycle.due is not None:
                    is_overdue = cycle.due < moment
                    counted["overdue_cases"] += is_overdue
                    due_day = cycle.due.astimezone(zone).date()
                    counted["due_within_3_days"] += not is_overdue and due_day <= day + timedelta(
                        days=3
                    )
                day += timedelta(days=1)
        order = ["received", "routed", "transferred", "assigned"]
        for key in self.cases.cases:
            held = [e for e in self.cases.events.get(key, ()) if e["event"] in order]
            held.sort(key=lambda event: (event["at"], order.index(event["event"])))
            for before, event in pairwise(held):
                if event["event"] != "transferred" or event["at"] > self.as_of:
                    continue
                day = event["at"].astimezone(self.zones[key[0]]).date()
                giver = self.bodies[before["body_code"]]["block_code"]
                taker = self.bodies[event["body_code"]]["block_code"]
                if giver != taker:
                    if taker:
                        mart[day, key[0], taker]["transferred_in"] += 1
                    if giver:
                        mart[day, key[0], giver]["transferred_out"] += 1
        days: Mart = {}
        names = ("intake", "answered", "open_cases", "overdue_cases", "due_within_3_days")
        for region, day in first.items():
            while day <= self.today(region):
                for block in self.block_names:
                    found = mart.get((day, region, block), Counter())
                    more = ("transferred_in", "transferred_out", "reopened")
                    days[day, region, block] = {name: found[name] for name in (*names, *more)}
                day += timedelta(days=1)
        return days

    def summaries(self) -> Mart:
        """`mart_block_report_summary`: the blocks of a day together, and the reports due then."""
        found: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for (day, region, _), row in self.block_days().items():
            found[day, region].update(row)
        mart: Mart = {key: dict(counts) for key, counts in found.items()}
        for row in mart.values():
            row.update(reports_due=0, reports_in_time=0, reports_late=0, due_report_codes=[])
        for (region, report, _, _), owed in self.owed().items():
            day = mart.get((owed["due_on"], region))
            if day is not None:
                day["reports_due"] += 1
                day["reports_in_time"] += owed["report_state"] == "сдан"
                day["reports_late"] += owed["is_late"]
                day["due_report_codes"] = sorted({*day["due_report_codes"], report})
        return mart


def differences(
    mart: Mart, query: Query, table: str, key: tuple[str, ...], where: str = "true"
) -> list[str]:
    """Cells in which the warehouse differs from `mart`, and rows that one of them lacks."""
    columns = sorted({column for row in mart.values() for column in row})
    selected = ", ".join((*key, *columns))
    rows = query(f"select {selected} from marts.{table} where {where}")
    told = {row[: len(key)]: dict(zip(columns, row[len(key) :], strict=True)) for row in rows}
    found = [f"{table} {k}: no such row" for k in mart.keys() - told.keys()]
    found += [f"{table} {k}: not expected" for k in told.keys() - mart.keys()]
    for k in mart.keys() & told.keys():
        found += [
            f"{table} {k} {column}: {told[k][column]!r}, expected {value!r}"
            for column, value in mart[k].items()
            if told[k][column] != value
        ]
    return found
