"""GeoReport v2 in XML: the same trees as in JSON, from documents of every make, and no others."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.clients import open311_xml
from ingestion.clients.open311 import Open311Client
from ingestion.clients.open311_xml import read_records
from ingestion.errors import UnreadableAnswer
from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]

YAML = """
kind: open311
deadline: none
answers: xml
{more}
regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{folder}"}}]
entities:
  requests:
    table: {table}
    role: case
    kind: request
    key: service_request_id
    listing: open
    record:
      received_at: requested_datetime
      is_closed: {{from: status, "true": [closed], "false": [open]}}
      text: description
      reply_text: notes.0.summary
      body: [agency_responsible.recipient.0, agency_responsible]
      municipality: extended_attributes.ward
      latitude: lat
"""


def refuse(code: str, detail: str) -> UnreadableAnswer:
    return UnreadableAnswer(code, detail, content=b"", name="answer")


def records(document: str | bytes, *, lists: tuple[str, ...] = ()) -> list[Any]:
    content = document.encode() if isinstance(document, str) else document
    return [one for some in read_records(io.BytesIO(content), lists, refuse) for one in some]


def request(inside: str) -> str:
    return f"<service_requests><request>{inside}</request></service_requests>"


def test_every_request_or_service_is_a_record_and_an_empty_element_is_null() -> None:
    assert records(
        "<services><service><service_code>1</service_code><group/><keywords> </keywords></service>"
        "<service><service_code>2</service_code><group>a &amp; b</group></service></services>"
    ) == [
        {"service_code": "1", "group": None, "keywords": None},
        {"service_code": "2", "group": "a & b"},
    ]


def test_nested_elements_are_what_json_has_in_their_place() -> None:
    (found,) = records(
        request(
            "<notes><note><summary>one</summary></note></notes>"
            "<media_url>a.jpg</media_url><media_url>b.jpg</media_url>"
            "<extended_attributes><ward>5</ward><photos><photo>p</photo><photo>q</photo></photos>"
            "</extended_attributes>"
        )
    )
    assert found == {
        "notes": [{"summary": "one"}],
        "media_url": ["a.jpg", "b.jpg"],
        "extended_attributes": {"ward": "5", "photos": ["p", "q"]},
    }


def test_a_declared_list_is_one_even_with_a_single_element() -> None:
    document = request("<agency_responsible><recipient>Комитет</recipient></agency_responsible>")
    assert records(document) == [{"agency_responsible": {"recipient": "Комитет"}}]
    assert records(document, lists=("recipient",)) == [
        {"agency_responsible": {"recipient": ["Комитет"]}}
    ]


def test_namespaces_and_hints_of_serialisers_leave_no_trace() -> None:
    assert records(
        '<g:service_requests xmlns:g="http://city.example/georeport/v2"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" type="array">'
        '<g:request id="7"><g:lat type="float">52.7</g:lat><g:zipcode i:nil="true"/>'
        '<g:notes type="array"><g:entry>x</g:entry></g:notes></g:request></g:service_requests>'
    ) == [{"id": "7", "lat": "52.7", "zipcode": None, "notes": ["x"]}]


def test_cdata_keeps_its_text_as_written() -> None:
    (found,) = records(
        request("<description><![CDATA[Яма <b>глубокая</b> & опасная]]></description>")
    )
    assert found == {"description": "Яма <b>глубокая</b> & опасная"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1251", "koi8-r"])
def test_the_encoding_that_the_prolog_declares_is_followed(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?>' + request("<status>Яма</status>")
    assert open311_xml.is_markup(document.encode(encoding))
    assert records(document.encode(encoding)) == [{"status": "Яма"}]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><services><service>&b;</service></services>',
            "hostile_markup",
        ),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><services/>', "hostile_markup"),
        ('<?xml version="1.0" encoding="klingon"?><services/>', "not_xml"),
        ('<?xml version="1.0" encoding="utf-8"?><services>\udcff</services>', "not_xml"),
        (request("<a>" * 70 + "</a>" * 70), "not_xml"),
        ("<services><service>", "not_xml"),
        ("<rss><channel/></rss>", "unexpected_answer"),
        ("<discovery><endpoints/></discovery>", "unexpected_answer"),
        ("<errors/>", "api_error"),
    ],
)
def test_what_is_no_listing_is_refused_by_its_code(document: str, code: str) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        records(document.encode("utf-8", "surrogateescape"))
    assert caught.value.code == code


def test_errors_of_the_interface_are_quoted() -> None:
    with pytest.raises(UnreadableAnswer, match="400: jurisdiction_id was not provided"):
        records(
            "<errors><error><code>400</code>"
            "<description>jurisdiction_id was not provided</description></error></errors>"
        )


def test_a_record_that_never_ends_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open311_xml, "_LONGEST_RECORD", 1 << 20)
    document = request("<description>" + "ы" * (4 << 20) + "</description>").encode()
    stream = io.BytesIO(document)
    with pytest.raises(UnreadableAnswer) as caught:
        list(read_records(stream, (), refuse))
    assert caught.value.code == "record_too_large"
    assert stream.tell() < len(document)


class Endless(io.RawIOBase):
    """A long listing that is made while it is read."""

    def __init__(self, count: int) -> None:
        self._parts = self._made(count)

    def _made(self, count: int) -> Iterator[bytes]:
        yield b"<service_requests>\n"
        for number in range(count):
            yield f"<request><service_request_id>{number}</service_request_id></request>\n".encode()
        yield b"</service_requests>"

    def read(self, size: int = -1) -> bytes:
        taken = bytearray()
        for part in self._parts:
            taken += part
            if len(taken) > 4096:
                break
        return bytes(taken)


def test_memory_does_not_grow_with_the_document() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        read = sum(len(some) for some in read_records(Endless(count), (), refuse))  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read == count
        return most

    assert peak(12_000) < peak(1_000) + (1 << 16)


# --- through the loader --------------------------------------------------------------------------


def answers(make_source: MakeSource, folder: Path, table: str, more: str = "") -> Source:
    folder.mkdir(exist_ok=True)
    return make_source(table, YAML.format(folder=folder, table=table, more=more))


def test_xml_and_json_of_the_same_request_give_the_same_record(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    source = answers(make_source, tmp_path / "a", "from_xml", more="lists: [recipient]")
    (tmp_path / "a" / "1.xml").write_text(
        request(
            "<service_request_id>17</service_request_id><status>closed</status>"
            "<description>Яма</description><lat>53.2</lat>"
            "<requested_datetime>2026-03-01T10:00:00</requested_datetime>"
            "<agency_responsible><recipient>Комитет</recipient></agency_responsible>"
            "<notes><note><summary>Заделана</summary></note></notes>"
            "<extended_attributes><ward>Ленинский</ward></extended_attributes>"
        ),
        encoding="utf-8",
    )
    (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_read, load.rows_landed) == ("success", 1, 1)
    assert platform.records("from_xml") == [
        {
            "native_id": "17",
            "kind": "request",
            "received_at": "2026-03-01T10:00:00+04:00",
            "received_has_time": True,
            "is_closed": True,
            "text": "Яма",
            "reply_text": "Заделана",
            "body": "Комитет",
            "municipality": "Ленинский",
            "latitude": 53.2,
        }
    ]


def test_a_document_that_breaks_off_is_kept_whole_and_lands_when_it_is_whole_again(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    source = answers(make_source, tmp_path / "b", "broken_xml")
    whole = (
        "<service_requests><request><service_request_id>1</service_request_id></request>"
        "<request><service_request_id>2</service_request_id></request></service_requests>"
    )
    path = tmp_path / "b" / "poll.xml"
    path.write_text(whole[:-40], encoding="utf-8")
    (load,) = platform.ingest(source)
    assert (load.outcome, load.error_class) == ("failed", "not_xml")
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (2, 1, 1)
    assert load.is_balanced
    assert platform.quarantine("broken_xml") == [("not_xml", None, "open")]
    path.write_text(whole, encoding="utf-8")
    (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_landed, load.rows_unchanged) == ("success", 1, 1)


def test_a_page_for_people_in_place_of_xml_is_kept_and_named_as_such(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    source = answers(make_source, tmp_path / "c", "page_for_people")
    page = "<!DOCTYPE html><html><body>Технические работы</body></html>"
    (tmp_path / "c" / "poll.xml").write_text(page, encoding="cp1251")
    (load,) = platform.ingest(source)
    assert load.error_class == "not_xml"
    assert "HTML page" in str(load.error_message)
    assert (load.rows_read, load.rows_quarantined) == (1, 1)


def test_a_record_without_a_number_a_receipt_and_a_text_are_refused_one_by_one(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    source = answers(make_source, tmp_path / "d", "odd_items")
    (tmp_path / "d" / "poll.xml").write_text(
        "<service_requests>"
        "<request><status>open</status></request>"
        "<request><service_request_id>5</service_request_id><token>t</token></request>"
        "<request>говорит человек</request>"
        "<request><service_request_id>6</service_request_id><status>open</status></request>"
        "</service_requests>",
        encoding="utf-8",
    )
    (load,) = platform.ingest(source)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (4, 1, 3)
    assert sorted(code for code, _, _ in platform.quarantine("odd_items")) == [
        "missing_key",
        "not_an_object",
        "receipt",
    ]
    assert [one["native_id"] for one in platform.records("odd_items")] == ["6"]


def test_records_of_a_long_document_are_numbered_as_they_stand(
    make_source: MakeSource, tmp_path: Path
) -> None:
    source = answers(make_source, tmp_path / "e", "long_xml")
    (tmp_path / "e" / "poll.xml").write_bytes(b"".join(Endless(4_500)._made(4_500)))
    client = Open311Client(source, source.regions[0])
    (delivery,) = client.deliveries(source.entities["requests"], None)
    items = [item for page in delivery.pages for item in page.items]
    assert [item.row_number for item in items] == list(range(1, 4_501))
    assert [item.fields["service_request_id"] for item in items] == [str(n) for n in range(4_500)]
