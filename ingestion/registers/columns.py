"""The columns of a register as the people who fill it in see them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from ingestion.constraints import offered, shown
from ingestion.registers.contract import Example
from ingestion.source import Entity, FieldRule, FieldType, Source

YES, NO = "да", "нет"
# strptime's directives as people read them.
_LETTERS = {"%d": "ДД", "%m": "ММ", "%Y": "ГГГГ", "%y": "ГГ", "%H": "ЧЧ", "%M": "ММ", "%S": "СС"}


class NotARegisterError(ValueError):
    """The source declares no template: nobody keeps it by hand."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the template.

    `name` and `rule` are None for a number that is the key and nothing else. `words` are what a
    drop-down offers; `is_closed` is False when more spellings than these are accepted.
    """

    heading: str
    name: str | None
    rule: FieldRule | None
    type: FieldType
    formats: tuple[str, ...]
    explanation: str
    example: Example
    is_key: bool
    is_identity: bool
    words: tuple[str, ...] = ()
    is_closed: bool = True

    @property
    def is_required(self) -> bool:
        return self.is_key or (self.rule is not None and self.rule.required)

    @property
    def has_time(self) -> bool:
        """True when a date is written with the time of day."""
        return self.type == "datetime" and any("%H" in one for one in self.formats)

    @property
    def date_form(self) -> str:
        """How a date is written: ДД.ММ.ГГГГ."""
        form = next((one for one in self.formats if one.startswith("%")), "%d.%m.%Y")
        return re.sub(r"%\w", lambda match: _LETTERS.get(match[0], match[0]), form)

    @property
    def kind(self) -> str:
        """What may stand in a cell, in words."""
        if self.words:
            if self.rule is not None and any(one.when for one in self.rule.choices):
                return "из списка, который зависит от других столбцов"
            return "одно из списка" if self.is_closed else "из списка или принятое сокращение"
        if self.type in ("date", "datetime"):
            return f"дата {self.date_form}" + self._bounds(" ")
        if self.type in ("integer", "number"):
            kind = "целое число" if self.type == "integer" else "число"
            return kind + self._bounds(" ")
        if self.rule is not None and self.rule.pattern:
            return "текст, как в примере"
        return "текст"

    def _bounds(self, before: str) -> str:
        rule = self.rule
        if rule is None:
            return ""
        parts = []
        if rule.minimum is not None:
            parts.append(f"не меньше {shown(rule.minimum)}")
        if rule.maximum is not None:
            parts.append(f"не больше {shown(rule.maximum)}")
        return before + ", ".join(parts) if parts else ""


def register_entity(source: Source) -> Entity:
    """The entity that people keep. Raises NotARegisterError when the source has none."""
    for entity in source.entities.values():
        if entity.template is not None:
            return entity
    raise NotARegisterError(
        f"«{source.code}» не ведут вручную: в его YAML нет раздела template. "
        "Реестры с шаблоном: tsur register list"
    )


def columns_of(entity: Entity, regions: Collection[str], day: date) -> list[Column]:
    """The columns in the order of the template: the key first, then as `record` lists them."""
    key = () if entity.key == "content" else entity.key
    found: dict[str, Column] = {}
    if entity.template is not None:
        for heading, told in entity.template.columns.items():
            found[heading] = Column(
                heading=heading,
                name=None,
                rule=None,
                type="text",
                formats=(),
                explanation=told.explanation,
                example=told.example,
                is_key=heading in key,
                is_identity=heading in entity.identity,
            )
    samples: dict[str, str] = {}
    for name, rule in entity.record.items():
        if not rule.from_ or rule.from_[0].startswith("@") or rule.from_[0] in found:
            continue
        heading = rule.from_[0]
        words = _words(entity, rule, name, regions, day)
        example = rule.example
        if example is None:
            example = _first(rule, words, samples, regions, day)
        samples[name] = rule.values.get(str(example), str(example))
        found[heading] = Column(
            heading=heading,
            name=name,
            rule=rule,
            type=entity.type_of(name),
            formats=rule.formats or entity.formats,
            explanation=rule.explanation,
            example=example,
            is_key=heading in key,
            is_identity=heading in entity.identity,
            words=words,
            is_closed=not any(one.aliases or one.when or not one.offered for one in rule.choices),
        )
    return sorted(
        found.values(),
        key=lambda column: key.index(column.heading) if column.is_key else len(key),
    )


def _words(
    entity: Entity, rule: FieldRule, name: str, regions: Collection[str], day: date
) -> tuple[str, ...]:
    if rule.values:
        return tuple(rule.values)
    if rule.choices:
        return tuple(offered(rule.choices, regions, day))
    if entity.type_of(name) == "boolean":
        return YES, NO
    return ()


def _first(
    rule: FieldRule,
    words: tuple[str, ...],
    samples: dict[str, str],
    regions: Collection[str],
    day: date,
) -> str:
    """The first value of the list that counts for a record made of the examples so far."""
    counting = [
        one
        for one in rule.choices
        if all(samples.get(other) in values for other, values in one.when.items())
    ]
    fitting = offered(counting, regions, day) if counting else words
    return next(iter(fitting), "")
