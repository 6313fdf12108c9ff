"""The sandbox's cities: GeoReport v2 in JSON and XML, its discovery, and a portal that differs.

`/open311/REGION/v2` follows the standard. `/open311/REGION/portal` is what is met in the field: a
wrapped list with integer ids, fields by other names, local times without an offset, no pages, 50
requests an answer, no time of change, and only requests that are open.
"""

# No postponed annotations here: FastAPI reads the dependencies that are named inside a function.

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response

from ingestion.sandbox import tables
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import Case, World

GEOREPORT_DAYS = 90
GEOREPORT_ROWS = 1000
PORTAL_ROWS = 50
CHANGESET = "2026-01-12T09:00:00+03:00"
_SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
_DRAFT = "http://wiki.open311.org/GeoReport_v2.1_Draft"
# What XML 1.0 cannot carry (section 2.2).
_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Form = Literal["json", "xml"]
Check = Callable[..., Any]


def moment(value: str, region: str) -> datetime:
    """A GeoReport time as local naive time; without an offset it is taken as local."""
    try:
        parsed = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        raise HTTPException(400, f"not an ISO 8601 time: {value}") from None
    if parsed.tzinfo is None:
        return parsed
    return parsed.astimezone(REGIONS[region].zone).replace(tzinfo=None)


def to_xml(root: str, content: dict[str, Any]) -> bytes:
    """A document of nested elements; an item of a list is called by its name in the singular."""
    element = ElementTree.Element(root)
    _fill(element, content)
    ElementTree.indent(element)
    return ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)


def _fill(element: ElementTree.Element, content: Any) -> None:
    if isinstance(content, dict):
        for name, value in content.items():
            _fill(ElementTree.SubElement(element, name), value)
    elif isinstance(content, list):
        name = "request" if element.tag == "service_requests" else element.tag.removesuffix("s")
        for value in content:
            _fill(ElementTree.SubElement(element, name), value)
    elif content is not None:
        text = str(content).lower() if isinstance(content, bool) else str(content)
        element.text = _UNSPEAKABLE.sub("", text)


def _answer(form: Form, root: str, content: Any, status: int = 200) -> Response:
    if form == "json":
        return JSONResponse(content, status_code=status)
    return Response(to_xml(root, content), status, media_type="text/xml; charset=utf-8")


def _is_open(case: Case) -> bool:
    return case.cycles[-1].closed_at is None


def discovery(base: str, region: str) -> dict[str, Any]:
    """Service Discovery: production beside a test system and a draft of the next version."""
    place = f"{base.rstrip('/')}/open311/{region}"

    def endpoint(specification: str, url: str, kind: str, formats: list[str]) -> dict[str, Any]:
        return {
            "specification": specification,
            "url": url,
            "changeset": CHANGESET,
            "type": kind,
            "formats": formats,
        }

    both = ["text/xml", "application/json"]
    return {
        "changeset": CHANGESET,
        "contact": "Песочница: вопросы к её владельцу",
        "key_service": "Чтение открыто",
        "endpoints": [
            endpoint(_DRAFT, f"{place}/v2.1", "production", both),
            endpoint(_SPECIFICATION, f"{place}/test", "test", both),
            endpoint(_SPECIFICATION, f"{place}/v2", "production", ["text/xml"]),
        ],
    }


def portal_request(world: World, case: Case, *, is_extended: bool) -> dict[str, Any]:
    """A request as the portal tells it: Mark-a-Spot's names, an integer id, times by the clock."""
    standard = tables.open311_request(world, case)
    requested = standard["requested_datetime"]
    item = {
        "service_request_id": int(case.native_id.replace("-", "")) if case.native_id else None,
        "title": f"{standard['service_name'] or 'Обращение'}: {standard['address']}",
        "description": standard["description"],
        "lat": standard["lat"],
        "long": standard["long"],
        "address_string": standard["address"],
        "service_name": standard["service_name"],
        "service_code": standard["service_code"],
        "requested_datetime": requested[:19],
        "status": "open",
        "status_note": "Заявка принята в работу",
        "media_url": standard["media_url"],
    }
    if is_extended:
        log = [{"status": "open", "status_note": "Заявка создана", "updated_datetime": requested}]
        item["extended_attributes"] = {
            "markaspot": {"nid": case.native_id, "logs": log},
            "author": standard.get("email"),
        }
    return item


