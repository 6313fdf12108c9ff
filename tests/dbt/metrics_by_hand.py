"""Every metric of the semantic layer once more, in SQL over its mart, by region.

The key says what is read: a relation of `marts` as `m`, and rows of it.
"""

from __future__ import annotations


def _last(mart: str, day: str) -> str:
    """The last rows of each region: states that are never summed over time."""
    return (
        f"{mart} as m where {day} ="
        f" (select max({day}) from marts.{mart} as l where l.region_code = m.region_code)"
    )


def _kept(step: str) -> dict[str, str]:
    """Of a step that has a term of its own: how many terms have ended, and how many were kept."""
    due = f"sum({step}_on_time) + sum({step}_late) + sum({step}_overdue_open)"
    return {
        f"{step}_due_cycles": due,
        f"{step}_on_time_cycles": f"sum({step}_on_time)",
        f"{step}_share": f"sum({step}_on_time) / nullif({due}, 0)",
    }


def _satisfaction(prefix: str) -> dict[str, str]:
    published = "sum(rated_cases) filter (where rated_cases >= 10)"
    satisfied = "sum(satisfied_cases) filter (where rated_cases >= 10)"
    return {
        f"{prefix}answered_for_rating": "sum(answered_cases)",
        f"{prefix}rated_answers": "sum(rated_cases)",
        f"{prefix}published_ratings": published,
        f"{prefix}satisfied_answers": satisfied,
        f"{prefix}satisfaction_share": f"{satisfied} / {published}",
        f"{prefix}response_share": "sum(rated_cases) / nullif(sum(answered_cases), 0)",
    }


def _rating(suffix: str) -> dict[str, str]:
    return {
        f"ranked_bodies{suffix}": "count(rank)",
        f"unranked_bodies{suffix}": "count(*) - count(rank)",
        f"rating_cycles{suffix}": "sum(due_cycles)",
        f"body_score_mean{suffix}": "avg(score)",
    }


# What the report counts of facts: the cube has to give the same.
_COUNTED = "fct_appeals as m where not is_deleted and is_received and received_date is not null"

