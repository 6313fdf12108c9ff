"""Tables over HTTP and from folders: what is not known to be whole makes nothing vanish."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest

from ingestion.clients.register import RegisterClient
from ingestion.errors import FetchError
from ingestion.preview import preview
from ingestion.source import Source
from tests.ingestion.clients.loopback import Answer, Site, chunked, hung_up
from tests.ingestion.conftest import VAULT_KEY, Platform

MakeSource = Callable[..., Source]
IDS = [1, 2, 3]


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        yield one


def register(make_source: MakeSource, code: str, endpoint: object, kind: str = "csv") -> Source:
    records = ", records: row" if kind == "xml" else ""
    return make_source(
        code,
        f"""
kind: register
deadline: none
attempts: 1
regions: [{{code: tambov, time_zone: Europe/Moscow, endpoint: "{endpoint}"}}]
entities:
  rows:
    table: {code}
    role: case
    kind: appeal
    key: id
    listing: complete
    format: {{type: {kind}{records}}}
    record: {{text: text}}
""",
    )


def csv_of(ids: list[int]) -> bytes:
    return "".join(["id,text\n", *(f"{n},Яма\n" for n in ids)]).encode()


def jsonl_of(ids: list[int]) -> bytes:
    return "".join(json.dumps({"id": n, "text": "Яма"}) + "\n" for n in ids).encode()


def json_of(ids: list[int]) -> bytes:
    return json.dumps([{"id": n, "text": "Яма"} for n in ids]).encode()


def xml_of(ids: list[int]) -> bytes:
    rows = "".join(f"<row><id>{n}</id><text>Яма</text></row>\n" for n in ids)
    return f"<rows>\n{rows}</rows>".encode()


def xlsx_of(ids: list[int]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["id", "text"], *([n, "Яма"] for n in ids)):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


WRITTEN = {"csv": csv_of, "jsonl": jsonl_of, "json": json_of, "xml": xml_of, "xlsx": xlsx_of}


def told(content: bytes) -> Answer:
    return 200, {}, content


def found(platform: Platform, load_id: int) -> dict[str, str]:
    ((value,),) = platform.rows("select found from ops.loads where load_id = %s", load_id)
    return dict(value)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_behind_an_end_that_nobody_told_have_not_vanished(
    platform: Platform, make_source: MakeSource, site: Site, kind: str
) -> None:
    code = f"hung_up_{kind}"
    source = register(make_source, code, f"{site.url}/r", kind)
    site.pages["/r"] = lambda asked: told(WRITTEN[kind](IDS))
    platform.ingest(source)
    site.pages["/r"] = lambda asked: hung_up(WRITTEN[kind]([4, 1]))
    (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_landed, load.rows_unchanged) == ("success", 1, 1)
    assert load.rows_tombstoned == 0
    assert found(platform, load.load_id) == {"end": "not told: nothing counts as vanished"}
    site.pages["/r"] = lambda asked: told(WRITTEN[kind]([4, 1]))
    (load,) = platform.ingest(source)
    assert load.rows_tombstoned == 2
    assert "end" not in found(platform, load.load_id)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("csv", told),
        ("csv", chunked),
        ("jsonl", chunked),
        ("json", hung_up),
        ("xml", hung_up),
        ("xlsx", hung_up),
    ],
)
def test_what_is_gone_from_an_answer_with_a_known_end_has_vanished(
    platform: Platform,
    make_source: MakeSource,
    site: Site,
    kind: str,
    answer: Callable[[bytes], Answer],
) -> None:
    code = f"known_{kind}_{answer.__name__}"
    source = register(make_source, code, f"{site.url}/r", kind)
    site.pages["/r"] = lambda asked: answer(WRITTEN[kind](IDS))
    platform.ingest(source)
    site.pages["/r"] = lambda asked: answer(WRITTEN[kind](IDS[:2]))
    (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_unchanged, load.rows_tombstoned) == ("success", 2, 1)
    assert "end" not in found(platform, load.load_id)


def test_chunks_without_their_last_one_are_no_answer(
    platform: Platform, make_source: MakeSource, site: Site
) -> None:
    source = register(make_source, "half_chunked", f"{site.url}/r")
    site.pages["/r"] = lambda asked: chunked(csv_of(IDS), is_ended=False)
    (load,) = platform.ingest(source)
    assert (load.error_class, load.rows_read) == ("http_connection", 0)


@pytest.mark.parametrize(("answer", "gone"), [(told, 2), (hung_up, 0)])
def test_a_kept_answer_vouches_for_its_end_no_more_at_its_replay_than_when_it_came(
    platform: Platform,
    make_source: MakeSource,
    site: Site,
    answer: Callable[[bytes], Answer],
    gone: int,
) -> None:
    code = f"kept_{answer.__name__}"
    source = register(make_source, code, f"{site.url}/r")
    site.pages["/r"] = lambda asked: told(csv_of(IDS))
    platform.ingest(source)
    site.pages["/r"] = lambda asked: answer(csv_of([1]).replace(b"text", b"content"))
    (refused,) = platform.ingest(source)
    assert refused.error_class == "missing_column"
    fixed = source.entities["rows"].model_dump(exclude_defaults=True, by_alias=True)
    fixed["record"] = {"text": ["text", "content"]}
    entity = type(source.entities["rows"]).model_validate(fixed)
    (again,) = platform.replay(source.model_copy(update={"entities": {"rows": entity}})).loads
    assert (again.outcome, again.rows_landed, again.rows_tombstoned) == ("success", 1, gone)
    for load in (refused, again):
        assert ("end" in found(platform, load.load_id)) is (answer is hung_up)


def test_a_preview_tells_that_the_end_is_not_told(make_source: MakeSource, site: Site) -> None:
    source = register(make_source, "previewed", f"{site.url}/r")
    site.pages["/r"] = lambda asked: hung_up(csv_of(IDS))
    (seen,) = preview(source, region="tambov", vault_key=VAULT_KEY)
    assert len(seen.records) == len(IDS)
    assert seen.found["end"].startswith("not told")


def test_a_file_that_grows_while_it_is_read_is_not_taken_for_a_whole_one(
    make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(csv_of(IDS))
    source = register(make_source, "growing", path)
    (delivery,) = RegisterClient(source, source.regions[0]).deliveries(
        source.entities["rows"], None
    )
    next(delivery.pages)
    with path.open("ab") as file:
        file.write(b"4,more\n")
    with pytest.raises(FetchError) as caught:
        list(delivery.pages)
    assert caught.value.code == "file_changing"
