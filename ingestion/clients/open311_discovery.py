"""Open311 Service Discovery: which endpoint a city's GeoReport v2 has today, and in which format.

The document lists endpoints by specification, type (production or test) and formats; in the field
it comes bare or wrapped in `discovery`, its lists of one or two levels.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from ingestion.clients.open311_json import parse_json
from ingestion.clients.open311_xml import is_html, is_markup, read_tree
from ingestion.clients.transport import Transport, without_secrets
from ingestion.dialect import Discovery
from ingestion.errors import FetchError, UnreadableAnswer

# Version 2 and no other: a draft of 2.1 stands beside it in the field.
_GEOREPORT_2 = re.compile(r"georeport[ _]?v?2(\.0)?(?![.\d])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a city's requests are: address without a slash at its end, and format.

    `changeset` is the moment, as the document writes it, at which the endpoint last changed.
    """

    endpoint: str
    answers: Literal["json", "xml"] | None = None
    changeset: str | None = None


def discover(discovery: Discovery, transport: Transport) -> Site:
    """The endpoint that the document names. FetchError when there is none that can be used."""
    with transport.fetch(discovery.url) as answer:
        content = answer.read()
        address = answer.address
    return chosen(discovery, document_of(content, address), address)


def document_of(content: bytes, name: str) -> Any:
    """The document as a tree, whatever it is written in. FetchError when it is neither."""

    def refuse(code: str, detail: str) -> UnreadableAnswer:
        return UnreadableAnswer(code, f"{name}: {detail}", content=content, name=name)

    try:
        if is_markup(content) and not is_html(content):
            return read_tree(io.BytesIO(content), refuse)[1]
        return parse_json(content, name)
    except UnreadableAnswer as error:
        # It holds no records, so nothing of it needs to be kept.
        raise FetchError(error.code, error.detail) from None


def chosen(discovery: Discovery, document: Any, name: str) -> Site:
    """The first endpoint of GeoReport v2 and of the declared type."""
    if isinstance(document, dict) and isinstance(document.get("discovery"), dict):
        document = document["discovery"]
    listed = _endpoints(document.get("endpoints") if isinstance(document, dict) else None)
    for endpoint in listed:
        kind = _text(endpoint.get("type")) or "production"
        specification = _text(endpoint.get("specification")) or ""
        url = _text(endpoint.get("url"))
        if url and kind.casefold() == discovery.type and _GEOREPORT_2.search(specification):
            _check_host(discovery, url, name)
            changeset = _text(endpoint.get("changeset")) or _text(document.get("changeset"))
            return Site(url.rstrip("/"), _answers(endpoint.get("formats")), changeset)
    found = ", ".join(
        f"{_text(one.get('specification'))} ({_text(one.get('type'))})" for one in listed
    )
    raise FetchError(
        "endpoint_not_found",
        f"{name}: wanted GeoReport_v2 ({discovery.type}), it has {found or 'no endpoints'}",
    )


def _endpoints(value: Any) -> list[dict[str, Any]]:
    """Endpoints from a list, from `{endpoint: …}` or from a list of these."""
    if isinstance(value, dict):
        value = [value]
    found: list[dict[str, Any]] = []
    for one in value if isinstance(value, list) else []:
        if isinstance(one, dict):
            found.extend(_endpoints(one["endpoint"]) if "endpoint" in one else [one])
    return found


def _text(value: Any) -> str | None:
    """A text, also where a serialiser has put it into a list of one."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return value.strip() or None if isinstance(value, str) else None


def _answers(value: Any) -> Literal["json", "xml"] | None:
    """JSON where it is offered, otherwise XML, which the standard requires."""
    written = str(value).casefold()
    if "json" in written:
        return "json"
    return "xml" if "xml" in written else None


def _check_host(discovery: Discovery, url: str, name: str) -> None:
    origin, target = urlsplit(discovery.url), urlsplit(url)
    is_known = target.hostname in (origin.hostname, *discovery.hosts)
    is_safe = target.scheme == "https" or target.scheme == origin.scheme == "http"
    if not (is_known and is_safe):
        raise FetchError("discovery_refused", f"{name} points to {without_secrets(url)}")