BY_HAND: dict[str, dict[str, str]] = {
    _COUNTED: {
        "appeals": "count(*)",
        "appeals_with_applicant": "count(applicant_key)",
        "applicants": "count(distinct applicant_key)",
        "rated_appeals": "count(rating)",
        "satisfied_appeals": "count(*) filter (where rating in (4, 5))",
        "satisfaction_by_receipt_share": (
            "count(*) filter (where rating in (4, 5))::numeric / nullif(count(rating), 0)"
        ),
    },
    "mart_deadline_compliance as m": {
        "due_cycles": "sum(on_time) + sum(late) + sum(overdue_open)",
        "on_time_cycles": "sum(on_time)",
        "late_cycles": "sum(late)",
        "overdue_open_cycles": "sum(overdue_open)",
        "not_yet_due_cycles": "sum(cycles) - sum(due_cohort) - sum(undefined)",
        "undefined_cycles": "sum(undefined)",
        "extended_cycles": "sum(extended)",
        "compliance_share": "sum(on_time) / nullif(sum(due_cohort), 0)",
        **_kept("first_reply"),
        **_kept("internal"),
        **_kept("registration"),
        "forwarded_cycles": "sum(forwarding_on_time) + sum(forwarding_late)",
        "forwarded_on_time_cycles": "sum(forwarding_on_time)",
        "forwarding_share": (
            "sum(forwarding_on_time) / nullif(sum(forwarding_on_time) + sum(forwarding_late), 0)"
        ),
        "compared_verdicts": "sum(source_verdicts_compared)",
        "mismatched_verdicts": "sum(source_verdict_mismatches)",
        "verdict_mismatch_share": (
            "sum(source_verdict_mismatches) / nullif(sum(source_verdicts_compared), 0)"
        ),
    },
    "mart_fast_track as m": {
        "fast_track_filed_cases": "sum(filed_cases)",
        "fast_track_cases": "sum(fast_track_cases)",
        "fast_track_eligible_cases": "sum(eligible_cases)",
        "fast_track_missed_cases": "sum(missed_cases)",
        "fast_track_due_cycles": "sum(on_time) + sum(late) + sum(overdue_open)",
        "fast_track_on_time_cycles": "sum(on_time)",
        "fast_track_coverage_share": "sum(fast_track_cases) / nullif(sum(filed_cases), 0)",
        "fast_track_missed_share": "sum(missed_cases) / nullif(sum(eligible_cases), 0)",
        "fast_track_compliance_share": "sum(on_time) / nullif(sum(due_cycles), 0)",
    },
    "mart_block_workload as m": {
        "intake_cases": "sum(intake)",
        "reopened_cycles": "sum(reopened)",
        "closed_cases": "sum(closures)",
        "capacity_hours": "sum(capacity_hours)",
        "rostered_fte_weeks": "sum(rostered_fte)",
    },
    "mart_block_workload as m where is_computed": {
        "work_hours": "sum(work_hours)",
        "occupancy_share": "sum(work_hours) / nullif(sum(capacity_hours), 0)",
        "rostered_intake_cases": "sum(intake)",
        "weekly_intake_per_fte": "sum(intake) / nullif(sum(rostered_fte), 0)",
    },
    _last("mart_block_workload", "week_start"): {
        "open_cases_total": "sum(open_cases)",
        "daily_closures_mean": "sum(mean_daily_closures_28d)",
        "backlog_days_total": "sum(open_cases) / nullif(sum(mean_daily_closures_28d), 0)",
        "staffing_proposals": "count(*) filter (where is_staffing_proposed)",
    },
    "mart_block_reports as m": {
        "report_answered_cases": "sum(answered)",
        "transferred_in_cases": "sum(transferred_in)",
        "transferred_out_cases": "sum(transferred_out)",
    },
    _last("mart_block_reports", "report_date"): {
        "report_open_cases": "sum(cardinality(open_case_ids))",
        "report_overdue_cases": "sum(overdue_cases)",
        "report_due_soon_cases": "sum(due_within_3_days)",
    },
    "mart_owed_reports as m": {
        "owed_reports_with_term": "count(due_on)",
        "owed_reports_in_time": "count(*) filter (where delivered_on <= due_on)",
        "owed_reports_late": "count(*) filter (where is_late)",
    },
    "mart_repeat_appeals as m": {
        "answered_cycles": "sum(answered_cycles)",
        "returned_cycles": "sum(returned_cycles)",
        "reopen_share": "sum(returned_cycles) / nullif(sum(answered_cycles), 0)",
        "first_answered_cases": "sum(answered_cases)",
        "observed_cases": "sum(observed_cases)",
        "repeated_cases": "sum(repeated_cases)",
        "repeat_share": "sum(repeated_cases) / nullif(sum(observed_cases), 0)",
        "observed_30d_cases": "sum(observed_30d_cases)",
        "repeated_30d_cases": "sum(repeated_30d_cases)",
        "repeat_30d_share": "sum(repeated_30d_cases) / nullif(sum(observed_30d_cases), 0)",
        "repeatedly_answered_cases": "sum(repeatedly_answered_cases)",
    },
    "mart_mass_problems as m": {
        "mass_problems": "count(distinct problem_id)",
        "open_mass_problems": "count(*) filter (where open_cases > 0)",
        "mass_problem_cases": "sum(cases)",
    },
    _last("mart_root_causes", "month_date"): {
        "root_causes": "count(*)",
        "root_cause_answered_cases": "sum(answered_cases)",
        "root_cause_cases_after_solved": "sum(cases_after_solved)",
        "recurrence_ratio": "sum(cases_after_solved) / nullif(sum(answered_cases), 0)",
    },
    "mart_best_practices as m": {
        "compared_practices": "count(*)",
        "best_practices": "count(*) filter (where is_best_practice)",
    },
    **{
        f"mart_satisfaction as m where period_kind = 'month' and cut_code = '{cut}'": (
            _satisfaction("" if cut == "region" else f"{cut}_")
        )
        for cut in ("region", "block", "body", "municipality", "channel")
    },
    "mart_surveys as m": {"surveys": "count(distinct survey_number)"},
    "mart_surveys as m where is_finished and respondents >= 10": {
        "survey_judging_answers": "sum(answers) filter (where is_satisfied is not null)",
        "survey_satisfied_answers": "sum(answers) filter (where is_satisfied)",
        "survey_satisfied_share": (
            "sum(answers) filter (where is_satisfied)::numeric"
            " / sum(answers) filter (where is_satisfied is not null)"
        ),
    },
    "mart_agency_rating as m where period_kind = 'quarter'": _rating(""),
    "mart_agency_rating as m where period_kind = 'month'": _rating("_of_month"),
    "mart_problem_heatmap as m": {
        "heat_cells": "count(heat_index)",
        "hot_cells": "count(*) filter (where heat_index >= 1.25)",
        "hot_cell_share": (
            "count(*) filter (where heat_index >= 1.25)::numeric / nullif(count(heat_index), 0)"
        ),
        "heat_index_max": "max(heat_index)",
    },
    "mart_regional_problems as m": {
        "regional_problems": "count(*)",
        "regional_problem_cases": "sum(cardinality(case_ids))",
    },
    "mart_problem_overview as m": {
        "received_open_cases": "sum(open_cases)",
        "received_cases_with_term": "sum(cases_with_term)",
        "received_overdue_open_cases": "sum(overdue_open)",
        "received_overdue_open_share": "sum(overdue_open) / nullif(sum(cases_with_term), 0)",
        "received_ripe_answers": "sum(ripe_answers)",
        "received_repeated_answers": "sum(repeated_answers)",
        "received_repeat_share": "sum(repeated_answers) / nullif(sum(ripe_answers), 0)",
    },
    "mart_priorities as m": {
        "priority_cells": "count(priority_score)",
        "priority_score_max": "max(priority_score)",
    },
    "mart_communication_issues as m": {
        "flagged_issues": "sum(flagged)",
        "confirmed_issues": "sum(cardinality(confirmed_case_ids))",
    },
    "mart_communication_issues as m where rule_code ~ '^[CE]'": {
        "reviewed_flags": "sum(confirmed) + sum(rejected)",
        "confirmed_flags": "sum(confirmed)",
        "rule_precision_share": "sum(confirmed) / nullif(sum(reviewed), 0)",
    },
    "mart_risk_signals as m where signal_state in ('открыт', 'закрыт')": {
        "risk_signals": "count(*)",
        "critical_risk_signals": "count(*) filter (where signal_level = 'критический')",
        "open_risk_signals": "count(*) filter (where closed_date is null)",
        "decided_risk_signals": "count(decision)",
        "decided_risk_signal_share": "count(decision)::numeric / count(*)",
    },
    "mart_votes as m": {
        "votes": "count(distinct vote_number)",
        "vote_participations": "sum(participants)",
        "vote_proposals": "sum(proposals)",
        "votes_decided": "count(decided_on)",
        "votes_implemented": "count(implemented_on)",
    },
    "mart_official_pages as m": {
        "kept_pages": "count(*) filter (where page_state = 'ведётся')",
        "absent_pages": "count(*) filter (where page_address is null)",
        "page_posts_28d": "sum(posts_28d)",
        "page_messages_28d": "sum(messages_28d)",
        "page_answered_28d": "sum(answered_28d)",
        "page_answered_share": "sum(answered_28d) / nullif(sum(messages_28d), 0)",
    },
    "mart_information_work as m": {
        "information_items": "count(distinct item_number)",
        "information_items_held": "count(*) filter (where state_name = 'состоялось')",
        "information_items_late": ("count(*) filter (where state_name = 'не состоялось в срок')"),
        "information_reach": "sum(reach)",
    },
    "mart_data_supply as m": {
        "supplies_due": "sum(expected) - sum(not_due) - sum(without_term)",
        "supplies_in_time": "sum(in_time)",
        "supplies_late": "sum(late)",
        "supplies_missing": "sum(missing)",
        "supply_in_time_share": "sum(in_time) / nullif(sum(in_time + late + missing), 0)",
        "supply_outages": "sum(outages)",
        "supply_outage_days_max": "max(longest_outage_days)",
    },
    "mart_indicators as m": {
        "declared_indicators": "count(*)",
        "compared_indicators": "count(*) filter (where comparison_name <> 'не сравнивалось')",
        "indicators_within_tolerance": "count(*) filter (where comparison_name = 'совпадает')",
        "indicator_agreement_share": (
            "count(*) filter (where abs(difference) <= tolerance)::numeric"
            " / nullif(count(difference), 0)"
        ),
        "approved_indicators": "count(approved_on)",
        "self_verified_indicators": "count(*) filter (where is_self_verified)",
    },
    "mart_projects as m": {
        "projects": "count(distinct project_code)",
        "late_projects": "count(*) filter (where is_late)",
        "projects_without_passport": "count(*) filter (where passport_state <> 'утверждён')",
    },
    "mart_project_stages as m where state_name <> 'отменён'": {
        "project_stages": "count(*)",
        "done_project_stages": "count(*) filter (where state_name = 'выполнен')",
        "late_project_stages": "count(*) filter (where state_name = 'просрочен')",
        "stage_done_share": "count(*) filter (where state_name = 'выполнен')::numeric / count(*)",
    },
    "mart_project_risks as m": {
        "project_risks": "count(*)",
        "open_project_risks": "count(*) filter (where state_name <> 'Закрыт')",
        "heavy_project_risks": (
            "count(*) filter (where state_name <> 'Закрыт' and risk_level = 'высокий')"
        ),
        "undecided_project_risks": "count(*) filter (where is_undecided)",
    },
    "mart_measures as m where state_name <> 'отменено'": {
        "measures": "count(*)",
        "done_measures": "count(*) filter (where state_name = 'исполнено')",
        "late_measures": "count(*) filter (where state_name = 'просрочено')",
        "measure_done_share": (
            "count(*) filter (where state_name = 'исполнено')::numeric / count(*)"
        ),
        "assessed_measures": "count(effect_ratio)",
        "effective_measures": "count(*) filter (where effect_high < 1)",
    },
}
