"""The Great Expectations side of a check: an Expectation and the Metric that computes it in SQL.

Great Expectations' own `UnexpectedRowsExpectation` counts the rows of a query, but knows neither
how many there were in all nor which of them to show. This one does, and still moves no table out
of the database: one aggregate, and a bounded list of examples when something is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from great_expectations.compatibility.sqlalchemy import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.query_metric_provider import QueryMetricProvider

METRIC = "check_rows.summary"
SAMPLE_LIMIT = 200


class CheckRowsSummary(QueryMetricProvider):
    """Counts by group and examples: `{"groups": [{label, total, unexpected}], "samples": […]}`."""

    metric_name = METRIC
    value_keys = ("rows_query",)
    query_param_name: ClassVar[str] = "rows_query"

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> dict[str, Any]:
        batch, _, _ = execution_engine.get_compute_domain(
            metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
        )
        selected = batch.compile(
            dialect=execution_engine.engine.dialect, compile_kwargs={"literal_binds": True}
        )
        query = metric_value_kwargs["rows_query"].replace("{batch}", "batch")
        rows = f"with batch as not materialized ({selected}) {query}"
        groups = execution_engine.execute_query(
            sa.text(
                "select group_label as label, count(*) as total, "  # noqa: S608
                "count(*) filter (where is_unexpected) as unexpected "
                f"from ({rows}) as checked group by group_label order by group_label"
            )
        ).fetchall()
        samples: Sequence[Any] = []
        if any(group.unexpected for group in groups):
            samples = execution_engine.execute_query(
                sa.text(
                    f"select sample_id, label, group_label from ({rows}) as checked "  # noqa: S608
                    "where is_unexpected order by group_label, label, sample_id "
                    f"limit {SAMPLE_LIMIT}"
                )
            ).fetchall()
        return {
            "groups": [dict(group._mapping) for group in groups],
            "samples": [dict(sample._mapping) for sample in samples],
        }


class ExpectUnexpectedRowsWithinTolerance(BatchExpectation):
    """Expect at most `tolerance` unexpected rows (or share of rows) in what `rows_query` returns.

    Args:
        rows_query: a SELECT with sample_id, label, group_label, is_unexpected (see `Check.rows`).
        measure: "count" or "share".
        tolerance: the greatest count, or the greatest share of a group (0..1), that passes.
    """

    rows_query: str
    measure: str
    tolerance: float

    metric_dependencies: ClassVar[tuple[str, ...]] = (METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("rows_query", "measure", "tolerance")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id", "row_condition", "condition_parser")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        groups = metrics[METRIC]["groups"]
        total = sum(group["total"] for group in groups)
        unexpected = sum(group["unexpected"] for group in groups)
        observed: float = unexpected
        if self.measure == "share":
            observed = max((group["unexpected"] / group["total"] for group in groups), default=0.0)
        return {
            "success": observed <= self.tolerance,
            "result": {
                "observed_value": observed,
                "element_count": total,
                "unexpected_count": unexpected,
                "details": metrics[METRIC],
            },
        }