def definition(code: str) -> dict[str, Any]:
    """Service definition: one question with two answers."""
    values = [{"key": "YES", "name": "Да"}, {"key": "NO", "name": "Нет"}]
    question = {
        "variable": True,
        "code": "DANGER",
        "datatype": "singlevaluelist",
        "required": True,
        "datatype_description": None,
        "order": 1,
        "description": "Есть ли угроза жизни?",
        "values": values,
    }
    return {"service_code": code, "attributes": [question]}


def add_open311(app: FastAPI, world: World, *, known: Check, not_forged: Check) -> None:
    """The routes of both systems and of the discovery document."""

    def offered(form: str) -> str:
        if form not in ("json", "xml"):
            raise HTTPException(404, f"нет такого формата: {form}")
        return form

    @app.get("/open311/{region}/discovery.{form}", dependencies=[Depends(not_forged)])
    def discover(
        request: Request,
        form: Annotated[Form, Depends(offered)],
        region: Annotated[str, Depends(known)],
    ) -> Response:
        return _answer(form, "discovery", discovery(str(request.base_url), region))

    @app.get("/open311/{region}/v2/services.{form}", dependencies=[Depends(not_forged)])
    def services(
        form: Annotated[Form, Depends(offered)], region: Annotated[str, Depends(known)]
    ) -> Response:
        return _answer(form, "services", tables.services(world))

    @app.get("/open311/{region}/v2/requests.{form}", dependencies=[Depends(not_forged)])
    def requests(
        form: Annotated[Form, Depends(offered)],
        region: Annotated[str, Depends(known)],
        start_date: str | None = None,
        end_date: str | None = None,
        status: str | None = None,
        service_code: str | None = None,
        page: Annotated[int, Query(ge=1)] = 1,
        page_size: Annotated[int, Query(ge=1)] = GEOREPORT_ROWS,
    ) -> Response:
        # GeoReport v2: "the maximum allowable range is 90 days or the first 1,000 requests".
        now = world.local_as_of[region]
        until = moment(end_date, region) if end_date else None
        start = moment(start_date, region) if start_date else None
        if until is None:
            reach = timedelta(days=GEOREPORT_DAYS)
            until = now + timedelta(seconds=1) if start is None else start + reach
        if start is None:
            start = until - timedelta(days=GEOREPORT_DAYS)
        if until - start > timedelta(days=GEOREPORT_DAYS):
            text = f"the range of start_date and end_date is limited to {GEOREPORT_DAYS} days"
            return _answer(form, "errors", [{"code": 400, "description": text}], 400)
        wanted = set(status.split(",")) if status else {"open", "closed"}
        found: list[Case] = [
            case
            for case in world.of(region, "open311")
            if start <= case.received_at < until
            and ("open" if _is_open(case) else "closed") in wanted
            and (service_code is None or (case.topic and case.topic.service_code == service_code))
        ]
        size = min(page_size, GEOREPORT_ROWS)
        chosen = found[(page - 1) * size : page * size]
        listed = [tables.open311_request(world, case) for case in chosen]
        answer = _answer(form, "service_requests", listed)
        answer.headers["X-Total-Count"] = str(len(found))
        return answer

    @app.get("/open311/{region}/portal/services.{form}", dependencies=[Depends(not_forged)])
    def portal_services(
        form: Annotated[Form, Depends(offered)], region: Annotated[str, Depends(known)]
    ) -> Response:
        listed = [{**service, "metadata": True} for service in tables.services(world)]
        return _answer(form, "services", listed)

    @app.get("/open311/{region}/portal/services/{code}.{form}", dependencies=[Depends(not_forged)])
    def portal_definition(
        code: str, form: Annotated[Form, Depends(offered)], region: Annotated[str, Depends(known)]
    ) -> Response:
        if code not in {service["service_code"] for service in tables.services(world)}:
            raise HTTPException(404, f"нет такой услуги: {code}")
        return _answer(form, "service_definition", definition(code))

    @app.get("/open311/{region}/portal/requests.{form}", dependencies=[Depends(not_forged)])
    def portal_requests(
        form: Annotated[Form, Depends(offered)],
        region: Annotated[str, Depends(known)],
        start_date: str | None = None,
        end_date: str | None = None,
        extensions: bool = False,
    ) -> Response:
        start = moment(start_date, region) if start_date else datetime.min
        until = moment(end_date, region) if end_date else datetime.max
        found = [
            case
            for case in world.of(region, "open311")
            if _is_open(case) and start <= case.received_at < until
        ]
        newest = sorted(found, key=lambda case: (case.received_at, case.native_id), reverse=True)
        listed = [
            portal_request(world, case, is_extended=extensions) for case in newest[:PORTAL_ROWS]
        ]
        content = {"service_requests": listed} if form == "json" else listed
        return _answer(form, "service_requests", content)
