"""The model of a source's YAML: what is read from where, and what each field means.

A source is declared, not coded. `load_sources` reads a folder of YAML files, fills in
`${VARIABLE}` from the environment that it is given, and returns them by code (= file name). A
source with a variable that is not set stays declared but is not enabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ingestion.dialect import Dialect, Discovery
from ingestion.errors import SourceDefinitionError, UnknownRegionError
from ingestion.registers.contract import REMARKS_COLUMN, Choices, Example, Template

SOURCES_FOLDER = Path(__file__).resolve().parent / "sources"

Role = Literal[
    "case",
    "card",
    "event",
    "roster",
    "checked_reply",
    "population",
    "service",
    "vote",
    "survey_answer",
    "body",
    "official_page",
    "project",
    "project_risk",
    "project_stage",
    "indicator",
    "measure",
    "order",
    "media_item",
    "information_request",
    "correction",
    "register",
]
FieldType = Literal["text", "raw", "integer", "number", "boolean", "datetime", "date"]
IdentityKind = Literal["person", "phone", "email", "account", "staff", "document", "address"]

# The canonical fields of each role, in the order in which readers expect them, with their type.
CANONICAL_FIELDS: dict[str, dict[str, FieldType]] = {
    "case": {
        "native_id": "text",
        "kind": "text",
        "received_at": "datetime",
        "source_due_at": "datetime",
        "closed_at": "datetime",
        "is_closed": "boolean",
        "status": "text",
        "stage": "text",
        "source_verdict": "raw",
        "topic": "text",
        "category": "text",
        "subcategory": "text",
        "fact": "text",
        "received_body": "text",
        "body": "text",
        "text": "raw",
        "reply_text": "raw",
        "channel": "text",
        "address": "text",
        "latitude": "number",
        "longitude": "number",
        "municipality": "text",
        "regime": "text",
        "is_59fz": "boolean",
        "is_fast_track": "boolean",
        "priority": "text",
        "rating": "integer",
        "is_reopened": "boolean",
        "external_number": "text",
        "applicant_key": "text",
        "author_key": "text",
        "parent_native_id": "text",
        "is_by_body": "boolean",
        "exclusion": "text",
        "resolution": "text",
        "is_deleted_at_source": "boolean",
        "is_repost": "boolean",
        "url": "text",
    },
    "card": {
        "native_id": "text",
        "text": "raw",
        "reply_text": "raw",
        "address": "text",
        "municipality": "text",
        "latitude": "number",
        "longitude": "number",
        "questions_raised": "integer",
        "questions_answered": "integer",
        "applicant_key": "text",
    },
    "event": {
        "native_id": "text",
        "case_native_id": "text",
        "cycle_no": "integer",
        "event": "text",
        "occurred_at": "datetime",
        "body": "text",
        "new_due_at": "datetime",
        "rating": "integer",
    },
    "roster": {
        "native_id": "text",
        "week_start": "date",
        "block": "text",
        "staff_key": "text",
        "hours": "number",
        "share": "number",
    },
    "checked_reply": {
        "native_id": "text",
        "case_native_id": "text",
        "body": "text",
        "checked_at": "datetime",
        "is_passed": "boolean",
    },
    "population": {
        "native_id": "text",
        "municipality": "text",
        "oktmo": "text",
        "year": "integer",
        "population": "integer",
    },
    "service": {
        "native_id": "text",
        "service_code": "text",
        "service_name": "text",
        "group": "text",
    },
    # Registers that people keep (docs/sources/registers.md says which clause asks for each).
    "vote": {
        "native_id": "text",
        "title": "text",
        "kind": "text",
        "topic": "text",
        "block": "text",
        "municipality": "text",
        "place": "text",
        "platform": "text",
        "started_on": "date",
        "ended_on": "date",
        "participants": "integer",
        "proposals": "integer",
        "leading_option": "text",
        "leading_votes": "integer",
        "decision": "text",
        "decision_state": "text",
        "decided_on": "date",
        "body": "text",
        "due_on": "date",
        "implemented_on": "date",
        "url": "text",
        "note": "text",
    },
    "survey_answer": {
        "native_id": "text",
        "title": "text",
        "method": "text",
        "block": "text",
        "municipality": "text",
        "body": "text",
        "agreed_on": "date",
        "started_on": "date",
        "ended_on": "date",
        "respondents": "integer",
        "question": "text",
        "answer": "text",
        "answers": "integer",
        "is_satisfied": "boolean",
        "note": "text",
    },
    "body": {
        "native_id": "text",
        "name": "text",
        "short_name": "text",
        "body_kind": "text",
        "block": "text",
        "municipality": "text",
        "predecessor_code": "text",
        "valid_from": "date",
        "valid_to": "date",
        "act": "text",
        "working_days": "text",
        "work_start": "text",
        "work_end": "text",
        "short_day_end": "text",
        "break_start": "text",
        "break_end": "text",
        "note": "text",
    },
    "official_page": {
        "native_id": "text",
        "body": "text",
        "platform": "text",
        "title": "text",
        "is_confirmed": "boolean",
        "subscribers": "integer",
        "opened_on": "date",
        "closed_on": "date",
        "checked_on": "date",
        "responsible_key": "text",
        "note": "text",
    },
    "project": {
        "native_id": "text",
        "title": "text",
        "block": "text",
        "body": "text",
        "responsible_key": "text",
        "state": "text",
        "passport_agreed_on": "date",
        "passport_approved_on": "date",
        "started_on": "date",
        "due_on": "date",
        "completed_on": "date",
        "progress_percent": "number",
        "reported_on": "date",
        "is_in_road_map": "boolean",
        "programme": "text",
        "note": "text",
    },
    "project_risk": {
        "native_id": "text",
        "project_code": "text",
        "block": "text",
        "risk": "text",
        "probability": "text",
        "impact": "text",
        "mitigation": "text",
        "responsible_key": "text",
        "identified_on": "date",
        "reviewed_on": "date",
        "escalated_on": "date",
        "decision": "text",
        "state": "text",
        "closed_on": "date",
        "note": "text",
    },
    "project_stage": {
        "native_id": "text",
        "project_code": "text",
        "block": "text",
        "stage": "text",
        "body": "text",
        "responsible_key": "text",
        "due_on": "date",
        "state": "text",
        "done_on": "date",
        "note": "text",
    },
    "indicator": {
        "native_id": "text",
        "indicator_code": "text",
        "indicator_name": "text",
        "kind": "text",
        "direction": "text",
        "body": "text",
        "block": "text",
        "period": "text",
        "unit": "text",
        "target_value": "number",
        "declared_value": "number",
        "evidence": "text",
        "declared_by_key": "text",
        "declared_on": "date",
        "state": "text",
        "verified_by_key": "text",
        "verified_on": "date",
        "approved_on": "date",
        "rejection_reason": "text",
        "note": "text",
    },
    "measure": {
        "native_id": "text",
        "title": "text",
        "kind": "text",
        "cause": "text",
        "topic": "text",
        "block": "text",
        "municipality": "text",
        "place": "text",
        "body": "text",
        "responsible_key": "text",
        "planned_start_on": "date",
        "due_on": "date",
        "state": "text",
        "started_on": "date",
        "completed_on": "date",
        "cancelled_on": "date",
        "cancel_reason": "text",
        "order_number": "text",
        "note": "text",
    },
    "order": {
        "native_id": "text",
        "question": "text",
        "basis": "text",
        "topic": "text",
        "block": "text",
        "municipality": "text",
        "place": "text",
        "raised_on": "date",
        "level": "text",
        "agreed_on": "date",
        "protocol_number": "text",
        "protocol_on": "date",
        "order_text": "text",
        "body": "text",
        "due_on": "date",
        "done_on": "date",
        "state": "text",
        "removal_reason": "text",
        "note": "text",
    },
    "media_item": {
        "native_id": "text",
        "title": "text",
        "kind": "text",
        "outlet": "text",
        "audience": "text",
        "block": "text",
        "municipality": "text",
        "body": "text",
        "responsible_key": "text",
        "agreed_on": "date",
        "planned_on": "date",
        "state": "text",
        "held_on": "date",
        "reach": "integer",
        "url": "text",
        "note": "text",
    },
    "information_request": {
        "native_id": "text",
        "requester": "text",
        "kind": "text",
        "subject": "text",
        "received_on": "date",
        "due_on": "date",
        "body": "text",
        "responsible_key": "text",
        "answered_on": "date",
        "answer_number": "text",
        "note": "text",
    },
    "correction": {
        "native_id": "text",
        "case_source": "text",
        "case_native_id": "text",
        "field": "text",
        "new_value": "text",
        "reason": "text",
        "decided_by_key": "text",
        "decided_at": "datetime",
        "note": "text",
    },
    # A register of a region's own: its fields are those that its YAML names, each with its type.
    "register": {},
}

# Names under which sources deliver personal data without saying so. A field that matches and is
# not declared is replaced all the same: a new column must not land a name in the clear.
UNDECLARED_IDENTITY: tuple[tuple[re.Pattern[str], IdentityKind], ...] = (
    (re.compile(r"телефон|моб\.|^phone$|phone_number|mobile", re.IGNORECASE), "phone"),
    (re.compile(r"^e-?mail$|электронн\w+ (почт|адрес)|эл\. почта", re.IGNORECASE), "email"),
    (re.compile(r"паспорт|снилс|^инн |passport|snils", re.IGNORECASE), "document"),
    (
        re.compile(
            r"(^|[^а-яё])фио([^а-яё]|$)|фамили|отчество|^заявитель$|^автор$"
            r"|requestor|^(first|last|full|middle)_?name$|^account_id$|^device_id$",
            re.IGNORECASE,
        ),
        "person",
    ),
)


# A scheme of one letter is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_SCHEMES = ("https", "http", "sftp")


def _readable(address: str) -> str:
    """An address of a scheme that is read, or a path; ValueError for `file:`, `ftp:` and others."""
    match = _SCHEME.match(address)
    if match is not None and match[1] not in _SCHEMES:
        raise ValueError(
            f"{match[1]}: is not read; give an address of {', '.join(_SCHEMES)}, a file or a folder"
        )
    if match is not None and not urlsplit(address).hostname and "${" not in address:
        raise ValueError(f"{match[1]}: without a host")
    return address


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Window:
    """What a run asks of a source: records of `start` ≤ date < `end`; both carry an offset."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs moments with a UTC offset, e.g. +03:00")
        if self.start >= self.end:
            raise ValueError(f"the window is empty: {self.start} is not before {self.end}")


