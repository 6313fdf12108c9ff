"""What a row of each seed of a region's configuration must be.

A seed is configuration of a region when it has the column `region_code`. Seeds without a contract
here are held to the common part: a region, and dates in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from itertools import pairwise
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

State = Literal["required", "term only", "outside the act", "required, served outside the data"]
ServedBy = Literal["model", "seed", "page"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not an IANA time zone, such as Europe/Moscow") from None
    return name


class Row(BaseModel):
    """A row of a region; an empty cell is None. Other columns of the seed are dbt's to judge."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    region_code: Text
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, cells: Any) -> Any:
        if not isinstance(cells, dict):
            return cells
        return {name: value if (value or "").strip() else None for name, value in cells.items()}

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is excluded, so it must be later than valid_from")
        return self

    def is_in_force(self, day: date) -> bool:
        """True on the days from `valid_from` up to, and without, `valid_to`."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day < self.valid_to
        )


class Dated(Row):
    """A row that comes from a clause and holds from a day on."""

    valid_from: date
    clause: Text


class Region(Dated):
    region_code: Code
    region_name: Text
    region_name_en: Text
    time_zone: Annotated[str, AfterValidator(_zone)]
    calendar_code: Literal["ru", "weekends"]
    act: Text
    is_demo: bool


class Requirement(Row):
    """What an act says of one requirement; `clause` is «—» where it says nothing."""

    valid_from: date
    requirement_code: Code
    requirement_name: Text
    sort_order: int
    state: State
    clause: Text
    served_by: Text
    served_by_kind: ServedBy
    note: str | None = None


class Block(Dated):
    block_code: Text
    label: Text
    owner_body: Text
    owner_body_code: Code | None = None
    is_named_by_act: bool


class ApplicantClass(Dated):
    applicant_class_code: Code
    applicant_class_name: Text


class Channel(Dated):
    channel_code: Code
    list_kind: Literal["open", "closed"]
    is_covered: bool
    wording: Text


class BodyKind(Dated):
    body_kind_code: Code
    is_covered: bool
    wording: Text


class Role(Dated):
    role_code: Code
    role_name: Text
    holder: Text
    block_codes: str | None = None
    responsible_for: str | None = None


class Escalation(Dated):
    step: Annotated[int, Field(ge=1)]
    from_role_code: Code
    to_role_code: Code | None = None
    to_name: Text
    subject: Text


class Recipient(Dated):
    recipient_name: Text
    subject: Text


class Approval(Dated):
    role_code: Code
    action: Literal["approves", "agrees", "appoints"]
    subject: Text
    agreed_with: str | None = None


class Direction(Dated):
    direction_code: Code
    direction_name: Text
    sort_order: int


class IndicatorSet(Dated):
    set_code: Code
    set_name: Text
    established_by: Text
    achieved_by_role_code: Code
    is_text_at_hand: bool


class RatingDimension(Dated):
    dimension_code: Literal[
        "quantity", "quality", "speed", "deadlines", "completeness", "satisfaction"
    ]
    dimension_name: Text
    weight: Annotated[float, Field(gt=0)]


class DeadlineRule(Dated):
    """A term; rows of the region `*` hold for every region."""

    rule_code: Code
    regime_code: Code
    duration: Annotated[int, Field(gt=0)]
    reply_kind: Literal["registration", "forwarding", "first_reply", "final"]
    basis: Literal["legal", "norm", "internal"]
    unit: Literal["calendar_day", "working_day", "hour", "clock_hour"]
    start_event: Literal["received", "registered", "interim_reply"]
    count_from: Literal["day", "next_day", "moment"] | None = None
    rollover: Literal["next", "previous", "none"] | None = None
    extension_max_days: Annotated[int, Field(ge=0)] | None = None
    case_priority: Literal["high"] | None = None
    topic_code: Code | None = None

    @model_validator(mode="after")
    def _hours_count_from_the_minute(self) -> Self:
        in_hours = self.unit in ("hour", "clock_hour")
        if in_hours != (self.count_from == "moment"):
            raise ValueError("hours count from the moment, days from the day or the next_day")
        return self


class WorkloadNorm(Dated):
    """Hours of one step of work; a region's row stands for the common one of the same step."""

    step_code: Code
    step_name: Text
    event_code: Code
    hours: Annotated[float, Field(ge=0)]
    basis: Literal["T43", "region"]

    @model_validator(mode="after")
    def _a_region_approves_its_own(self) -> Self:
        if self.region_code != "*" and self.basis != "region":
            raise ValueError("basis: what a region approves is its own, 'region'")
        return self


