"""Rows of marts that a small sandbox leaves empty, and what their metrics come to, by hand.

Only what a metric reads is given: the other columns are empty.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

_AT = {"region_code": "tambov"}
_JAN, _FEB = {**_AT, "month_date": "2026-01-01"}, {**_AT, "month_date": "2026-02-01"}

MADE: dict[str, tuple[list[Row], dict[str, float]]] = {
    "mart_problem_heatmap": (
        # Not computed, below the border, on it, above it.
        [
            {**_AT, "week_start": "2026-01-05", "heat_index": index}
            for index in (None, 1.2499, 1.25, 3.5)
        ],
        {"heat_cells": 3, "hot_cells": 2, "hot_cell_share": 2 / 3, "heat_index_max": 3.5},
    ),
    "mart_regional_problems": (
        [{**_AT, "last_week": "2026-02-16", "cases": cases} for cases in (7, 5)],
        {"regional_problems": 2, "regional_problem_cases": 12},
    ),
    "mart_mass_problems": (
        [
            {**_AT, "first_received_date": "2026-01-05", "cases": 9, "is_open": True},
            {**_AT, "first_received_date": "2026-02-05", "cases": 6, "is_open": False},
        ],
        {"mass_problems": 2, "open_mass_problems": 1, "mass_problem_cases": 15},
    ),
    "mart_root_causes": (
        # January's window reaches into February's: only the last month of the region counts.
        [
            {**_JAN, "answered_cases": 50, "cases_after_solved": 40},
            {**_FEB, "answered_cases": 4, "cases_after_solved": 2},
            {**_FEB, "answered_cases": 6, "cases_after_solved": 1},
        ],
        {
            "root_causes": 2,
            "root_cause_answered_cases": 10,
            "root_cause_cases_after_solved": 3,
            "recurrence_ratio": 0.3,
        },
    ),
    "mart_best_practices": (
        [
            {**_AT, "quarter_date": "2026-01-01", "is_best_practice": best}
            for best in (True, False, None)
        ],
        {"compared_practices": 3, "best_practices": 1},
    ),
    "mart_communication_issues": (
        # What a person found where no rule pointed counts, and says nothing of rules.
        [
            {**_JAN, "rule_code": "E1", "flagged": 10, "reviewed": 4, "confirmed": 3},
            {**_FEB, "rule_code": "C2", "flagged": 5, "reviewed": 4, "confirmed": 1},
            {**_FEB, "rule_code": "PERSON", "flagged": 0, "reviewed": 2, "confirmed": 2},
        ],
        {
            "flagged_issues": 15,
            "reviewed_flags": 8,
            "confirmed_flags": 4,
            "rule_precision_share": 0.5,
            "confirmed_issues": 6,
        },
    ),
    "mart_risk_signals": (
        [
            {
                **_AT,
                "opened_date": day,
                "signal_level": level,
                "signal_state": state,
                "decision": by,
            }
            for day, level, state, by in (
                ("2026-01-05", "тревога", "открыт", None),
                ("2026-01-06", "критический", "закрыт", "Направлена бригада"),
                ("2026-01-07", "критический", "открыт", None),
                ("2026-01-07", "тревога", "закрыт", None),
                ("2026-01-08", None, "приостановлен", None),
                ("2026-01-09", None, "снят пересчётом", "Направлена бригада"),
            )
        ],
        {
            "risk_signals": 4,
            "critical_risk_signals": 2,
            "open_risk_signals": 2,
            "decided_risk_signals": 1,
            "decided_risk_signal_share": 0.25,
        },
    ),
    "mart_measures": (
        # Fewer only by the point, fewer for certain, not computed, not done.
        [
            {**_AT, "due_on": "2026-01-05", "state_code": state, "effect_ratio": ratio}
            | {"effect_high": high}
            for state, ratio, high in (
                ("done", 0.8, 1.3),
                ("done", 0.4, 0.7),
                ("done", None, None),
                ("late", None, None),
                ("cancelled", None, None),
            )
        ],
        {
            "measures": 4,
            "done_measures": 3,
            "late_measures": 1,
            "measure_done_share": 0.75,
            "assessed_measures": 2,
            "effective_measures": 1,
        },
    ),
    "mart_official_pages": (
        [
            {**_AT, "as_of": "2026-03-01", "page_state_code": state, "posts_28d": posts}
            | {"messages_28d": messages, "answered_28d": answered}
            for state, posts, messages, answered in (
                ("kept", 3, 8, 2),
                ("kept", 4, 4, 4),
                ("kept", None, None, None),
                ("closed", None, None, None),
                ("absent", None, None, None),
            )
        ],
        {
            "kept_pages": 3,
            "absent_pages": 1,
            "page_posts_28d": 7,
            "page_messages_28d": 12,
            "page_answered_28d": 6,
            "page_answered_share": 0.5,
        },
    ),
    "mart_data_supply": (
        [
            {**_AT, "month_start": "2026-01-01", "in_time": 6, "late": 2, "missing": 1}
            | {"not_due": 5, "outages": 2, "longest_outage_days": 4},
            {**_AT, "month_start": "2026-02-01", "in_time": 0, "late": 0, "missing": 3}
            | {"not_due": 0, "outages": 1, "longest_outage_days": 9},
        ],
        {
            "supplies_due": 12,
            "supplies_in_time": 6,
            "supplies_late": 2,
            "supplies_missing": 4,
            "supply_in_time_share": 0.5,
            "supply_outages": 3,
            "supply_outage_days_max": 9,
        },
    ),
    "mart_agency_rating": (
        # A quarter and its month: two ratings of the same cycles, never one sum.
        [
            {**_AT, "period_start": "2026-01-01", "period_kind": kind, "rating_state": state}
            | {"due_cycles": cycles, "score": score}
            for kind, state, cycles, score in (
                ("quarter", "ranked", 40, 80),
                ("quarter", "ranked", 20, 60),
                ("quarter", "мало данных", 9, None),
                ("month", "ranked", 15, 90),
                ("month", "мало данных", 5, None),
            )
        ],
        {
            "ranked_bodies": 2,
            "unranked_bodies": 1,
            "rating_cycles": 69,
            "body_score_mean": 70,
            "ranked_bodies_of_month": 1,
            "unranked_bodies_of_month": 1,
            "rating_cycles_of_month": 20,
            "body_score_mean_of_month": 90,
        },
    ),
    "mart_projects": (
        [
            {**_AT, "due_on": "2026-01-05", "is_late": late, "passport_approved_on": approved}
            for late, approved in ((True, "2025-12-01"), (False, None), (None, None))
        ],
        {"projects": 3, "late_projects": 1, "projects_without_passport": 2},
    ),
    "mart_project_risks": (
        [
            {**_AT, "identified_on": "2026-01-05", "state_code": state, "risk_score": score}
            | {"is_undecided": undecided}
            for state, score, undecided in (
                ("open", 6, True),
                ("mitigated", 4, False),
                ("closed", 9, False),
            )
        ],
        {
            "project_risks": 3,
            "open_project_risks": 2,
            "heavy_project_risks": 1,
            "undecided_project_risks": 1,
        },
    ),
    "mart_indicators": (
        [
            {**_AT, "period_start": "2026-01-01", "state_code": state}
            | {"is_within_tolerance": within, "is_self_verified": own}
            for state, within, own in (
                ("approved", True, False),
                ("verified", False, False),
                ("draft", None, True),
            )
        ],
        {
            "declared_indicators": 3,
            "compared_indicators": 2,
            "indicators_within_tolerance": 1,
            "indicator_agreement_share": 0.5,
            "approved_indicators": 1,
            "self_verified_indicators": 1,
        },
    ),
    "mart_block_workload": (
        # A week without a roster has hours of work and nothing to hold them against.
        [
            {**_AT, "week_start": "2026-01-05", "intake": 30, "work_hours": 99}
            | {"open_cases": 50, "mean_daily_closures_28d": 1, "is_staffing_proposed": True},
            {**_AT, "week_start": "2026-01-12", "intake": 20, "work_hours": 30}
            | {"capacity_hours": 40, "rostered_fte": 2, "open_cases": 12}
            | {"mean_daily_closures_28d": 4, "is_staffing_proposed": True},
            {**_AT, "week_start": "2026-01-12", "intake": 10, "work_hours": 30}
            | {"capacity_hours": 60, "rostered_fte": 1, "open_cases": 8}
            | {"mean_daily_closures_28d": 1, "is_staffing_proposed": False},
        ],
        {
            "intake_cases": 60,
            "open_cases_total": 20,
            "daily_closures_mean": 5,
            "backlog_days_total": 4,
            "work_hours": 60,
            "occupancy_share": 0.6,
            "weekly_intake_per_fte": 10,
            "staffing_proposals": 1,
        },
    ),
    "mart_deadline_compliance": (
        [
            {**_JAN, "source_verdicts_compared": 8, "source_verdict_mismatches": 1}
            | {"forwarding_on_time": 3, "forwarding_late": 1}
            | {"registration_on_time": 4, "registration_late": 1, "registration_overdue_open": 3}
            | {"internal_on_time": 1, "internal_late": 2, "internal_overdue_open": 1}
        ],
        {
            "compared_verdicts": 8,
            "mismatched_verdicts": 1,
            "verdict_mismatch_share": 0.125,
            "forwarded_cycles": 4,
            "forwarded_on_time_cycles": 3,
            "forwarding_share": 0.75,
            "registration_due_cycles": 8,
            "registration_on_time_cycles": 4,
            "registration_share": 0.5,
            "internal_due_cycles": 4,
            "internal_on_time_cycles": 1,
            "internal_share": 0.25,
        },
    ),
}