class Description(_Declaration):
    """One sentence for officials and one for engineers."""

    ru: str = Field(min_length=10)
    en: str = Field(min_length=10)


class Freshness(_Declaration):
    """Hours since the newest load after which the source is late."""

    warn_hours: int = Field(gt=0)
    error_hours: int = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Freshness:
        if self.warn_hours > self.error_hours:
            raise ValueError("warn_hours must not exceed error_hours")
        return self


class WindowRule(_Declaration):
    """How much a scheduled run asks for: `days`, beginning `lookback_days` earlier."""

    days: int = Field(gt=0)
    lookback_days: int = Field(0, ge=0)


class Wall(_Declaration):
    """A public VK wall; communities have negative ids."""

    owner_id: int
    title: str = ""


class Channel(_Declaration):
    """A public Telegram channel or group.

    `name` is what follows t.me/, `id` its number in an export. What a channel of a body writes
    (`is_body`) is no case.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{3,31}$")
    id: int | None = None
    title: str = ""
    is_body: bool = False


class Group(_Declaration):
    """A public group of Odnoklassniki. What a group of a body writes (`is_body`) is no case."""

    gid: str = Field(pattern=r"^[0-9]{1,20}$")
    title: str = ""
    is_body: bool = False


class Feed(_Declaration):
    """RSS or Atom of one outlet; `url` may be relative to the region's endpoint."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    url: str = Field(min_length=1)
    title: str = ""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return _readable(value)