class WorkSchedule(Dated):
    """Working hours that hour norms run on, where a body states none of its own."""

    working_days: Literal["mon-fri", "mon-sat", "mon-sun", "tue-sat"]
    work_start: time
    work_end: time
    short_day_end: time | None = None
    break_start: time | None = None
    break_end: time | None = None

    @model_validator(mode="after")
    def _in_their_order(self) -> Self:
        lunch = [moment for moment in (self.break_start, self.break_end) if moment]
        if len(lunch) == 1:
            raise ValueError("break_start and break_end: a break has both")
        hours = [self.work_start, *lunch, self.work_end]
        if any(later <= earlier for earlier, later in pairwise(hours)):
            raise ValueError("the day begins, breaks, goes on and ends, in this order")
        if self.short_day_end and self.short_day_end <= self.work_start:
            raise ValueError("short_day_end: Friday ends after it began")
        return self


class RatingSetting(Dated):
    """What an operator sets of the rating; without a row the defaults of DOMAIN.md 5.3 hold."""

    counts_posts: Literal["true", "false"]
    min_due_cycles: Annotated[int, Field(gt=0)]
    prior_weight: Annotated[int, Field(ge=0)]
    min_checked_replies: Annotated[int, Field(gt=0)]
    approver: Text


class OwedReport(Dated):
    """A report that the act asks for; none has a period that the act does not name."""

    report_code: Code
    report_name: Text
    from_role: Text
    to_role: Text
    period: Literal["by_request", "not_named", "day", "week", "month", "quarter", "year"]


class Body(Dated):
    body_code: Code
    body_name: Text
    body_kind_code: Code
    block_code: str | None = None


class Municipality(Row):
    municipality_code: Annotated[str, StringConstraints(pattern=r"^\d{8}$")]
    municipality_name: Text
    valid_from: date


class CalendarDay(Row):
    calendar_date: date
    day_kind: Literal["day_off", "short_day", "working_weekend", "epidemic_day"]
    source_count: Annotated[int, Field(ge=1)]
    clause: Text


@dataclass(frozen=True, slots=True)
class Contract:
    """How a seed is judged.

    `key` tells two rows of one region apart on any day; `is_needed` seeds have a row in force in
    every region; the rows of seeds that are not `is_compared` are each region's own. With
    `is_overriding` a region's row stands for the one of every region (`*`) with the same key.
    """

    row: type[Row]
    key: tuple[str, ...]
    is_needed: bool = False
    is_compared: bool = True
    is_overriding: bool = False


CONTRACTS: dict[str, Contract] = {
    "regions": Contract(Region, (), is_needed=True),
    "requirements": Contract(Requirement, ("requirement_code",), is_needed=True),
    "region_blocks": Contract(Block, ("block_code", "label"), is_needed=True),
    "applicant_classes": Contract(ApplicantClass, ("applicant_class_code",), is_needed=True),
    "region_channels": Contract(Channel, ("channel_code",), is_needed=True),
    "region_body_kinds": Contract(BodyKind, ("body_kind_code",), is_needed=True),
    "region_roles": Contract(Role, ("role_code", "holder"), is_needed=True),
    "escalation_paths": Contract(Escalation, ("step",)),
    "recipients": Contract(Recipient, ("recipient_name",)),
    "approvals": Contract(Approval, ("role_code", "action", "subject")),
    "work_directions": Contract(Direction, ("direction_code",)),
    "indicator_sets": Contract(IndicatorSet, ("set_code",)),
    "rating_dimensions": Contract(RatingDimension, ("dimension_code",), is_needed=True),
    "deadline_rules": Contract(DeadlineRule, ("rule_code",), is_needed=True),
    "work_schedules": Contract(WorkSchedule, ()),
    "workload_norms": Contract(WorkloadNorm, ("step_code",), is_overriding=True),
    "rating_settings": Contract(RatingSetting, ()),
    "owed_reports": Contract(OwedReport, ("report_code",)),
    "bodies": Contract(Body, ("body_code",), is_needed=True, is_compared=False),
    "municipalities": Contract(
        Municipality, ("municipality_code",), is_needed=True, is_compared=False
    ),
    "regional_calendar": Contract(CalendarDay, ("calendar_date",)),
}
COMMON = Contract(Row, (), is_compared=False)


def contract_of(seed: str) -> Contract:
    """The contract of a seed; the common one where it has none of its own."""
    return CONTRACTS.get(seed, COMMON)
