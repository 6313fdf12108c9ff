"""Bad input gets a clear error and loses nothing: good records land, the rest is kept."""

from __future__ import annotations

import csv
import io
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import openpyxl
import psycopg
import pytest

from expectations.runner import run
from expectations.sources import source_tables
from ingestion.clients import open311 as open311_client
from ingestion.clients import register as register_client
from ingestion.clients.transport import Transport
from ingestion.evidence import content, open_entries
from ingestion.ingest import IngestionFailed
from ingestion.source import Source, Window
from ingestion.vault import Vault
from stack import pipeline
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
COLUMNS = ("Номер", "Дата", "Текст", "ФИО")
ROWS = (
    ("7", "01.02.2026", "Не чистят снег", "Петров Пётр"),
    ("8", "02.02.2026", "Нет тепла", "Сидорова Анна"),
)


def register(make_source: MakeSource, code: str, path: Path, *, form: str = "type: csv") -> Source:
    return make_source(
        code,
        f"""
        kind: register
        deadline: none
        regions: [{{code: tambov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
        entities:
          rows:
            table: {code}
            role: case
            kind: appeal
            key: Номер
            format: {{{form}, separator: ";"}}
            formats: ["%d.%m.%Y"]
            identity: {{ФИО: person}}
            record: {{received_at: Дата, text: Текст, applicant_key: ФИО}}
        """,
    )


def table(rows: tuple[tuple[str, ...], ...] = ROWS, columns: tuple[str, ...] = COLUMNS) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=";").writerows([columns, *rows])
    return buffer.getvalue()


def workbook(rows: tuple[tuple[str, ...], ...] = ROWS) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (COLUMNS, *rows):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def kept_bytes(platform: Platform, source_code: str) -> list[bytes]:
    """What lies open in quarantine, unsealed."""
    vault = Vault(platform.vault_key)
    with psycopg.connect(platform.url) as connection:
        kept = []
        for entry in open_entries(connection):
            if entry.source_code == source_code:
                with content(connection, vault, entry) as path:
                    kept.append(path.read_bytes())
        return kept


