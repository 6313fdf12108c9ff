"""What a check is: a question to the warehouse in SQL, its bound, and its words for an auditor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The border at which a check stands."""

    RAW = "raw"
    MARTS = "marts"


class Severity(StrEnum):
    """`critical` stops what is downstream, `finding` is reported."""

    CRITICAL = "critical"
    FINDING = "finding"


class Measure(StrEnum):
    """What is held against the tolerance.

    `count`: unexpected rows of all groups together. `share`: the greatest share of unexpected rows
    among the groups (0..1), so that one bad source does not hide behind the good ones.
    """

    COUNT = "count"
    SHARE = "share"


@dataclass(frozen=True)
class Check:
    """One check of one relation.

    `relation` is `schema.table`. `rows` is a SELECT with exactly the columns `sample_id text` (the
    id that an auditor can look up, never personal data), `label text` (how people know it, or
    null), `group_label text` (what the shares are computed by, never null) and `is_unexpected
    boolean`, one row for each thing that is checked. `{batch}` in it stands for the relation; no
    other braces are special.
    `columns`, instead of `rows`, asks that the relation has at least these columns.
    `reads` names further relations that the SELECT needs.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    action: str
    relation: str
    rows: str = ""
    columns: tuple[str, ...] = ()
    column: str | None = None
    measure: Measure = Measure.COUNT
    tolerance: float = 0.0
    reads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.rows) == bool(self.columns):
            raise ValueError(f"The check {self.code} needs either `rows` or `columns`.")

    @property
    def schema(self) -> str:
        return self.relation.partition(".")[0]

    @property
    def table(self) -> str:
        return self.relation.partition(".")[2]

    @property
    def relations(self) -> tuple[str, ...]:
        """Everything that has to be there before the check can be asked."""
        return (self.relation, *self.reads)
