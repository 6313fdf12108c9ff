"""From the fields as a source wrote them to what lands: payload, canonical record, key, hash.

Everything here is pure: no database, no network, no clock. A `Mapper` is compiled once per load
from the YAML; `Mapper.land` turns one item into one row or raises RecordError.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ingestion.constraints import constraints, formulas, shown
from ingestion.errors import ContractBroken, RecordError
from ingestion.moments import Moment, WithoutYear, is_plausible, parse_moment
from ingestion.source import (
    UNDECLARED_IDENTITY,
    Entity,
    FieldRule,
    FieldType,
    IdentityKind,
    Region,
    Source,
)
from ingestion.vault import UNIT, Vault, is_pseudonym

Fields = dict[str, Any]
_YES = frozenset({"да", "true", "1", "yes", "y", "истина", "+"})
_NO = frozenset({"нет", "false", "0", "no", "n", "ложь"})
_SCALARS = frozenset({str, int, float, bool, type(None)})
_ABSENT = object()
# A date without a year: known to be there, not known when.
INCOMPLETE = object()
_REMEMBERED_NAMES = 4096
# What a contract on types can forgive.
_WRONG_TYPES = frozenset(
    {
        "bad_date",
        "bad_number",
        "bad_boolean",
        "date_out_of_range",
        "out_of_bounds",
        "unknown_value",
    }
)
_REMEMBERED_VALUES = 65_536


_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_json(value: Any) -> bytes:
    """One spelling per value: sorted keys, no spaces, UTF-8. UnicodeEncodeError: half a pair."""
    return _encode(value)


def key_prefix(source_code: str, region_code: str, entity: str) -> str:
    """What every record key of an entity and region is made of, before the native id."""
    return UNIT.join((source_code, region_code, entity, ""))


def record_key(source_code: str, region_code: str, entity: str, native_id: str) -> str:
    """The first 16 bytes of sha256(source ␟ region ␟ entity ␟ native id), as 32 hex digits."""
    text = key_prefix(source_code, region_code, entity) + native_id
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# --- what may be told of a value -------------------------------------------------------------

_SHOWN = 40
# What is nested deeper is no record.
_DEEPEST = 64
_MOST_DIGITS = 8


def shape(written: str) -> str:
    """A value for a reason that many may read: its form, not what it says.

    A column that has slipped brings names and phones where a date was meant. A date or an amount
    is told as it is: no letters, and too few digits for a phone or a document. Of anything else
    letters become `x` and digits `9`.
    """
    return repr(_form(written))


def _form(written: str) -> str:
    part = written[:_SHOWN] + ("…" if len(written) > _SHOWN else "")
    has_letters = any(character.isalpha() for character in written)
    if has_letters or sum(character.isdigit() for character in written) > _MOST_DIGITS:
        part = _DIGIT.sub("9", _LETTER.sub("x", part))
    return part


def form_shown(value: Any) -> str:
    """The same of a value of a canonical record, dates and numbers as people write them."""
    return _form(shown(value))


_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")

# --- reading source fields -----------------------------------------------------------------------


def _at_path(fields: Any, parts: tuple[str, ...]) -> Any:
    value = fields
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else _ABSENT
        else:
            return _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value


Getter = Callable[[Fields, Fields], Any]


def _getter(name: str, nested: bool) -> Getter:
    if name.startswith("@"):
        key = name[1:]
        return lambda fields, derived: derived.get(key, _ABSENT)
    if nested and "." in name:
        parts = tuple(name.split("."))
        return lambda fields, derived: _at_path(fields, parts)
    return lambda fields, derived: fields.get(name, _ABSENT)


def as_text(value: Any) -> str:
    """A scalar as the source would have written it; JSON for the rest."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dict | list):
        return canonical_json(value).decode()
    return str(value)


# What a canonical number can be; the rating of an answer is 1 to 5 (DOMAIN.md 2.3).
_BOUNDS = {
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "rating": (1, 5),
    "share": (0, 1),
    "hours": (0, 24 * 7),
    "population": (0, math.inf),
}

_SPACES = re.compile(r"[\s\u00a0\u202f]")

# --- one canonical field -------------------------------------------------------------------------

Reader = Callable[[Fields, Fields, datetime], Any]


@dataclass(frozen=True, slots=True)
class _Context:
    nulls: frozenset[str]
    formats: tuple[str, ...]
    zone: ZoneInfo
    nested: bool
    told_at: datetime | None


