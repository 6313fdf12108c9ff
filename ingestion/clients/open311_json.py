"""GeoReport v2 in JSON, and what XML and JSON have in common: records as items."""

from __future__ import annotations

import json
from typing import Any

from ingestion.clients.base import Item
from ingestion.clients.open311_xml import LISTINGS, error_text, is_html
from ingestion.errors import RecordError, UnreadableAnswer
from ingestion.mapping import canonical_json

_SINGLE = ("service_request", "request", "service")
_DEEPEST = 64
# What a server answers to POST; the request itself comes with a listing.
_RECEIPT = frozenset({"token", "service_request_id", "service_notice", "account_id"})


def parse_json(content: bytes, name: str) -> Any:
    """JSON from bytes; UnreadableAnswer that tells what the answer looks like instead."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableAnswer(
            "encoding_mismatch",
            f"{name}: byte {error.start} is not UTF-8",
            content=content,
            name=name,
        ) from None
    except (ValueError, RecursionError) as error:
        looks = "an HTML page" if is_html(content) else "broken JSON"
        detail = f"{name} is {looks}" + (
            f" ({error.msg} at {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise UnreadableAnswer("not_json", detail, content=content, name=name) from None


def listed(document: Any, content: bytes, name: str) -> list[Any]:
    """The records of an answer: a list, bare or wrapped in a known name, or a single record.

    UnreadableAnswer when it is of another shape, or a list of the interface's errors.
    """
    if isinstance(document, dict):
        for wrapper in LISTINGS:
            records = _unwrapped(document.get(wrapper))
            if records is not None:
                return records
        if "service_request_id" in document or {"service_code", "attributes"} <= set(document):
            return [document]
        errors = document.get("errors")
    elif isinstance(document, list):
        errors = document if document and all(_is_error(one) for one in document) else None
        if errors is None:
            return document
    else:
        errors = None
    if errors:
        raise UnreadableAnswer(
            "api_error", f"{name}: {error_text(errors)}", content=content, name=name
        )
    raise UnreadableAnswer(
        "unexpected_answer",
        f"{name}: expected a list or an object with one of {', '.join(LISTINGS)}",
        content=content,
        name=name,
    )


def _unwrapped(value: Any) -> list[Any] | None:
    """A list, also where XML's element of a record was kept: `{"request": …}`."""
    if isinstance(value, dict):
        inner = next((value[name] for name in _SINGLE if name in value), None)
        return [inner] if isinstance(inner, dict) else _unwrapped(inner)
    return list(value) if isinstance(value, list) else None


def _is_error(record: Any) -> bool:
    return isinstance(record, dict) and set(record) == {"code", "description"}


def items_of(records: list[Any], first: int = 1) -> list[Item]:
    """Records as items, numbered from `first`; what is none is marked and kept."""
    items = []
    for number, record in enumerate(records, start=first):
        error: RecordError | None = None
        if not isinstance(record, dict):
            error = RecordError("not_an_object", f"Item {number}")
        elif "token" in record and record.keys() <= _RECEIPT:
            error = RecordError("receipt", f"Item {number}")
        elif _is_too_deep(record):
            error = RecordError("nested_too_deep", f"Item {number}")
        if error is None:
            items.append(Item(record, row_number=number))
        else:
            items.append(Item({}, row_number=number, error=error, raw=_written(record)))
    return items


def _is_too_deep(record: Any) -> bool:
    layer = [record]
    for _ in range(_DEEPEST):
        layer = [
            part
            for whole in layer
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not layer:
            return False
    return True


def _written(record: Any) -> bytes:
    try:
        return canonical_json(record)
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can tell
        return json.dumps(record, sort_keys=True).encode()
