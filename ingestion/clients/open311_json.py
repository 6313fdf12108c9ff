"""GeoReport v2 in JSON, streamed, and what XML and JSON have in common: records as items."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

from ingestion.clients.base import Item
from ingestion.clients.open311_xml import LISTINGS, error_text, is_html
from ingestion.errors import RecordError, UnreadableAnswer
from ingestion.formats.delivered import Refuse
from ingestion.formats.json_text import JsonText
from ingestion.mapping import canonical_json

_SINGLE = ("service_request", "request", "service")
_DEEPEST = 64
# So many in a row are no answer of an interface that has failed.
_MOST_ERRORS = 100
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


def read_listing(stream: BinaryIO, refuse: Refuse) -> Iterator[Any]:
    """The records of an answer: a list, bare or wrapped in a known name, or a single record.

    Of two lists the first counts. Raises what `refuse(code, detail)` makes, after the records
    before a break: `not_json`, `encoding_mismatch`, `record_too_large`, `api_error` for a list of
    the interface's errors, `unexpected_answer` for any other document.
    """
    text = JsonText(stream, refuse)
    document: dict[str, Any] = {}
    is_listing = False
    start = text.peek()
    if start == "[":
        yield from _records(text, refuse)
        is_listing = True
    elif start == "{":
        for name in text.members():
            if name in LISTINGS and not is_listing:
                is_listing, document[name] = yield from _unwrapped(text)
            else:
                document[name] = text.value()
    else:
        text.value()
    text.end()
    if is_listing:
        return
    if "service_request_id" in document or {"service_code", "attributes"} <= set(document):
        yield document
    elif errors := document.get("errors"):
        raise refuse("api_error", error_text(errors))
    else:
        expected = ", ".join(LISTINGS)
        raise refuse("unexpected_answer", f"expected a list or an object with one of {expected}")


def _records(text: JsonText, refuse: Refuse) -> Iterator[Any]:
    """The elements of a list; when they are all errors, it is the interface that speaks."""
    errors: list[Any] = []
    for record in text.elements():
        if _is_error(record) and len(errors) == text.count - 1 < _MOST_ERRORS:
            errors.append(record)
            continue
        yield from errors
        errors.clear()
        yield record
    if errors:
        raise refuse("api_error", error_text(errors))


def _unwrapped(text: JsonText) -> Generator[Any, None, tuple[bool, Any]]:
    """The records of a list, also where XML's element of a record was kept: `{"request": …}`.

    Returns whether there is a list, and what stands there in place of one.
    """
    start = text.peek()
    if start == "[":
        yield from text.elements()
        return True, None
    if start != "{":
        return False, text.value()
    is_listing = False
    document = {}
    for name in text.members():
        start = text.peek()
        if name not in _SINGLE or is_listing or start not in ("[", "{"):
            document[name] = text.value()
            continue
        is_listing = True
        if start == "[":
            yield from text.elements()
        else:
            yield text.value()
    return is_listing, document


def _is_error(record: Any) -> bool:
    return isinstance(record, dict) and set(record) == {"code", "description"}


def item_of(record: Any, number: int) -> Item:
    """A record as an item; what is none is marked and kept."""
    error: RecordError | None = None
    if not isinstance(record, dict):
        error = RecordError("not_an_object", f"Item {number}")
    elif "token" in record and record.keys() <= _RECEIPT:
        error = RecordError("receipt", f"Item {number}")
    elif _is_too_deep(record):
        error = RecordError("nested_too_deep", f"Item {number}")
    if error is None:
        return Item(record, row_number=number)
    return Item({}, row_number=number, error=error, raw=_written(record))


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