class Region(_Declaration):
    """One region that the source delivers for, with its endpoint: http(s) URL, file or folder.

    `discovery` stands in place of the endpoint where a document of the source names it.
    """

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    time_zone: str
    endpoint: str = ""
    discovery: Discovery | None = None
    dialect: Dialect | None = None
    files: dict[str, str] = Field(
        default_factory=dict, description="Entity: pattern of its file names in this region"
    )
    host_key: str | None = Field(
        None, description="SFTP: the public key of the server, as in a known_hosts file"
    )
    walls: tuple[Wall, ...] = ()
    queries: tuple[str, ...] = Field((), description="What is searched for on VK")
    channels: tuple[Channel, ...] = ()
    groups: tuple[Group, ...] = ()
    feeds: tuple[Feed, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, e.g. Europe/Moscow") from error
        return value

    @field_validator("endpoint")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        return _readable(value)

    @field_validator("discovery", mode="before")
    @classmethod
    def _address(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_address(self) -> Region:
        if bool(self.endpoint) == (self.discovery is not None):
            raise ValueError("endpoint: give it, or discovery, and not both")
        if self.is_sftp and len((self.host_key or "").split()) < 2:
            raise ValueError("host_key: SFTP needs the server's key, e.g. `ssh-ed25519 AAAA…`")
        return self

    @property
    def is_sftp(self) -> bool:
        return self.endpoint.startswith("sftp://")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_remote(self) -> bool:
        # A file that is delivered by hand takes the place of both.
        if not self.endpoint:
            return self.discovery is not None
        return self.endpoint.startswith(("http://", "https://"))


class Format(_Declaration):
    """How a file is written. `auto` takes the kind from its name, workbooks by their first bytes.

    `encoding` and `separator` may be `detect`: what was found stands in the ledger. `header_row`
    is the number of the row with the headings, or `find`. `layouts` are sets of columns that tell
    one form of a table from another. `footer` are patterns of rows that close a table.
    """

    type: Literal["auto", "csv", "tsv", "xlsx", "ods", "json", "jsonl", "xml"] = "auto"
    encoding: str = "utf-8"
    separator: str = Field(",", pattern=r"^(.|detect)$")
    sheet: str | None = Field(None, description="Name or pattern; otherwise the first sheet")
    header_row: int | Literal["find"] = 1
    layouts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    footer: tuple[str, ...] = ()
    records: str | None = Field(
        None, description="JSON: dotted path to the list. XML: name of the element of a record"
    )
    max_unpacked_megabytes: int = Field(600, gt=0)

    @model_validator(mode="after")
    def _reads_records(self) -> Format:
        if self.type == "xml" and not self.records:
            raise ValueError("records: XML needs the name of the element that is a record")
        return self

    @field_validator("footer")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return value

    @property
    def is_nested(self) -> bool:
        """True when a record is a tree."""
        return self.type in ("json", "jsonl", "xml")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value == "detect":
            return value
        try:
            "".encode(value)
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding, e.g. utf-8 or cp1251") from error
        return value


class FileTime(_Declaration):
    """When a delivery was observed, told by its name.

    `pattern` is a regular expression whose named groups `time` and, optionally, `offset_hours`
    and `offset_minutes` are found in the name; `format` is the strptime format of `time`.
    Without an offset the region's time zone counts. `offset_sign` is for names that lost the sign
    (`…-01-00` where `:` and `+` were both written as `-`).
    """

    pattern: str
    format: str
    offset_sign: Literal["+", "-"] = "+"

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "time" not in groups:
            raise ValueError("the pattern needs a group (?P<time>…)")
        return value


class FieldRule(_Declaration):
    """Where one canonical field comes from.

    `from` names one field or several (the first that is filled counts); `join` puts several
    together; `const` is a fixed text; `@name` is what the client knows from the context of the
    answer. `when` leaves the field empty unless another field holds one of the values.

    What the value must be (`ingestion.constraints`): `required`, always or for records whose
    other canonical fields hold one of the values (`required_when`); one of `choices`; of the
    `pattern`; between `minimum` and `maximum`, both included; a `weekday` (1 = Monday); not before
    another date (`not_before`); other than another field (`differs_from`). `explanation` and
    `example` are for the people who fill in a register.
    """

    from_: tuple[str, ...] = Field((), alias="from")
    join: tuple[str, ...] = ()
    separator: str = "_"
    const: str | bool | int | float | None = None
    type: FieldType | None = None
    formats: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    values: dict[str, str] = Field(default_factory=dict)
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    end_of_day: bool = Field(
        False, description="A date without a time means the end of that local day"
    )
    optional: bool = False
    required: bool = False
    required_when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    choices: tuple[Choices, ...] = ()
    pattern: str | None = None
    minimum: date | float | None = None
    maximum: date | float | None = None
    weekday: int | None = Field(None, ge=1, le=7)
    not_before: str | None = None
    differs_from: str | None = None
    explanation: str = ""
    example: Example | None = None

    @field_validator("from_", "join", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("choices", mode="before")
    @classmethod
    def _one_list_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, dict) else value

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @field_validator("when", "required_when", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: (v,) if isinstance(v, str) else v for key, v in value.items()}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> FieldRule:
        if sum([bool(self.from_), bool(self.join), self.const is not None]) != 1:
            raise ValueError("exactly one of from, join and const must be given")
        if self.required and self.optional:
            raise ValueError("a required field cannot be optional (a column that may be absent)")
        return self

    @property
    def compared(self) -> tuple[str, ...]:
        """The other canonical fields of the record that its value is held against."""
        named = {*self.required_when, *(name for one in self.choices for name in one.when)}
        return (*sorted(named), *(one for one in (self.not_before, self.differs_from) if one))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every source field that the rule reads."""
        return (*self.from_, *self.join, *self.when)

    @property
    def has_example(self) -> bool:
        """True when people can be shown a value: a declared one or the first of a list."""
        return self.example is not None or bool(self.choices) or bool(self.values)


class Contract(_Declaration):
    """What happens when the source changes its shape; modes as dlt names them.

    `columns`, a field that the YAML does not name: `evolve` lands it in the payload, `discard_row`
    quarantines the records that fill it, `discard_value` drops it, `freeze` stops: a table goes to
    quarantine whole, of other answers every such record does. Its name is recorded in any case.
    `data_type`, a value that is not of its field's type: `discard_row` quarantines the record,
    `discard_value` lands it without the value, `evolve` lands the value as the source wrote it,
    under the name with `_as_written`, `freeze` fails the load and nothing of it lands.
    `missing`, a table without a column that is needed: `freeze` quarantines it whole, `evolve`
    lands it with the field empty.
    """

    columns: Literal["evolve", "freeze", "discard_row", "discard_value"] = "evolve"
    data_type: Literal["evolve", "freeze", "discard_row", "discard_value"] = "discard_row"
    missing: Literal["evolve", "freeze"] = "freeze"


class Entity(_Declaration):
    """One kind of record that a source delivers, and the raw table it lands in."""

    name: str = ""
    table: str = Field(pattern=r"^[a-z][a-z0-9_]{0,48}$")
    role: Role
    kind: Literal["appeal", "request", "post", "comment"] | None = None
    key: tuple[str, ...] | Literal["content"]
    keyless: Literal["refuse", "content"] = Field(
        "refuse", description="A record whose key is empty: quarantined, or known by its content"
    )
    record: dict[str, FieldRule]
    identity: dict[str, IdentityKind] = Field(default_factory=dict)
    volatile: tuple[str, ...] = ()
    changed: str | None = Field(None, description="Source field: when the record last changed")
    formats: tuple[str, ...] = ("iso",)
    nulls: tuple[str, ...] = ("", "-")
    listing: Literal["complete", "window", "open"] = "open"
    holds: Literal["all", "open_only"] = Field(
        "all", description="open_only: what leaves the listing is finished, not deleted"
    )
    format: Format = Format()
    files: str | None = Field(None, description="Pattern of file names in a folder")
    endpoint: str | None = Field(None, description="Added to the region's endpoint")
    recorded: str | None = Field(
        None, description="Address that lists recorded methods and the number of their answers"
    )
    contract: Contract = Contract()
    template: Template | None = Field(
        None, description="What people read who keep it: makes it a register of `tsur register`"
    )

    @model_validator(mode="before")
    @classmethod
    def _remarks(cls, value: Any) -> Any:
        # A file that a check sent back may keep its column: known, and no part of a version.
        if isinstance(value, dict) and value.get("template"):
            return {**value, "volatile": [*value.get("volatile", ()), REMARKS_COLUMN]}
        return value

    @field_validator("key", mode="before")
    @classmethod
    def _key_parts(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value != "content" else value

    @field_validator("record", mode="before")
    @classmethod
    def _short_rules(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {"from": rule} if isinstance(rule, str | list) else rule
            for name, rule in value.items()
        }

    @model_validator(mode="after")
    def _canonical(self) -> Entity:
        known = CANONICAL_FIELDS[self.role]
        unknown = [] if self.role == "register" else sorted(set(self.record) - set(known))
        if unknown:
            raise ValueError(
                f"record: {', '.join(unknown)} are no canonical fields of the role {self.role}; "
                f"it has {', '.join(known)}"
            )
        if self.role == "case" and self.kind is None and "kind" not in self.record:
            raise ValueError("kind: a case needs its kind (appeal, request, post or comment)")
        if self.holds == "open_only" and (self.role != "case" or self.listing == "open"):
            raise ValueError(
                "holds: open_only is for cases whose listing is complete or a window: "
                "otherwise nobody sees what has left it"
            )
        if self.key == () or "native_id" in self.record:
            raise ValueError("key: the native id is made of the key; do not map native_id")
        return self

    @model_validator(mode="after")
    def _constrained(self) -> Entity:
        for name, rule in self.record.items():
            strangers = sorted(set(rule.compared) - set(self.record))
            if strangers:
                raise ValueError(f"record.{name}: {', '.join(strangers)} is not in the record")
            is_sealed = not self.identity.keys().isdisjoint(rule.inputs)
            if is_sealed and (rule.choices or rule.pattern or rule.values):
                raise ValueError(f"record.{name}: an identity is replaced before it is checked")
        return self

    @model_validator(mode="after")
    def _explained(self) -> Entity:
        if self.template is None:
            return self
        if self.format.header_row not in (1, "find"):
            raise ValueError("format.header_row: a template has its headings in the first row")
        headings = {name for rule in self.record.values() for name in rule.inputs}
        key = set(() if self.key == "content" else self.key)
        beside = sorted(set(self.template.columns) - key)
        if beside:
            raise ValueError(
                f"template.columns: {', '.join(beside)} is no key; a column that is only kept "
                "is mapped in record, e.g. as note"
            )
        bare = key - headings
        if bare - set(self.template.columns):
            raise ValueError(f"template.columns: explain {', '.join(sorted(bare))}, the key")
        for heading in sorted(headings - set(self.identity)):
            if any(pattern.search(heading) for pattern, _ in UNDECLARED_IDENTITY):
                raise ValueError(
                    f"record: «{heading}» is a name of personal data and would be replaced: "
                    "declare it as identity or name it otherwise"
                )
        for name, rule in self.record.items():
            if rule.from_ and not rule.explanation:
                raise ValueError(f"record.{name}: explanation: people read it in the template")
            if rule.from_ and not rule.has_example:
                raise ValueError(f"record.{name}: example: people read it in the template")
        return self

    @property
    def fields(self) -> frozenset[str]:
        """Every source field that the YAML names."""
        return frozenset(
            (
                *(name for rule in self.record.values() for name in rule.inputs),
                *self.identity,
                *self.volatile,
                *(() if self.key == "content" else self.key),
                *(() if self.changed is None else (self.changed,)),
            )
        )

    def type_of(self, field: str) -> FieldType:
        """The type a canonical field is parsed as."""
        return self.record[field].type or CANONICAL_FIELDS[self.role].get(field, "text")


# What other kinds declare too.
_PAGED = frozenset({"paging", "page_size", "max_rows", "max_window_days"})
# What each client knows of a record from the context of the answer: rules read it as `@name`.
CONTEXT: Mapping[str, frozenset[str]] = {
    "pos": frozenset({"sheet"}),
    "register": frozenset({"sheet"}),
    "open311": frozenset(),
    "vk": frozenset(
        {
            *("kind", "owner", "id", "author", "parent", "is_by_body", "is_deleted", "is_repost"),
            *("url", "latitude", "longitude"),
        }
    ),
    "telegram_export": frozenset(
        {"channel", "title", "kind", "author", "parent", "is_by_body", "is_repost", "url"}
    ),
    "telegram_channel": frozenset(
        {"channel", "id", "title", "author", "parent", "is_by_body", "is_repost", "url"}
    ),
    "odnoklassniki": frozenset(
        {
            *("kind", "text", "received", "author", "parent", "is_by_body", "is_repost"),
            *("title", "url"),
        }
    ),
    "feed": frozenset({"feed", "id", "text", "author", "published", "updated"}),
}
# What every region of these kinds must list: without it there is nothing to read.
_LISTED = {"telegram_channel": "channels", "odnoklassniki": "groups", "feed": "feeds"}


class Source(Dialect):
    """One declared source."""

    code: str
    kind: Literal[
        "pos",
        "open311",
        "register",
        "vk",
        "telegram_export",
        "telegram_channel",
        "odnoklassniki",
        "feed",
    ]
    description: Description
    owner: str = Field(min_length=2)
    tier: Literal[1, 2, 3]
    schedule: str | None = None
    freshness: Freshness
    deadline: Literal["source", "rule", "none"]
    window: WindowRule | None = None
    regions: tuple[Region, ...] = Field(min_length=1)
    entities: dict[str, Entity] = Field(min_length=1)
    token: SecretStr | None = None
    application_key: str | None = Field(None, description="Public key of an application (OK)")
    secret: SecretStr | None = Field(None, description="What requests are signed with (OK)")
    ca_file: Path | None = Field(
        None, description="PEM: who the hosts are trusted by, in place of the public authorities"
    )
    timeout_seconds: float = Field(60, gt=0)
    attempts: int = Field(5, ge=1)
    max_megabytes: int = Field(1024, gt=0)
    calls_per_second: float | None = Field(None, gt=0)
    max_calls: int | None = Field(None, gt=0)
    file_time: FileTime | None = None
    settle_seconds: int = Field(
        0, ge=0, description="A watched folder, SFTP too: younger files are left to the next run"
    )
    private_key: SecretStr | None = Field(None, description="SFTP: the account's key, PEM")
    exported_on: date | None = Field(
        None, description="Day on which saved exports were made: completes dates without a year"
    )
    file_format: Literal["csv", "xlsx"] = "xlsx"
    max_quarantined_share: float = Field(
        0.5, gt=0, le=1, description="Above it the load is called failed; its rows stay landed"
    )
    missing_variables: frozenset[str] = frozenset()

    _path: Path | None = PrivateAttr(None)

    @field_validator("entities", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: {**entity, "name": name} if isinstance(entity, dict) else entity
                for name, entity in value.items()
            }
        return value

    @field_validator("ca_file")
    @classmethod
    def _whole_path(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute() and "${" not in str(value):
            raise ValueError("give its whole path, or a variable that holds it")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        codes = [region.code for region in self.regions]
        if len(codes) != len(set(codes)):
            raise ValueError("regions: a region is listed twice")
        if len(set(self.tables)) != len(self.tables):
            raise ValueError("entities: two of them share a table; each needs its own")
        for entity in self.entities.values():
            needs_due_date = entity.role == "case" and self.deadline == "source"
            if needs_due_date and "source_due_at" not in entity.record:
                raise ValueError(
                    f"entities.{entity.name}.record: deadline: source needs source_due_at"
                )
            if entity.listing == "window" and self.window is None:
                raise ValueError(f"entities.{entity.name}: listing: window needs a window")
        if (
            self.kind == "vk"
            and not any(region.walls or region.queries for region in self.regions)
            and not any(entity.recorded for entity in self.entities.values())
        ):
            raise ValueError(
                "regions: a VK source needs walls or queries, or entities with recorded answers"
            )
        for entity in self.entities.values():
            told = {name.removeprefix("@") for name in entity.fields if name.startswith("@")}
            if strangers := sorted(told - CONTEXT[self.kind]):
                known = ", ".join(f"@{name}" for name in sorted(CONTEXT[self.kind])) or "nothing"
                raise ValueError(
                    f"entities.{entity.name}: @{', @'.join(strangers)}: kind: {self.kind} knows "
                    f"{known} from the context of an answer; a field of the record has no @"
                )
        self._check_dialects()
        listed = _LISTED.get(self.kind)
        if listed is not None:
            empty = [region.code for region in self.regions if not getattr(region, listed)]
            if empty:
                raise ValueError(f"regions: {', '.join(empty)} without {listed}")
        if self.kind == "odnoklassniki" and not (self.application_key and self.secret):
            raise ValueError("application_key, secret: requests to Odnoklassniki are signed")
        return self

    def _check_dialects(self) -> None:
        if self.kind != "open311":
            asked = {*Dialect.model_fields, "discovery", "dialect", "files"} - _PAGED
            given = self.model_fields_set.union(*(r.model_fields_set for r in self.regions))
            if vain := sorted(asked & given):
                raise ValueError(f"{', '.join(vain)}: only for kind: open311")
        for region in self.regions:
            if strangers := sorted(set(region.files) - set(self.entities)):
                raise ValueError(f"regions.{region.code}.files: no entity {', '.join(strangers)}")
            is_windowless = self.dialect_of(region).window_parameters == "none"
            for entity in self.entities.values():
                if is_windowless and entity.listing == "window":
                    raise ValueError(
                        f"entities.{entity.name}: listing: window, but region {region.code} "
                        "cannot be asked for a window (window_parameters: none)"
                    )

    def dialect_of(self, region: Region) -> Dialect:
        """The dialect of a region: the source's, with what the region declares otherwise."""
        return self.changed_by(region.dialect)

    @property
    def is_enabled(self) -> bool:
        """True when every variable that the YAML names is set."""
        return not self.missing_variables

    @property
    def origins(self) -> frozenset[tuple[str, str]]:
        """Scheme and host of every web address that the source may reach.

        These are the addresses that its YAML names, and the `hosts` of its discovery. A host that
        is declared with http may be read with https, never the other way round.
        """
        addresses = [one.recorded for one in self.entities.values() if one.recorded]
        for region in self.regions:
            addresses += [region.endpoint, *(feed.url for feed in region.feeds)]
            if region.discovery is not None:
                scheme = urlsplit(region.discovery.url).scheme
                hosts = region.discovery.hosts
                addresses += [region.discovery.url, *(f"{scheme}://{host}" for host in hosts)]
        found = set()
        for address in addresses:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") and parts.hostname:
                found |= {(parts.scheme, parts.hostname), ("https", parts.hostname)}
        return frozenset(found)

    @property
    def tables(self) -> tuple[str, ...]:
        """The raw tables, one per entity."""
        return tuple(entity.table for entity in self.entities.values())

    def is_nested(self, entity: Entity) -> bool:
        """True when the records are trees, read by dotted paths, and not rows of a table."""
        return self.kind not in ("pos", "register") or entity.format.is_nested

    def region(self, code: str) -> Region:
        """The region by its code; UnknownRegionError names those that the source has."""
        for region in self.regions:
            if region.code == code:
                return region
        known = ", ".join(region.code for region in self.regions)
        raise UnknownRegionError(
            "region_unknown", f"Source {self.code} has no region {code!r}; it has {known}"
        )


_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def _interpolate(value: Any, environment: Mapping[str, str], missing: set[str]) -> Any:
    if isinstance(value, str):

        def fill(match: re.Match[str]) -> str:
            name = match.group(1)
            if not environment.get(name):
                missing.add(name)
                return match.group(0)
            return environment[name]

        return _VARIABLE.sub(fill, value)
    if isinstance(value, list):
        return [_interpolate(item, environment, missing) for item in value]
    if isinstance(value, dict):
        return {key: _interpolate(item, environment, missing) for key, item in value.items()}
    return value


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        hint = {
            "missing": "is missing: add it",
            "extra_forbidden": "is not known: correct its spelling or remove it",
        }.get(problem["type"], problem["msg"])
        yield f"{place}: {hint}"


def load_source(path: Path, environment: Mapping[str, str]) -> Source:
    """Read one YAML. Raises SourceDefinitionError naming the file, the field and what to do."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceDefinitionError(f"{path.name} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise SourceDefinitionError(f"{path.name} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise SourceDefinitionError(f"{path.name} holds no mapping of fields")
    for reserved in ("code", "missing_variables"):
        if reserved in content:
            raise SourceDefinitionError(f"{path.name}: {reserved} is set by the program: remove it")
    missing: set[str] = set()
    filled = _interpolate(content, environment, missing)
    try:
        return Source.model_validate(
            {**filled, "code": path.stem, "missing_variables": frozenset(missing)}
        )
    except ValidationError as error:
        raise SourceDefinitionError(f"{path.name}: {'; '.join(_problems(error))}") from error


def load_sources(folder: Path, environment: Mapping[str, str]) -> dict[str, Source]:
    """Every source of a folder by code, enabled or not, in the order of the codes."""
    sources = [load_source(path, environment) for path in sorted(folder.glob("*.yml"))]
    if not sources:
        raise SourceDefinitionError(f"{folder} holds no *.yml")
    owners: dict[str, str] = {}
    for source in sources:
        for table in source.tables:
            if table in owners and owners[table] != source.code:
                raise SourceDefinitionError(
                    f"{source.code}.yml: table {table} belongs to {owners[table]}.yml already"
                )
            owners[table] = source.code
    return {source.code: source for source in sources}