def test_a_truncated_workbook_is_kept_whole_and_lands_when_it_is_whole_again(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    cut = workbook()[:-300]
    path.write_bytes(cut)
    source = register(make_source, "truncated", path, form="type: xlsx")
    (load,) = platform.ingest(source)
    assert (load.outcome, load.error_class) == ("failed", "broken_workbook")
    assert "a.xlsx" in str(load.error_message)
    assert (load.rows_read, load.rows_quarantined, load.is_balanced) == (1, 1, True)
    assert kept_bytes(platform, "truncated") == [cut]
    # The replay of a file that is still broken changes nothing.
    assert platform.replay(source).loads[0].outcome == "failed"
    assert kept_bytes(platform, "truncated") == [cut]
    path.write_bytes(workbook())
    assert platform.ingest(source)[0].rows_landed == 2


def test_a_workbook_declared_as_csv_is_read_as_what_it_is(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(workbook())
    assert platform.ingest(register(make_source, "really_xlsx", path))[0].rows_landed == 2


def test_a_csv_declared_as_workbook_is_kept_and_replayed_after_the_fix(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(), encoding="utf-8")
    (load,) = platform.ingest(register(make_source, "not_xlsx", path, form="type: xlsx"))
    assert load.error_class == "broken_workbook"
    fixed = register(make_source, "not_xlsx", path)
    assert platform.replay(fixed).as_dict()["rows_landed"] == 2


def test_a_cp1251_file_declared_utf8_is_kept_and_replayed_after_the_fix(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(table().encode("cp1251"))
    (load,) = platform.ingest(register(make_source, "cyrillic", path))
    assert (load.outcome, load.error_class) == ("failed", "encoding_mismatch")
    assert "line 1 of 3 is not utf-8" in str(load.error_message)
    assert "tsur replay" in str(load.error_message)
    assert kept_bytes(platform, "cyrillic") == [table().encode("cp1251")]
    assert platform.rows("select count(*) from raw.cyrillic") == [(0,)]
    path.unlink()
    fixed = register(make_source, "cyrillic", path, form="type: csv, encoding: cp1251")
    (replayed,) = platform.replay(fixed).loads
    assert (replayed.outcome, replayed.rows_landed) == ("success", 2)
    assert [record["text"] for record in platform.records("cyrillic")] == [
        "Не чистят снег",
        "Нет тепла",
    ]
    assert platform.quarantine("cyrillic") == [("encoding_mismatch", None, "replayed")]
    assert platform.replay(fixed).loads == ()


def test_one_row_in_another_encoding_is_kept_alone(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    rows = tuple((str(n), "01.02.2026", "Яма", "-") for n in range(40))
    content = table(rows).encode() + "99;01.02.2026;Снег;-\r\n".encode("cp1251")
    path.write_bytes(content)
    (load,) = platform.ingest(register(make_source, "one_row", path))
    assert (load.outcome, load.rows_landed, load.rows_quarantined) == ("success", 40, 1)
    assert platform.quarantine("one_row") == [("undecodable_text", None, "open")]
    (kept,) = kept_bytes(platform, "one_row")
    assert "Снег".encode("cp1251") in kept


def test_a_missing_column_is_named_and_the_file_lands_after_the_fix(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table(columns=("Номер", "Дата", "Текст сообщения", "ФИО")), encoding="utf-8")
    source = register(make_source, "missing", path)
    (load,) = platform.ingest(source)
    assert load.error_class == "missing_column"
    # What no YAML knows as a heading may be somebody's name: its form is told.
    told = "missing: Текст; found in row 1: Номер, Дата, 'xxxxx xxxxxxxxx', ФИО"
    assert told in str(load.error_message)
    entity = source.entities["rows"]
    rule = entity.record["text"].model_copy(update={"from_": ("Текст", "Текст сообщения")})
    fixed_entity = entity.model_copy(update={"record": {**entity.record, "text": rule}})
    fixed = source.model_copy(update={"entities": {"rows": fixed_entity}})
    assert platform.replay(fixed).as_dict()["rows_landed"] == 2


def test_a_byte_order_mark_is_no_part_of_the_first_column(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + table().encode())
    for code, form in (("bom", "type: csv"), ("bom_cp1251", "type: csv, encoding: cp1251")):
        (load,) = platform.ingest(register(make_source, code, path, form=form))
        assert load.rows_landed == 2
        assert platform.records(code)[0]["text"] == "Не чистят снег"


def test_the_year_3020_is_kept_with_its_reason_and_the_other_rows_land(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        table((ROWS[0], ("8", "02.02.3020", "Нет тепла", "Сидорова Анна"))), encoding="utf-8"
    )
    (load,) = platform.ingest(register(make_source, "year_3020", path))
    assert (load.outcome, load.rows_landed, load.rows_quarantined) == ("success", 1, 1)
    (entry,) = platform.rows(
        "select native_id, error_code, field, reason, row_number from ops.quarantine"
        " where source_code = 'year_3020'"
    )
    assert entry[:3] == ("8", "date_out_of_range", "Дата")
    assert "02.02.3020" in entry[3]
    assert entry[4] == 3
    assert "Сидорова" not in platform.stored_text("year_3020")
    assert b"\\u0421\\u0438\\u0434" in kept_bytes(platform, "year_3020")[0]


def test_a_row_of_another_width_is_kept_alone(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table() + "9;03.02.2026;Яма;во дворе;Петров\r\n10;\r\n", encoding="utf-8")
    (load,) = platform.ingest(register(make_source, "width", path))
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (4, 2, 2)
    codes = [code for code, _, _ in platform.quarantine("width")]
    assert codes == ["row_shape", "row_shape"]


def test_most_rows_in_quarantine_is_a_failure_though_the_good_ones_land(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    bad = tuple((str(n), "2026/02/01", "Яма", "-") for n in range(20))
    path.write_text(table((*ROWS, *bad)), encoding="utf-8")
    (load,) = platform.ingest(register(make_source, "mostly_bad", path))
    assert (load.outcome, load.error_class) == ("failed", "too_many_quarantined")
    assert (load.rows_landed, load.rows_quarantined) == (2, 20)


def test_a_missing_file_is_told_with_its_path(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    (load,) = platform.ingest(register(make_source, "nowhere", tmp_path / "none.csv"))
    assert (load.outcome, load.error_class) == ("failed", "file_not_found")
    assert "none.csv" in str(load.error_message)


def test_an_empty_file_is_kept_and_told(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"")
    assert platform.ingest(register(make_source, "empty", path))[0].error_class == "empty_file"


# --- over HTTP -----------------------------------------------------------------------------------


class Server:
    """Answers (status, headers, body) in the order of a list, the last one forever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                answers = outer.answers
                status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


OPEN311 = """
kind: open311
deadline: source
window: {days: 1}
paging: page
page_size: 2
attempts: 3
timeout_seconds: 0.3
token: ${TOKEN}
regions: [{code: pskov, time_zone: Europe/Moscow, endpoint: "URL"}]
entities:
  requests:
    table: TABLE
    role: case
    kind: request
    key: service_request_id
    listing: window
    record: {received_at: requested_datetime, text: description, source_due_at: expected_datetime}
"""
JANUARY = Window(
    datetime.fromisoformat("2026-01-01T00:00:00+03:00"),
    datetime.fromisoformat("2026-02-01T00:00:00+03:00"),
)
PAGE = (
    b'[{"service_request_id": 1, "requested_datetime": "2026-01-05T10:00:00", "description": "a"},'
    b' {"service_request_id": 2, "requested_datetime": "2026-01-06T10:00:00", "description": "b"}]'
)
TOKEN = "secret-token-of-the-source"


def portal(make_source: MakeSource, code: str, server: Server) -> Source:
    text = OPEN311.replace("URL", server.url).replace("TABLE", code)
    return make_source(code, text, TOKEN=TOKEN)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are written down instead of waited."""
    waits: list[float] = []

    def patient(source: Source, *, bearer: bool = True) -> Transport:
        return Transport(
            timeout_seconds=source.timeout_seconds,
            attempts=source.attempts,
            token=source.token if bearer else None,
            sleep=waits.append,
        )

    monkeypatch.setattr(register_client, "transport_of", patient)
    monkeypatch.setattr(open311_client, "transport_of", patient)
    return waits


def test_html_instead_of_json_is_kept_with_its_bytes_and_the_pages_before_it_land(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    page = "<!DOCTYPE html><h1>Ведутся работы</h1>".encode()
    server.answers = [(200, {}, PAGE), (200, {"Content-Type": "text/html"}, page)]
    (load,) = platform.ingest(portal(make_source, "html", server), window=JANUARY)
    assert (load.outcome, load.error_class) == ("failed", "not_json")
    assert "HTML page" in str(load.error_message)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (3, 2, 1)
    assert kept_bytes(platform, "html") == [page]
    # The window is not called known: the next run asks for all of it again.
    assert platform.rows("select 1 from ops.watermarks where source_code = 'html'") == []
    server.answers = [(200, {}, PAGE), (200, {}, b"[]")]
    (again,) = platform.ingest(portal(make_source, "html", server), window=JANUARY)
    assert (again.outcome, again.rows_unchanged) == ("success", 2)


def test_broken_json_is_replayed_when_the_answer_can_be_read(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    server.answers = [(200, {}, b'{"data": ' + PAGE + b"}")]
    source = portal(make_source, "unlisted", server)
    (load,) = platform.ingest(source, window=JANUARY)
    assert load.error_class == "unexpected_answer"
    assert platform.replay(source).loads[0].outcome == "failed"
    assert platform.quarantine("unlisted") == [("unexpected_answer", None, "open")]


def test_429_is_waited_out_as_long_as_the_source_asks(
    platform: Platform, make_source: MakeSource, server: Server, no_waiting: list[float]
) -> None:
    server.answers = [
        (429, {"Retry-After": "7"}, b""),
        (200, {}, PAGE),
        (200, {}, b"[]"),
    ]
    (load,) = platform.ingest(portal(make_source, "busy", server), window=JANUARY)
    assert (load.outcome, load.rows_landed, load.calls) == ("success", 2, 3)
    assert no_waiting == [7.0]


@pytest.mark.parametrize(
    ("status", "code"), [(429, "http_rate_limited"), (500, "http_server_error")]
)
def test_an_error_that_stays_ends_the_load_with_a_clear_text(
    platform: Platform,
    make_source: MakeSource,
    server: Server,
    no_waiting: list[float],
    status: int,
    code: str,
) -> None:
    server.answers = [(status, {}, b"secret body")]
    name = f"stays_{status}"
    (load,) = platform.ingest(portal(make_source, name, server), window=JANUARY)
    assert (load.outcome, load.error_class, load.calls) == ("failed", code, 3)
    assert f"answered {status}" in str(load.error_message)
    assert no_waiting == [1.0, 2.0]
    assert TOKEN not in platform.stored_text(name)
    # Its own window is loaded again without loss once the source is back.
    server.answers = [(200, {}, PAGE), (200, {}, b"[]")]
    (again,) = platform.ingest(portal(make_source, name, server), window=JANUARY)
    assert again.rows_landed == 2


def test_a_500_in_mid_listing_keeps_the_pages_before_it_and_makes_no_tombstones(
    platform: Platform, make_source: MakeSource, server: Server, no_waiting: list[float]
) -> None:
    source = portal(make_source, "cut_off", server)
    server.answers = [(200, {}, PAGE), (200, {}, PAGE.replace(b": 1,", b": 3,")), (200, {}, b"[]")]
    platform.ingest(source, window=JANUARY)
    server.answers = [(200, {}, PAGE), (500, {}, b"")]
    (load,) = platform.ingest(source, window=JANUARY)
    assert (load.outcome, load.rows_unchanged, load.rows_tombstoned) == ("failed", 2, 0)


def test_a_source_that_does_not_answer_in_time_is_told_so(
    platform: Platform, make_source: MakeSource, no_waiting: list[float]
) -> None:
    # Connections are taken by the kernel, but nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = make_source(
            "silent",
            OPEN311.replace("URL", f"http://127.0.0.1:{silent.getsockname()[1]}").replace(
                "TABLE", "silent"
            ),
            TOKEN=TOKEN,
        )
        (load,) = platform.ingest(source, window=JANUARY)
    assert (load.outcome, load.error_class, load.calls) == ("failed", "http_timeout", 3)
    assert "no answer within 0.3 s" in str(load.error_message)


def test_a_refused_token_is_not_tried_again_and_not_shown(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    server.answers = [(401, {}, b"")]
    (load,) = platform.ingest(portal(make_source, "refused", server), window=JANUARY)
    assert (load.error_class, load.calls) == ("http_unauthorised", 1)
    assert server.asked[0][1]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in platform.stored_text("refused")


def test_a_redirect_to_another_host_is_not_followed(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    server.answers = [(302, {"Location": "http://169.254.169.254/latest"}, b"")]
    (load,) = platform.ingest(portal(make_source, "redirected", server), window=JANUARY)
    assert load.error_class == "redirect_refused"
    assert len(server.asked) == 1


def test_a_windowed_source_without_a_window_says_so(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    (load,) = platform.ingest(portal(make_source, "no_window", server))
    assert load.error_class == "window_required"


def test_what_left_the_window_gets_a_tombstone_and_what_lies_outside_it_does_not(
    platform: Platform, make_source: MakeSource, server: Server
) -> None:
    source = portal(make_source, "within", server)
    december = PAGE.replace(b"2026-01-05", b"2025-12-05")
    server.answers = [(200, {}, december), (200, {}, b"[]")]
    platform.ingest(source, window=JANUARY)
    server.answers = [(200, {}, b"[]")]
    (load,) = platform.ingest(source, window=JANUARY)
    assert load.rows_tombstoned == 1
    assert platform.rows("select native_id from raw.within where is_deleted") == [("2",)]


def test_good_rows_of_a_failed_load_are_no_fault_of_the_warehouse(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{n};Яма;{'вчера' if n % 2 else '01.02.2026'}" for n in range(40)]
    path.write_text("\n".join(["id;text;got", *rows]) + "\n", encoding="utf-8")
    source = make_source(
        "half_bad",
        f"""
        kind: register
        deadline: none
        max_quarantined_share: 0.1
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
        entities:
          rows:
            table: half_bad
            role: case
            kind: appeal
            key: id
            format: {{separator: ";"}}
            formats: ["%d.%m.%Y"]
            record: {{text: text, received_at: got}}
        """,
    )
    (load,) = platform.ingest(source)
    assert (load.outcome, load.rows_landed, load.rows_quarantined) == ("failed", 20, 20)

    checks = run(
        "raw",
        database_url=platform.warehouse.url("transformer"),
        run_id="half",
        sources=source_tables([source]),
    )

    assert checks.failed_critical == []
    assert "load_last_attempt" in {finding.check.code for finding in checks.findings}


ODD = (
    b'{"id": "a\\u0000", "text": "NUL in the key"}',
    b'{"id": "b\\ud83c", "text": "half a pair in the key"}',
    b'{"id": "c", "text": "x", "na\\u0000me": 1}',
    b'{"id": "d", "text": "x", "na\\ud83cme": 1}',
    b'{"id": "f", "text": "x", "deep": ' + b"[" * 400 + b"]" * 400 + b"}",
    b'{"id": "g", "text": "x", "deep": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
)
# Of identities only the pseudonym lands, whatever they are made of.
GOOD = b'{"id": "good", "text": "x", "who": "\\u0000", "at": [{"who": "\\ud83c"}]}'


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_an_odd_record_is_refused_alone_and_stops_neither_its_file_nor_its_folder(
    platform: Platform, make_source: MakeSource, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    odd = ODD if kind == "jsonl" else ODD[:-1]
    content = b"\n".join((*odd, GOOD)) if kind == "jsonl" else b"[" + b",".join((*odd, GOOD)) + b"]"
    (folder / f"1.{kind}").write_bytes(content)
    (folder / f"2.{kind}").write_bytes(GOOD if kind == "jsonl" else b"[" + GOOD + b"]")
    with suppress(OSError):  # not every file system takes such a name
        os.link(folder / f"2.{kind}", os.fsencode(folder) + b"/3\xff." + kind.encode())
    source = make_source(
        f"odd_{kind}",
        f"""
        kind: register
        deadline: none
        max_quarantined_share: 1
        regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{folder}"}}]
        entities:
          rows:
            table: odd_{kind}
            role: case
            kind: appeal
            key: id
            format: {{type: {kind}}}
            identity: {{who: person, "**.who": person}}
            record: {{text: text}}
        """,
    )
    first, *others = platform.ingest(source)
    assert (first.rows_read, first.rows_landed) == (len(odd) + 1, 1)
    assert first.rows_quarantined == len(odd)
    assert [load.outcome for load in others] == ["success"] * len(others)
    assert {code for code, _, _ in platform.quarantine(f"odd_{kind}")} <= {
        *("invalid_character", "nested_too_deep", "not_json"),
    }


def test_every_region_is_tried_when_one_fails_and_what_landed_is_counted(
    platform: Platform, make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.xlsx").write_bytes(workbook()[:-300])
    (tmp_path / "good.xlsx").write_bytes(workbook())
    one = register(make_source, "two_regions", tmp_path / "broken.xlsx", form="type: xlsx")
    second = one.regions[0].model_copy(
        update={"code": "pskov", "endpoint": str(tmp_path / "good.xlsx")}
    )
    source = one.model_copy(update={"regions": (*one.regions, second)})
    key = SimpleNamespace(credentials=SimpleNamespace(vault_key=platform.vault_key))
    monkeypatch.setattr(pipeline, "get_settings", lambda: key)
    monkeypatch.setattr(pipeline, "warehouse_of", lambda settings: platform.warehouse)
    with pytest.raises(IngestionFailed) as caught:
        pipeline.ingest_source(source, run_id="test")
    assert [(load.region_code, load.outcome) for load in caught.value.loads] == [
        ("tambov", "failed"),
        ("pskov", "success"),
    ]
    counts = pipeline.counts_of(caught.value.loads)
    assert (counts["loads"], counts["rows_landed"], counts["rows_quarantined"]) == (2, 2, 1)


def test_a_broken_file_whose_name_is_no_text_is_kept_and_the_others_are_read(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    folder = tmp_path / "delivered"
    folder.mkdir()
    (folder / os.fsdecode(b"\xf1\xe2\xee\xe4.xlsx")).write_bytes(workbook()[:-300])
    (folder / "я.xlsx").write_bytes(workbook())
    source = register(make_source, "odd_names", folder, form="type: xlsx")
    loads = platform.ingest(source)
    assert sorted(load.outcome for load in loads) == ["failed", "success"]
    assert [load.error_class for load in loads if load.outcome == "failed"] == ["broken_workbook"]
    assert len(kept_bytes(platform, "odd_names")) == 1