def _origin(rule: FieldRule, context: _Context, *, keep_empty: bool) -> Getter:
    """The value before it is typed: `_ABSENT` when the source gives nothing."""
    if rule.const is not None:
        return lambda fields, derived: rule.const
    if rule.join:
        parts = [_getter(name, context.nested) for name in rule.join]

        def joined(fields: Fields, derived: Fields) -> Any:
            values = [part(fields, derived) for part in parts]
            if any(
                v is _ABSENT or v is None or as_text(v).strip() in context.nulls for v in values
            ):
                return _ABSENT
            return rule.separator.join(as_text(v).strip() for v in values)

        return joined
    getters = [_getter(name, context.nested) for name in rule.from_]
    is_path = context.nested and any("." in name for name in rule.from_)
    if len(rule.from_) == 1 and not rule.from_[0].startswith("@") and not is_path:
        name, empty = rule.from_[0], context.nulls

        def only(fields: Fields, derived: Fields) -> Any:
            value = fields.get(name)
            if type(value) is str:
                return value if keep_empty or value.strip() not in empty else _ABSENT
            if value is None or type(value) is dict or type(value) is list:
                return _ABSENT
            return value

        return only

    def first(fields: Fields, derived: Fields) -> Any:
        found: Any = _ABSENT
        for getter in getters:
            value = getter(fields, derived)
            if value is _ABSENT or value is None:
                continue
            if isinstance(value, str):
                if value.strip() not in context.nulls:
                    return value
                if keep_empty and found is _ABSENT:
                    found = value
            elif isinstance(value, dict | list):
                continue
            else:
                return value
        return found

    return first


def _plain_field(rule: FieldRule, context: _Context) -> str | None:
    """The one field of the record that a rule takes as it is; None for every other rule."""
    if len(rule.from_) != 1 or rule.when or rule.from_[0].startswith("@"):
        return None
    if context.nested and "." in rule.from_[0]:
        return None
    return rule.from_[0]


