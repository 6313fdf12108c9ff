"""Marts that requirements name and that are not built yet. Empty it as they come."""

NOT_BUILT_YET: frozenset[str] = frozenset(
    {
        "agg_appeals_cube",
        "mart_best_practices",
        "mart_block_reports",
        "mart_communication_issues",
        "mart_data_supply",
        "mart_fast_track",
        "mart_indicators",
        "mart_information_work",
        "mart_measures",
        "mart_official_pages",
        "mart_priorities",
        "mart_problem_heatmap",
        "mart_problem_overview",
        "mart_projects",
        "mart_repeat_appeals",
        "mart_risk_signals",
        "mart_root_causes",
        "mart_satisfaction",
        "mart_surveys",
        "mart_votes",
    }
)
