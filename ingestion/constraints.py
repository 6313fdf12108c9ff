"""What the values of a record must be, as its YAML declares it: one judge for check and load.

A register's template, its check and the loader go by the same declarations (`FieldRule`). The
reasons are written in Russian, for the people who keep the register: they stand both in the file
that a check sends back and in the quarantine.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ingestion.errors import RecordError
from ingestion.registers.contract import Choices, Option, folded, is_formula_text
from ingestion.source import Entity, FieldRule

WEEKDAYS = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
# How alike a word must be to be proposed in place of another.
_ALIKE = 0.6
_SHOWN = 60

# What of a value stands in a reason: the value itself only where its owner alone reads it.
Tell = Callable[[Any], str]


def constraints(entity: Entity, regions: Collection[str], tell: Tell) -> Constraints | None:
    """The judge of an entity's records for these regions; None when nothing is declared."""
    judge = Constraints(entity, regions, tell)
    return judge if judge.is_needed else None


@dataclass(frozen=True, slots=True)
class _List:
    when: Mapping[str, tuple[str, ...]]
    options: tuple[Option, ...]


class Constraints:
    """Judges canonical records as they land: dates in ISO 8601, codes in place of words.

    `tell` writes a value for a reason: `shown` for the file that goes back to its owner, its form
    alone for everything that is stored or printed.
    """

    def __init__(self, entity: Entity, regions: Collection[str], tell: Tell) -> None:
        self._entity = entity
        self._tell = tell
        self._rules = {name: rule for name, rule in entity.record.items() if _is_constrained(rule)}
        self._lists = {
            name: [_List(one.when, tuple(one.options(regions))) for one in rule.choices]
            for name, rule in self._rules.items()
        }
        self._patterns = {
            name: re.compile(rule.pattern)
            for name, rule in self._rules.items()
            if rule.pattern is not None
        }

    @property
    def is_needed(self) -> bool:
        return bool(self._rules)

    def check(self, record: Mapping[str, Any]) -> None:
        """Raise the first RecordError of `violations`."""
        for error in self.violations(record):
            raise error

    def violations(
        self, record: Mapping[str, Any], skip: Collection[str] = ()
    ) -> Iterator[RecordError]:
        """Everything that is wrong with a record, field by field.

        Fields in `skip` could not be read at all: they are neither judged nor compared with.
        """
        for name, rule in self._rules.items():
            if name not in skip:
                try:
                    self._judge(name, rule, record, skip)
                except RecordError as error:
                    yield error

    def _judge(
        self, name: str, rule: FieldRule, record: Mapping[str, Any], skip: Collection[str]
    ) -> None:
        heading = heading_of(name, rule)
        value = record.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            self._may_be_empty(heading, rule, record)
            return
        self._is_in_list(name, heading, value, record)
        pattern = self._patterns.get(name)
        if pattern is not None and not pattern.fullmatch(str(value)):
            example = "" if rule.example is None else f": {shown(rule.example)}"
            raise RecordError(
                "breaks_rule",
                f"«{heading}»: «{self._tell(value)}» записано не так, как в образце{example}",
                field=heading,
            )
        self._is_within(heading, rule, value)
        if rule.weekday is not None:
            day = date.fromisoformat(str(value)[:10])
            if day.isoweekday() != rule.weekday:
                raise RecordError(
                    "breaks_rule",
                    f"«{heading}»: {self._tell(value)} — это {WEEKDAYS[day.weekday()]}, "
                    f"а нужен день недели «{WEEKDAYS[rule.weekday - 1]}»",
                    field=heading,
                )
        for other in (rule.not_before, rule.differs_from):
            known = None if other is None or other in skip else record.get(other)
            if other is None or known is None:
                continue
            beside = heading_of(other, self._entity.record[other])
            if other == rule.not_before and _is_before(value, known):
                raise RecordError(
                    "breaks_rule",
                    f"«{heading}»: {self._tell(value)} раньше, чем «{beside}» "
                    f"({self._tell(known)})",
                    field=heading,
                )
            if other == rule.differs_from and value == known:
                raise RecordError(
                    "breaks_rule",
                    f"«{heading}»: то же, что «{beside}», а должно быть другое",
                    field=heading,
                )

    def _may_be_empty(self, heading: str, rule: FieldRule, record: Mapping[str, Any]) -> None:
        if rule.required:
            raise RecordError("missing_value", f"«{heading}»: не заполнено", field=heading)
        for other, values in rule.required_when.items():
            if record.get(other) in values:
                condition = self._entity.record[other]
                words = {code: word for word, code in condition.values.items()}
                state = words.get(str(record[other]), str(record[other]))
                raise RecordError(
                    "missing_value",
                    f"«{heading}»: не заполнено, а в столбце «{heading_of(other, condition)}» "
                    f"указано «{state}»",
                    field=heading,
                )

    def _is_in_list(self, name: str, heading: str, value: Any, record: Mapping[str, Any]) -> None:
        options = [
            option
            for one in self._lists[name]
            if all(record.get(other) in values for other, values in one.when.items())
            for option in one.options
        ]
        # A region whose reference is not kept here has nothing to be held against.
        if not options:
            return
        wanted = folded(str(value))
        if any(wanted in option.spellings for option in options):
            return
        raise RecordError(
            "not_in_list",
            f"«{heading}»: «{self._tell(value)}» нет в списке"
            + alike(str(value), [option.value for option in options]),
            field=heading,
        )

    def _is_within(self, heading: str, rule: FieldRule, value: Any) -> None:
        for bound, is_least in ((rule.minimum, True), (rule.maximum, False)):
            if bound is None:
                continue
            held: Any = date.fromisoformat(str(value)[:10]) if isinstance(bound, date) else value
            if (held < bound) if is_least else (held > bound):
                raise RecordError(
                    "out_of_bounds",
                    f"«{heading}»: {self._tell(value)} {'меньше' if is_least else 'больше'} "
                    f"допустимого ({shown(bound)})",
                    field=heading,
                )


