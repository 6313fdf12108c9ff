"""Metrics of the semantic layer as SQL, made by MetricFlow.

The layer is `dbt_project/models/marts/semantic`: one definition for SQL, charts and reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer
from metricflow_semantic_interfaces.protocols import Metric, SemanticModel
from metricflow_semantics.errors.error_classes import InformativeUserError
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup


class MetricsError(RuntimeError):
    """A metric or grouping that the semantic layer does not know, or no layer at all."""


class _Dialect:
    """What MetricFlow asks of a client that writes SQL and runs none."""

    sql_engine_type = SqlEngine.POSTGRES
    sql_plan_renderer = PostgresSQLSqlPlanRenderer()


@dataclass(frozen=True, slots=True)
class MetricCard:
    """A metric as people read it; `group_by` are the names it may be grouped by.

    `subject` is what the rows of its `mart` are about: the label of the semantic model.
    """

    name: str
    label: str
    description: str
    subject: str
    mart: str
    group_by: tuple[str, ...]


class SemanticLayer:
    """The metrics of a dbt build. `target` is the folder that dbt writes its artefacts into."""

    def __init__(self, target: Path) -> None:
        path = target / "semantic_manifest.json"
        if not path.exists():
            raise MetricsError(f"{path} is not there yet: dbt writes it. Run ./tsur build first.")
        manifest = parse_manifest_from_dbt_generated_manifest(path.read_text(encoding="utf-8"))
        self._metrics: dict[str, Metric] = {metric.name: metric for metric in manifest.metrics}
        self._models = {model.name: model for model in manifest.semantic_models}
        self._model_of_measure = {
            measure.name: model.name
            for model in manifest.semantic_models
            for measure in model.measures
        }
        self._engine = MetricFlowEngine(SemanticManifestLookup(manifest), _Dialect())  # type: ignore[arg-type]

    def cards(self) -> list[MetricCard]:
        """Every metric, by name."""
        return [
            MetricCard(
                metric.name,
                metric.label or metric.name,
                metric.description or "",
                self._model(metric).label or self._model(metric).name,
                self._model(metric).node_relation.alias,
                self._groupings(name),
            )
            for name, metric in sorted(self._metrics.items())
        ]

    def _model(self, metric: Metric) -> SemanticModel:
        """What a metric reads; a share reads what its numerator does."""
        given = metric.type_params
        if given.numerator is not None:
            return self._model(self._metrics[given.numerator.name])
        if given.measure is None:
            raise MetricsError(f"{metric.name} is neither a measure nor a share of two metrics.")
        return self._models[self._model_of_measure[given.measure.name]]

    def _groupings(self, metric: str) -> tuple[str, ...]:
        """Names of dimensions, and codes that several marts have: `region`, `block`, `source`."""
        dimensions = self._engine.simple_dimensions_for_metrics([metric])
        entities = self._engine.entities_for_metrics([metric])
        return tuple(
            sorted(
                {dimension.dunder_name for dimension in dimensions}
                | {entity.name for entity in entities}
            )
        )

    def sql(
        self,
        metrics: Sequence[str],
        *,
        group_by: Sequence[str] = (),
        where: Sequence[str] = (),
    ) -> str:
        """One statement that computes the metrics, ordered by what they are grouped by.

        `where` are conditions as MetricFlow writes them, such as
        `{{ Dimension('appeal__source_code') }} = 'pos'`. MetricsError names what is not known.
        """
        unknown = [name for name in metrics if name not in self._metrics]
        if unknown:
            close = sorted(
                {near for name in unknown for near in get_close_matches(name, self._metrics)}
            )
            hint = f" Close to it: {', '.join(close)}." if close else ""
            raise MetricsError(
                f"{', '.join(unknown)}: no such metric.{hint} All of them: tsur metrics list."
            )
        request = MetricFlowQueryRequest.create(
            metric_names=list(metrics),
            group_by_names=list(group_by),
            where_constraints=list(where) or None,
            order_by_names=list(group_by) or None,
        )
        try:
            return self._engine.explain(request).sql_statement.sql
        except InformativeUserError as error:
            raise MetricsError(str(error)) from None