def _compile(name: str, field_type: FieldType, rule: FieldRule, context: _Context) -> Reader:
    """A function (fields, derived, observed_at) → value or None."""
    blame = next(iter(rule.inputs), name)
    origin = _origin(rule, context, keep_empty=field_type == "raw")
    conditions = [
        (_getter(field, context.nested), frozenset(values)) for field, values in rule.when.items()
    ]

    def conditional(fields: Fields, derived: Fields) -> Any:
        for getter, allowed in conditions:
            value = getter(fields, derived)
            if value is _ABSENT or as_text(value).strip() not in allowed:
                return _ABSENT
        return origin(fields, derived)

    get = conditional if conditions else origin

    # Most fields are read as they are: each has a short way, and the long one for the rest.
    plain: Any = _plain_field(rule, context)

    def text(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        value = get(fields, derived)
        if value is _ABSENT:
            return None
        result = value if type(value) is str else as_text(value)
        if field_type == "text":
            result = result.strip()
        if rule.values:
            if result not in rule.values:
                raise RecordError("unknown_value", f"{blame} is {shape(result)}", field=blame)
            return rule.values[result]
        return result

    def number(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        value = get(fields, derived)
        if value is _ABSENT:
            return None
        try:
            if type(value) is float or type(value) is int:
                result = float(value)
            else:
                result = float(_SPACES.sub("", as_text(value)).replace(",", "."))
        except (ValueError, OverflowError):
            result = math.nan
        if not math.isfinite(result):
            raise RecordError("bad_number", f"{blame} is {shape(as_text(value))}", field=blame)
        least, most = _BOUNDS.get(name, (-math.inf, math.inf))
        if not least <= result <= most:
            raise RecordError("out_of_bounds", f"{blame} is {shape(f'{result:.15g}')}", field=blame)
        if field_type == "integer":
            if not result.is_integer():
                raise RecordError(
                    "bad_number", f"{blame} is {shape(f'{result:.15g}')}, not whole", field=blame
                )
            return int(result)
        return result

    exact = int if field_type == "integer" else float
    lowest, highest = _BOUNDS.get(name, (-sys.float_info.max, sys.float_info.max))
    highest = min(highest, sys.float_info.max)

    def number_as_it_is(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        value = fields.get(plain)
        if type(value) is exact and lowest <= value <= highest:
            return value
        if type(value) is not str or value.strip() in context.nulls:
            return number(fields, derived, observed_at)
        try:
            result = float(value)
        except ValueError:
            return number(fields, derived, observed_at)
        if lowest <= result <= highest and (exact is float or result.is_integer()):
            return exact(result)
        return number(fields, derived, observed_at)

    yes = frozenset(word.casefold() for word in rule.true)
    no = frozenset(word.casefold() for word in rule.false)

    def boolean(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        value = get(fields, derived)
        if isinstance(value, bool):
            return value
        if "*" in yes:
            return value is not _ABSENT
        if value is _ABSENT:
            return None
        word = as_text(value).strip().casefold()
        if word in (yes or _YES):
            return True
        if word in (no or _NO) or (yes and not no):
            return False
        raise RecordError("bad_boolean", f"{blame} is {shape(word)}", field=blame)

    formats = rule.formats or context.formats
    known: dict[str, Moment] = {}
    known_at: datetime | None = None

    def known_moment(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        value = fields.get(plain)
        if observed_at is known_at and type(value) is str:
            found = known.get(value)
            if found is not None:
                return found
        return moment(fields, derived, observed_at)

    def moment(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        nonlocal known_at
        value = get(fields, derived)
        if value is _ABSENT:
            return None
        if observed_at is not known_at:
            known.clear()
            known_at = observed_at
        written = as_text(value).strip()
        found = known.get(written)
        if found is None:
            try:
                found = parse_moment(
                    written, formats, context.zone, rule.end_of_day, context.told_at
                )
            except WithoutYear:
                return INCOMPLETE
            if found is None:
                raise RecordError(
                    "bad_date",
                    f"{blame} is {shape(written)}, declared are {', '.join(formats)}",
                    field=blame,
                )
            if not is_plausible(found.at, observed_at):
                raise RecordError("date_out_of_range", f"{blame} is {written[:40]!r}", field=blame)
            if len(known) >= _REMEMBERED_VALUES:
                known.clear()
            known[written] = found
        return found

    def day(fields: Fields, derived: Fields, observed_at: datetime) -> Any:
        parsed = moment(fields, derived, observed_at)
        if parsed is None or parsed is INCOMPLETE:
            return parsed
        return parsed.at.date().isoformat()

    readers: dict[FieldType, Reader] = {
        "text": text,
        "raw": text,
        "integer": number if plain is None else number_as_it_is,
        "number": number if plain is None else number_as_it_is,
        "boolean": boolean,
        "datetime": moment if plain is None else known_moment,
        "date": day,
    }
    return readers[field_type]


# --- identities ----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def undeclared_identity(name: str) -> IdentityKind | None:
    """The kind of a field whose name betrays personal data, though no YAML declares it."""
    for pattern, kind in UNDECLARED_IDENTITY:
        if pattern.search(name.strip()):
            return kind
    return None


class Pseudonymiser:
    """Replaces declared and betraying fields by pseudonyms; tells what it replaced.

    Paths: a column name for tables; for JSON dotted names, `*` for every element or key and a
    leading `**.` for any depth.
    """

    def __init__(self, entity: Entity, vault: Vault, *, nested: bool) -> None:
        self._vault = vault
        self._nested = nested
        self._kinds = dict(entity.identity)
        self._nulls = frozenset(entity.nulls)
        self._columns: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        # Of the record before: the next one mostly has the same fields.
        self._names: tuple[str, ...] | None = None
        self._replaced: list[tuple[str, str]] = []
        self._pseudonyms: dict[tuple[str, str], str] = {}
        self._anywhere = {
            path[3:]: kind for path, kind in entity.identity.items() if path.startswith("**.")
        }
        self._paths = [
            (tuple(path.split(".")), kind)
            for path, kind in entity.identity.items()
            if not path.startswith(("**.", "@"))
        ]
        self._has_context = any(path.startswith("@") for path in entity.identity)
        self._texts = frozenset(
            name
            for field in ("text", "reply_text")
            if field in entity.record
            for name in entity.record[field].from_
        )

    def apply(self, fields: Fields) -> tuple[Fields, dict[str, tuple[str, str]]]:
        """The fields without identities, and pseudonym → (kind, value) of what was taken out."""
        taken: dict[str, tuple[str, str]] = {}
        names = tuple(fields)
        if names != self._names:
            known = self._columns.get(names)
            self._replaced = self._learn(names) if known is None else known
            self._names = names
        replaced = self._replaced
        result = dict(fields)
        for name, kind in replaced:
            result[name] = self._replace(kind, fields[name], taken)
        if not self._nested:
            return result, taken
        if not _SCALARS.issuperset(map(type, fields.values())):
            identities = {name for name, _ in replaced}
            for name, value in fields.items():
                if name not in identities:
                    result[name] = self._walk(value, (name,), taken)
        if not taken:
            return result, taken
        accounts = {
            value: pseudonym for pseudonym, (kind, value) in taken.items() if kind == "account"
        }
        if accounts:
            result = {
                name: value if name in self._texts else _scrub(value, accounts)
                for name, value in result.items()
            }
        return result, taken

    def _learn(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Which fields of the record itself are identities; most records have the same ones."""
        if len(self._columns) >= _REMEMBERED_NAMES:
            self._columns.clear()
        kinds = (
            (name, self._kind_at((name,)) if self._nested else self._kind_of(name))
            for name in names
        )
        found = [(name, kind) for name, kind in kinds if kind is not None]
        self._columns[names] = found
        return found

    def _kind_of(self, column: str) -> str | None:
        return self._kinds.get(column) or undeclared_identity(column)

    def apply_to_context(self, derived: Fields, taken: dict[str, tuple[str, str]]) -> Fields:
        """What the client derived, with the names declared as `@name` replaced too."""
        if not self._has_context or not derived:
            return derived
        return {
            name: self._replace(self._kinds[f"@{name}"], value, taken)
            if f"@{name}" in self._kinds
            else value
            for name, value in derived.items()
        }

    def _kind_at(self, path: tuple[str, ...]) -> IdentityKind | None:
        kind = self._anywhere.get(path[-1])
        if kind is None:
            kind = next((k for parts, k in self._paths if _matches(parts, path)), None)
        return undeclared_identity(path[-1]) if kind is None else kind

    def _walk(self, value: Any, path: tuple[str, ...], taken: dict[str, Any]) -> Any:
        """The parts of a value that is no identity itself."""
        if len(path) > _DEEPEST:
            raise RecordError("nested_too_deep", f"Deeper than {_DEEPEST}", field=path[0])
        if isinstance(value, dict):
            return {name: self._part(part, (*path, name), taken) for name, part in value.items()}
        if isinstance(value, list):
            inside = (*path, "*")
            return [self._part(part, inside, taken) for part in value]
        return value

    def _part(self, value: Any, path: tuple[str, ...], taken: dict[str, Any]) -> Any:
        kind = self._kind_at(path)
        if kind is not None:
            return self._replace(kind, value, taken)
        return self._walk(value, path, taken)

    def _replace(self, kind: str, value: Any, taken: dict[str, tuple[str, str]]) -> Any:
        if type(value) is str:
            known = self._pseudonyms.get((kind, value))
            if known is not None:
                taken[known] = (kind, value)
                return known
        # A record that comes back from quarantine may carry pseudonyms already.
        if value is None or isinstance(value, bool) or is_pseudonym(value):
            return value
        written = as_text(value)
        if written.strip() in self._nulls or written in ("[]", "{}"):
            return value
        # Communities have negative ids on VK, 0 is nobody: neither is a person.
        if kind == "account" and (written.startswith("-") or written == "0"):
            return value
        known = self._pseudonyms.get((kind, written))
        if known is None:
            if len(self._pseudonyms) >= _REMEMBERED_VALUES:
                self._pseudonyms.clear()
            known = self._vault.pseudonym(kind, written)
            self._pseudonyms[kind, written] = known
        taken[known] = (kind, written)
        return known


def _matches(parts: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(parts) == len(path) and all(
        part in ("*", name) for part, name in zip(parts, path, strict=True)
    )


def _scrub(value: Any, accounts: dict[str, str]) -> Any:
    """Account numbers inside addresses (vk.com/doc<account>_<number>) are identities too."""
    if isinstance(value, str):
        for account, pseudonym in accounts.items():
            if account in value:
                value = re.sub(rf"(?<!\d){re.escape(account)}(?!\d)", pseudonym, value)
        return value
    if isinstance(value, dict):
        return {k: _scrub(v, accounts) for k, v in value.items()}
    if isinstance(value, list):
        return [_scrub(v, accounts) for v in value]
    return value


# --- one row -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What lands of one item.

    With `key: content` there is no key yet, and `native_id` is the digest of the content: which
    of several equal records this is, only the loader sees, who has all of them.
    """

    key: bytes | None
    native_id: str
    payload: bytes
    record: bytes
    content_hash: bytes
    changed_at: datetime | None
    identities: dict[str, tuple[str, str]]


class Mapper:
    """Turns items of one entity and region into rows, by the YAML's declarations.

    `told_at` is when the delivery was made, if that is known.
    """

    def __init__(
        self,
        source: Source,
        entity: Entity,
        region: Region,
        vault: Vault,
        told_at: datetime | None = None,
    ) -> None:
        self._source = source
        self._entity = entity
        self._region = region
        self._nested = source.is_nested(entity)
        self._pseudonymiser = Pseudonymiser(entity, vault, nested=self._nested)
        context = _Context(
            nulls=frozenset(entity.nulls),
            formats=entity.formats,
            zone=region.zone,
            nested=self._nested,
            told_at=told_at,
        )
        self._context = context
        self._texts: list[tuple[str, str]] = []
        self._readers: list[tuple[str, FieldType, Reader]] = []
        for name, rule in entity.record.items():
            field_type = entity.type_of(name)
            plain = _plain_field(rule, context)
            if field_type == "text" and plain is not None and not rule.values:
                self._texts.append((name, plain))
            else:
                self._readers.append((name, field_type, _compile(name, field_type, rule, context)))
        self._key = (
            None
            if entity.key == "content"
            else [(name, _getter(name, self._nested)) for name in entity.key]
        )
        self._changed = (
            None
            if entity.changed is None
            else _compile(
                "changed", "datetime", FieldRule.model_validate({"from": entity.changed}), context
            )
        )
        self._volatile = frozenset(entity.volatile)
        self._key_digest = hashlib.sha256(
            key_prefix(source.code, region.code, entity.name).encode()
        )
        self._separator = "/" if entity.role == "event" else "_"
        self._contract = entity.contract
        self._known = frozenset(name.split(".")[0] for name in entity.fields) | {
            name for name in entity.fields if not self._nested
        }
        self._constraints = constraints(entity, {region.code}, form_shown)
        self._is_kept_by_people = entity.template is not None
        # Rows of a table have the same columns: which of them are unknown is found out once.
        self._unknown_of: dict[tuple[str, ...], list[str]] = {}
        self._names: tuple[str, ...] | None = None
        self._unknown: list[str] = []
        self.unknown: dict[str, None] = {}

    def native_id_of(self, fields: Fields, derived: Fields) -> str | None:
        """The native id when the declared key is filled, without touching anything else."""
        if self._key is None:
            return None
        if self._is_kept_by_people and any(e.field in self._entity.key for e in formulas(fields)):
            return None
        try:
            payload, taken = self._pseudonymiser.apply(fields)
            derived = self._pseudonymiser.apply_to_context(derived, taken)
            return self._native_id(payload, derived)
        except (RecordError, UnicodeEncodeError):
            return None

    def lasting(self, fields: Fields) -> bytes:
        """What of a record makes a version of it, as bytes; `surrogatepass`, it may be broken."""
        text = json.dumps(self._lasting(fields), ensure_ascii=False, sort_keys=True)
        return text.encode("utf-8", "surrogatepass")

    def _native_id(self, payload: Fields, derived: Fields) -> str:
        if self._key is None:
            return self._digest(payload)
        parts = []
        for name, getter in self._key:
            value = getter(payload, derived)
            written = "" if value is _ABSENT or value is None else as_text(value).strip()
            if written in self._context.nulls:
                if self._entity.keyless == "content":
                    return f"content:{self._digest(payload)}"
                raise RecordError("missing_key", f"{name} is empty", field=name)
            parts.append(written)
        return self._separator.join(parts)

    def _digest(self, payload: Fields) -> str:
        return hashlib.sha256(canonical_json(self._lasting(payload))).hexdigest()[:32]

    def _lasting(self, payload: Fields) -> Fields:
        if not self._volatile:
            return payload
        return {name: value for name, value in payload.items() if name not in self._volatile}

    def _met_unknown(self, fields: Fields) -> Fields:
        """Fields that the YAML does not name: told, and treated as the contract says."""
        names = tuple(fields)
        if names != self._names:
            self._unknown = self._unknown_of.get(names) or self._meet(names)
            self._names = names
        mode = self._contract.columns
        if mode == "discard_value":
            return {name: value for name, value in fields.items() if name in self._known}
        if mode != "evolve":
            filled = next((name for name in self._unknown if _is_filled(fields[name])), None)
            if filled is not None:
                raise RecordError("unknown_column", f"{filled} is not declared", field=filled)
        return fields

    def _meet(self, names: tuple[str, ...]) -> list[str]:
        """Which of these fields the YAML does not name; they are told once."""
        if len(self._unknown_of) >= _REMEMBERED_NAMES:
            self._unknown_of.clear()
        unknown = [name for name in names if name not in self._known]
        self._unknown_of[names] = unknown
        for name in unknown[: _REMEMBERED_NAMES - len(self.unknown)]:
            self.unknown.setdefault(name)
        return unknown

    def _met_wrong_type(
        self, name: str, error: RecordError, payload: Fields, derived: Fields, record: Fields
    ) -> None:
        mode = self._contract.data_type
        if mode == "freeze":
            raise ContractBroken(error) from None
        if mode == "discard_row" or error.code not in _WRONG_TYPES:
            raise error
        record.setdefault("discarded_values", []).append(name)
        if mode == "evolve":
            value = _origin(self._entity.record[name], self._context, keep_empty=True)(
                payload, derived
            )
            record[f"{name}_as_written"] = None if value is _ABSENT else as_text(value)

    def land(self, fields: Fields, derived: Fields, observed_at: datetime) -> Row:
        """One row. Raises RecordError naming the field that is to blame."""
        if self._is_kept_by_people:
            for error in formulas(fields):
                raise error
        if not fields.keys() <= self._known:
            fields = self._met_unknown(fields)
        payload, identities = self._pseudonymiser.apply(fields)
        derived = self._pseudonymiser.apply_to_context(derived, identities)
        record: dict[str, Any] = {}
        if self._entity.kind is not None:
            record["kind"] = self._entity.kind
        nulls = self._context.nulls
        for name, origin in self._texts:
            value = payload.get(origin)
            if type(value) is str:
                value = value.strip()
                if value not in nulls:
                    record[name] = value
            elif value is not None and type(value) is not dict and type(value) is not list:
                record[name] = as_text(value).strip()
        for name, field_type, reader in self._readers:
            try:
                value = reader(payload, derived, observed_at)
            except RecordError as error:
                self._met_wrong_type(name, error, payload, derived, record)
                continue
            if value is None:
                continue
            if value is INCOMPLETE:
                # No year, and nobody told when the delivery was made: nothing is made up.
                record.setdefault("incomplete_dates", []).append(name)
                continue
            if field_type == "datetime":
                record[name] = value.written
                if name == "received_at" or name == "closed_at":
                    record[f"{name[:-3]}_has_time"] = value.has_time
            else:
                record[name] = value
        if self._source.deadline == "source" and "source_due_at" in record:
            record["due_at"] = record["source_due_at"]
        if self._constraints is not None:
            self._constraints.check(record)
        changed = None if self._changed is None else self._changed(payload, derived, observed_at)
        changed_at = changed.at if isinstance(changed, Moment) else None
        try:
            native_id = self._native_id(payload, derived)
            if self._key is not None:
                record["native_id"] = native_id
            payload_json = _encode(payload)
            record_json = _encode(record)
            lasting = payload_json if not self._volatile else canonical_json(self._lasting(payload))
        except UnicodeEncodeError as error:
            raise RecordError("invalid_character", "half of a surrogate pair") from error
        # Most texts have no backslash at all, which is told fast.
        if b"\\" in payload_json and b"\\u0000" in payload_json and _holds_nul(payload):
            raise RecordError("invalid_character", "a NUL character")
        key = None
        if self._key is not None:
            digest = self._key_digest.copy()
            digest.update(native_id.encode())
            key = digest.digest()[:16]
        content_hash = hashlib.sha256(lasting + b"\n" + record_json).digest()
        return Row(key, native_id, payload_json, record_json, content_hash, changed_at, identities)


def _is_filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _holds_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    return False


def required_fields(entity: Entity) -> list[tuple[str, ...]]:
    """For each rule that is not optional: the source fields of which one must be there."""
    groups: list[tuple[str, ...]] = []
    if entity.key != "content":
        groups.extend((name,) for name in entity.key)
    for rule in entity.record.values():
        if rule.optional:
            continue
        if rule.from_:
            groups.append(rule.from_)
        groups.extend((name,) for name in (*rule.join, *rule.when))
    return [group for group in groups if not any(name.startswith("@") for name in group)]