def formulas(fields: Mapping[str, Any]) -> Iterator[RecordError]:
    """Every field of a row of a register that people keep whose cell holds a formula."""
    for name, value in fields.items():
        if is_formula_text(value):
            told = f"«{name}»: формула вместо значения; вставьте только значение"
            yield RecordError("formula", told, field=name)


def _is_constrained(rule: FieldRule) -> bool:
    """True when a rule says more than where a value comes from and how it is parsed."""
    bounds = (rule.minimum, rule.maximum, rule.weekday, rule.not_before, rule.differs_from)
    return bool(
        rule.required
        or rule.required_when
        or rule.choices
        or rule.pattern
        or any(one is not None for one in bounds)
    )


def without_constraints(rule: FieldRule) -> FieldRule:
    """The rule as far as it reads and parses."""
    nothing: dict[str, Any] = {
        "required": False,
        "required_when": {},
        "choices": (),
        "pattern": None,
        "minimum": None,
        "maximum": None,
        "weekday": None,
        "not_before": None,
        "differs_from": None,
    }
    return rule.model_copy(update=nothing)


def heading_of(name: str, rule: FieldRule) -> str:
    """The column that people see for a canonical field, and that is to blame."""
    return next(iter(rule.inputs), name)


def offered(choices: Collection[Choices], regions: Collection[str], day: date) -> list[str]:
    """What a drop-down of `day` holds: each value once, in the order of the reference."""
    found: dict[str, str] = {}
    for one in choices:
        if one.offered:
            for option in one.options(regions):
                if option.is_valid(day):
                    found.setdefault(folded(option.value), option.value)
    return list(found.values())


def shown(value: Any) -> str:
    """A value as people write it, a long text cut."""
    text = written(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def written(value: Any) -> str:
    """A value as people write it: Russian dates, numbers without a tail."""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, float):
        return f"{value:g}".replace(".", ",")
    if isinstance(value, datetime):
        return f"{value:%d.%m.%Y %H:%M}"
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    text = str(value)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return written(date.fromisoformat(text))
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*", text):
        return written(datetime.fromisoformat(text))
    return text


def alike(written: str, values: Collection[str]) -> str:
    """`; похоже на «…»` when one of the values is near to what was written."""
    spellings: dict[str, str] = {}
    for value in values:
        spellings.setdefault(folded(value), value)
    near = difflib.get_close_matches(folded(written), spellings, n=1, cutoff=_ALIKE)
    return f"; похоже на «{spellings[near[0]]}»" if near else ""


def _is_before(value: Any, other: Any) -> bool:
    """Of two dates or numbers; when one of the dates has no time, only the days are compared."""
    if not isinstance(value, str):
        return bool(value < other)
    if len(value) > 10 and len(other) > 10:
        return datetime.fromisoformat(value) < datetime.fromisoformat(other)
    return value[:10] < other[:10]
