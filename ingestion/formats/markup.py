"""XML, streamed: one element is one record, its attributes and children are its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from ingestion.clients.base import PAGE_ITEMS, PAGE_SIZE, Item, Page
from ingestion.formats.delivered import DeliveredFile, MeteredStream
from ingestion.source import Entity

_DEEPEST = 64


def local_name(tag: str) -> str:
    """The name of an element without its namespace."""
    return tag.rpartition("}")[2]


def fields_of(element: Element, depth: int = 0) -> dict[str, Any]:
    """Attributes and children by name: a text, None when empty, a dict when nested.

    What occurs more than once is a list, an attribute and a child of the same name too.
    """
    fields: dict[str, Any] = {local_name(k): v for k, v in element.attrib.items()}
    for child in element:
        name = local_name(child.tag)
        value = _value(child, depth + 1)
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _value(element: Element, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ParseError(f"elements are nested deeper than {_DEEPEST}")
    if len(element) or element.attrib:
        fields = fields_of(element, depth)
        written = (element.text or "").strip()
        if written:
            fields["#text"] = written
        return fields
    return element.text


def read_xml(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """Every element that `records` names. Document types and entities are refused."""
    wanted = entity.format.records
    items: list[Item] = []
    page = Page(items, sha256=file.sha256, bytes_read=file.size)
    number = inside = begun = 0
    ancestors: list[Element] = []
    try:
        with file.path.open("rb") as binary:
            stream = MeteredStream(binary, file)
            for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
                is_record = local_name(element.tag) == wanted
                if event == "start":
                    ancestors.append(element)
                    inside += is_record
                    continue
                ancestors.pop()
                inside -= is_record
                if inside:
                    continue
                if is_record:
                    number += 1
                    stream.record_ended()
                    items.append(Item(fields_of(element), row_number=number))
                if ancestors:
                    # What has been read is let go, or a large file would fill the memory.
                    ancestors[-1].remove(element)
                if len(items) >= PAGE_ITEMS or stream.position - begun >= PAGE_SIZE:
                    yield page
                    items, begun = [], stream.position
                    page = Page(items, sha256=file.sha256)
    except DefusedXmlException as error:
        raise file.refused("hostile_markup", type(error).__name__) from None
    except ParseError as error:
        if items:
            yield page
        raise file.refused("not_xml", f"after {number} records: {error}") from None
    yield page
