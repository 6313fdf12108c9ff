"""Telegram: exports are read by their type, previews back to the window, nobody in the clear."""

from __future__ import annotations

import functools
import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest
import requests

from ingestion.clients import robots
from ingestion.clients import telegram as telegram_client
from ingestion.clients.telegram import TelegramExportClient
from ingestion.clients.transport import Pace
from ingestion.sandbox.publications import publications
from ingestion.source import Source, Window
from tests.ingestion.clients.loopback import (
    AS_OF,
    Site,
    cut,
    patient,
    served_sandbox,
    shipped,
    small_world,
)
from tests.ingestion.conftest import Platform

pytestmark = pytest.mark.server

# --- exports -------------------------------------------------------------------------------------

OPEN = {"name": "Соседи", "type": "public_supergroup", "id": 55}
# Numbers that telegram_exports.yml gives to the channels of Tambov.
BODY = {"name": "Правительство", "type": "public_channel", "id": 1168000001}


def exports(name: str) -> Source:
    return shipped("telegram_exports", name, TSUR_TELEGRAM_EXPORTS="/nowhere")


def message(number: int, text: Any = "Яма на дороге", **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2026-01-15T10:00:00",
        "date_unixtime": str(1_768_460_400 + number),
        "from": "Пётр Секретов",
        "from_id": "user9001",
        "text": text,
        "text_entities": [],
        **more,
    }


def export(folder: Path, content: Any, name: str = "result.json") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def everything_stored(platform: Platform, table: str) -> str:
    """All that stands in the clear, the texts left out."""
    rows = platform.rows(
        f"select native_id || (payload - 'text')::text || (record - 'text')::text from raw.{table}"
        " union all select coalesce(native_id, '') || reason from ops.quarantine"
        " union all select coalesce(error_message, '') || coalesce(file_name, '') from ops.loads"
    )
    return "\n".join(row[0] for row in rows)


def test_messages_of_a_public_group_become_posts_and_comments(
    platform: Platform, tmp_path: Path
) -> None:
    path = export(
        tmp_path,
        {
            **OPEN,
            "messages": [
                message(1, ["Когда ", {"type": "bold", "text": "уберут"}, " мусор?"]),
                message(2, "У нас тоже", reply_to_message_id=1, from_id="user9002"),
                message(3, "Переслали", forwarded_from="Анна Тайная", forwarded_from_id="user9003"),
                message(4, "Объявление", from_id="channel55"),
                message(5, "Уберут завтра", from_id="channel1168000001", reply_to_message_id=1),
            ],
        },
    )
    (load,) = platform.ingest(exports("group"), region="tambov", files=path)
    assert (load.outcome, load.rows_read, load.rows_landed) == ("success", 5, 5)
    landed = {one["native_id"]: one for one in platform.records("group_messages")}
    assert landed["55_1"]["text"] == "Когда уберут мусор?"
    assert {key: one["kind"] for key, one in landed.items()} == {
        "55_1": "post",
        "55_2": "comment",
        "55_3": "post",
        "55_4": "post",
        "55_5": "comment",
    }
    assert landed["55_2"]["parent_native_id"] == "55_1"
    assert [key for key, one in landed.items() if one["is_repost"]] == ["55_3"]
    # The channel of a declared body answers in the group; the group's own name is nobody's body.
    assert [key for key, one in landed.items() if one["is_by_body"]] == ["55_5"]
    authors = {key: one.get("author_key") for key, one in landed.items()}
    assert authors["55_1"] == authors["55_3"] != authors["55_2"]
    assert authors["55_4"] is None
    assert landed["55_1"]["channel"] == "Соседи"
    assert landed["55_1"]["received_at"] == "2026-01-15T10:00:01+03:00"


def test_authors_forwards_and_what_texts_name_are_sealed(
    platform: Platform, tmp_path: Path
) -> None:
    entities = [
        {"type": "plain", "text": "Звоните "},
        {"type": "phone", "text": "+79991112233"},
        {"type": "mention", "text": "@taina"},
        {"type": "mention_name", "text": "Олег Скрытный", "user_id": 9005},
        {"type": "email", "text": "secret@post.example"},
    ]
    text = "Звоните +79991112233 @taina Олег Скрытный secret@post.example"
    path = export(
        tmp_path,
        {
            **OPEN,
            "messages": [
                message(
                    1,
                    text,
                    text_entities=entities,
                    author="Тайная подпись",
                    forwarded_from="Анна Тайная",
                    forwarded_from_id="user9003",
                    reactions=[
                        {
                            "type": "emoji",
                            "count": 1,
                            "recent": [{"from": "Ия Ива", "from_id": "user9004"}],
                        }
                    ],
                    contact_information={"first_name": "Боб", "phone_number": "+15550001122"},
                ),
                {"id": 2, "type": "service", "actor": "Пётр Секретов", "actor_id": "user9001"}
                | {"action": "invite_members", "members": ["Ия Ива"], "text": ""},
            ],
        },
    )
    (load,) = platform.ingest(exports("sealed"), region="tambov", files=path)
    assert (load.rows_landed, load.rows_quarantined) == (1, 1)
    stored = everything_stored(platform, "sealed_messages")
    secrets = ("Секретов", "Тайная", "Ия Ива", "Боб", "Скрытный", "taina", "9991112233")
    numbers = ("user9001", "user9003", "user9004", "9005", "5550001122", "secret@post")
    assert not [one for one in (*secrets, *numbers) if one in stored]
    # The text itself stays as it was written: masking it is the work of text understanding.
    assert platform.records("sealed_messages")[0]["text"] == text


def test_service_messages_are_counted_with_their_reason(platform: Platform, tmp_path: Path) -> None:
    service = {"id": 1, "type": "service", "actor": "Пётр Секретов", "action": "pin_message"}
    path = export(tmp_path, {**OPEN, "messages": [service, message(2), "нечто"]})
    source = exports("service")
    (load,) = platform.ingest(source, region="tambov", files=path)
    assert load.is_balanced
    assert (load.outcome, load.rows_read, load.rows_quarantined) == ("success", 3, 2)
    assert [code for code, _, _ in platform.quarantine("service")] == [
        "not_a_post",
        "not_an_object",
    ]
    platform.replay(source)
    assert [state for _, _, state in platform.quarantine("service")] == ["open", "open"]
    assert len(platform.records("service_messages")) == 1


def test_an_edited_message_is_a_new_version_and_the_rest_is_unchanged(
    platform: Platform, tmp_path: Path
) -> None:
    source = exports("edited")
    first = export(tmp_path / "1", {**OPEN, "messages": [message(1), message(2)]})
    platform.ingest(source, region="tambov", files=first)
    # Exported later, on a computer in another time zone, with new reactions.
    later = [
        message(1, date="2026-01-15T12:00:00", reactions=[{"type": "emoji", "count": 3}]),
        message(2, "Яму засыпали", edited="2026-01-16T12:00:00", edited_unixtime="1768546800"),
    ]
    second = export(tmp_path / "2", {**OPEN, "messages": later})
    (load,) = platform.ingest(source, region="tambov", files=second)
    assert (load.rows_landed, load.rows_unchanged) == (1, 1)
    assert platform.rows(
        "select record ->> 'text', extract(epoch from source_changed_at)::bigint"
        " from raw.edited_messages where native_id = '55_2' order by raw_id"
    ) == [("Яма на дороге", None), ("Яму засыпали", 1768546800)]


def test_what_the_channel_of_a_body_publishes_is_no_case(
    platform: Platform, tmp_path: Path
) -> None:
    own = message(7, from_id="channel1168000001", reply_to_message_id=6)
    path = export(tmp_path, {**BODY, "messages": [own]})
    platform.ingest(exports("of_body"), region="tambov", files=path)
    (record,) = platform.records("of_body_messages")
    assert (record["kind"], record["is_by_body"]) == ("post", True)
    assert record["parent_native_id"] == "1168000001_6"
    assert record["url"] == "https://t.me/gov_68/7"
    assert "author_key" not in record


PRIVATE = [
    "personal_chat",
    "bot_chat",
    "saved_messages",
    "replies",
    "private_group",
    "private_supergroup",
    "private_channel",
    "something_new",
    None,
]


@pytest.mark.parametrize(
    ("kind", "is_type_last"), [*((kind, False) for kind in PRIVATE), ("private_group", True)]
)
def test_an_export_that_is_not_public_is_refused_and_nothing_of_it_is_kept(
    platform: Platform, tmp_path: Path, kind: str | None, is_type_last: bool
) -> None:
    name = f"private_{PRIVATE.index(kind)}_{int(is_type_last)}"
    told = {} if kind is None else {"type": kind}
    messages = {"messages": [message(1, "Очень личное")]}
    content = {"name": "Анна Тайная", "id": 7} | (
        messages | told if is_type_last else told | messages
    )
    path = export(tmp_path, content)
    (load,) = platform.ingest(exports(name), region="tambov", files=path)
    assert (load.outcome, load.error_class, load.rows_read) == ("failed", "private_chat", 0)
    assert (repr(kind) if kind else "names no type") in str(load.error_message)
    assert platform.rows(
        "select file_name, file_sha256 from ops.loads where load_id = %s", load.load_id
    ) == [("result.json", hashlib.sha256(path.read_bytes()).hexdigest())]
    assert platform.quarantine(name) == []
    assert platform.records(f"{name}_messages") == []
    assert "Тайная" not in everything_stored(platform, f"{name}_messages")


def test_an_export_of_a_whole_account_is_refused(platform: Platform, tmp_path: Path) -> None:
    chats = {"list": [{**OPEN, "messages": [message(1)]}]}
    account = {"personal_information": {"first_name": "Анна"}, "contacts": {}, "chats": chats}
    (load,) = platform.ingest(exports("account"), region="tambov", files=export(tmp_path, account))
    assert load.error_class == "private_chat"
    assert platform.quarantine("account") == []


def test_a_public_export_lands_though_private_ones_lie_beside_it(
    platform: Platform, tmp_path: Path
) -> None:
    private = {**OPEN, "type": "private_group", "messages": [message(1)]}
    export(tmp_path, private, "a.json")
    export(tmp_path, {**OPEN, "messages": [message(1)]}, "b.json")
    export(tmp_path, private, "c.json")
    loads = platform.ingest(exports("beside"), region="tambov", files=tmp_path)
    assert [one.outcome for one in loads] == ["failed", "success", "failed"]
    assert len(platform.records("beside_messages")) == 1


def test_a_type_that_stands_behind_the_messages_is_found(
    platform: Platform, tmp_path: Path
) -> None:
    path = export(tmp_path, {"messages": [message(1), message(2)], **OPEN})
    (load,) = platform.ingest(exports("behind"), region="tambov", files=path)
    assert (load.outcome, load.rows_landed) == ("success", 2)


def test_an_export_that_breaks_off_keeps_what_came_before(
    platform: Platform, tmp_path: Path
) -> None:
    whole = json.dumps({**OPEN, "messages": [message(1), message(2)]}, ensure_ascii=False)
    path = export(tmp_path, whole[:-30])
    source = exports("broken")
    (load,) = platform.ingest(source, region="tambov", files=path)
    assert (load.outcome, load.error_class, load.rows_landed) == ("failed", "not_json", 1)
    assert load.is_balanced
    assert platform.quarantine("broken") == [("not_json", None, "open")]
    (again,) = platform.replay(source).loads
    assert (again.rows_unchanged, again.rows_quarantined) == (1, 1)


def test_an_export_that_breaks_off_before_its_type_is_not_kept(
    platform: Platform, tmp_path: Path
) -> None:
    path = export(tmp_path, '{"name": "Анна Тайная", "messages": [{"text": "Лич')
    (load,) = platform.ingest(exports("unknown"), region="tambov", files=path)
    assert load.error_class == "unreadable_export"
    assert platform.quarantine("unknown") == []
    assert "Тайная" not in everything_stored(platform, "unknown_messages")


def test_a_large_export_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_client, "PAGE_ITEMS", 400)
    text = "x" * 5000
    with (tmp_path / "result.json").open("w", encoding="utf-8") as file:
        file.write(json.dumps(OPEN)[:-1] + ', "messages": [')
        file.write(",".join(json.dumps(message(number, text)) for number in range(4_000)))
        file.write("]}")
    # Whole, it would take 20 MB as bytes and as much again as messages; a page is 2 MB.
    assert (tmp_path / "result.json").stat().st_size > 20_000_000
    source = exports("large")
    region = source.region("tambov").model_copy(update={"endpoint": str(tmp_path)})
    client = TelegramExportClient(source, region)
    (delivery,) = client.deliveries(source.entities["messages"], None)
    tracemalloc.start()
    read = sum(len(page.items) for page in delivery.pages)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == 4_000
    assert peak < 8_000_000


# --- previews ------------------------------------------------------------------------------------

WINDOW = Window(datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC))


def shown(
    number: int,
    day: int,
    text: str = "Яма",
    *,
    mark: str = "",
    extra: str = "",
) -> str:
    """One message as the preview of a channel shows it."""
    return (
        f'<div class="tgme_widget_message_wrap"><div class="tgme_widget_message js-widget_message"'
        f' data-post="Slovo_68/{number}"><div class="tgme_widget_message_bubble">{extra}'
        f'<div class="tgme_widget_message_text js-message_text" dir="auto">{text}</div>'
        '<div class="tgme_widget_message_footer">'
        '<span class="tgme_widget_message_views">1.2K</span>'
        f'<span class="tgme_widget_message_meta">{mark}<a class="tgme_widget_message_date"'
        f' href="https://t.me/Slovo_68/{number}"><time datetime="2026-01-{day:02}T09:00:00+00:00"'
        ' class="time">09:00</time></a></span></div></div></div></div>'
    )


def page(*messages: str, before: int | None = None) -> bytes:
    more = f'<a class="tme_messages_more" data-before="{before}" href="/s/x"></a>' if before else ""
    body = f'<section class="tgme_channel_history">{more}{"".join(messages)}</section>'
    return f'<html><body><div class="tgme_channel_info"></div>{body}</body></html>'.encode()


class Preview:
    """A channel whose pages are given by what `before` asks for."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.pages: dict[str, Any] = {}
        site.pages["/tme/s/slovo_68"] = self.answer
        site.pages["/robots.txt"] = lambda asked: b"User-agent: *\nAllow: /\n"

    def answer(self, asked: dict[str, str]) -> Any:
        return self.pages[asked.get("before", "")]

    def asked(self) -> list[str]:
        return [
            parameters.get("before", "")
            for path, parameters in self.site.asked
            if path == "/tme/s/slovo_68"
        ]


@pytest.fixture
def preview(monkeypatch: pytest.MonkeyPatch) -> Iterator[Preview]:
    monkeypatch.setattr(telegram_client, "transport_of", patient([]))
    with Site() as site:
        yield Preview(site)


def channels(preview: Preview, name: str, *names: str) -> Source:
    """The shipped source with one channel of Tambov, or with those that are named."""
    source = shipped("telegram_channels", name, TSUR_FULL_SANDBOX_URL=preview.site.url)
    region = source.region("tambov")
    kept = tuple(one for one in region.channels if one.name in (names or ("slovo_68",)))
    return source.model_copy(update={"regions": (region.model_copy(update={"channels": kept}),)})


def read(platform: Platform, source: Source) -> Any:
    (load,) = platform.ingest(source, region="tambov", window=WINDOW)
    assert load.is_balanced
    return load


def test_pages_are_read_back_to_the_window_s_start_and_no_further(
    platform: Platform, preview: Preview
) -> None:
    preview.pages = {
        "": page(shown(30, 18), shown(31, 19), before=30),
        "30": page(shown(20, 9), shown(21, 12), before=20),
        "20": page(shown(10, 1)),
    }
    load = read(platform, channels(preview, "pages"))
    assert preview.asked() == ["", "30"]
    assert load.rows_landed == 4
    landed = {one["native_id"]: one for one in platform.records("pages_messages")}
    assert set(landed) == {"slovo_68_20", "slovo_68_21", "slovo_68_30", "slovo_68_31"}
    one = landed["slovo_68_30"]
    assert (one["kind"], one["is_by_body"], one["is_repost"]) == ("post", False, False)
    assert one["url"] == "https://t.me/Slovo_68/30"
    assert one["channel"] == "Тамбов. Слово горожан"
    assert datetime.fromisoformat(one["received_at"]) == datetime(2026, 1, 18, 9, tzinfo=UTC)


def test_texts_keep_their_lines_and_threads_and_reposts_are_told(
    platform: Platform, preview: Preview
) -> None:
    reply = (
        '<a class="tgme_widget_message_reply" href="https://t.me/Slovo_68/11">'
        '<div class="tgme_widget_message_text">Цитата</div></a>'
    )
    forward = (
        '<div class="tgme_widget_message_forwarded_from">Forwarded from '
        '<a class="tgme_widget_message_forwarded_from_name" href="https://t.me/tainaya">'
        "Анна Тайная</a></div>"
        '<span class="tgme_widget_message_from_author">Пётр Секретов</span>'
    )
    emoji = '<i class="emoji"><b>🕳</b></i>'
    links = (
        '<a href="https://t.me/skrytny">вот</a> <a href="mailto:skrytny@post.example">ему</a>'
        ' <a href="https://v.example/1">сюда</a>'
    )
    preview.pages[""] = page(
        shown(12, 15, f"Яма {emoji}<br/>на {escape('<Советской>')}", extra=reply),
        shown(13, 16, links, extra=forward),
    )
    read(platform, channels(preview, "threads"))
    first, second = platform.records("threads_messages")
    assert first["text"] == "Яма 🕳\nна <Советской>"
    assert first["parent_native_id"] == "slovo_68_11"
    assert (first["is_repost"], second["is_repost"]) == (False, True)
    assert second["author_key"].startswith("p_")
    stored = everything_stored(platform, "threads_messages")
    assert not [one for one in ("Тайная", "tainaya", "Секретов", "skrytny") if one in stored]
    assert "https://v.example/1" in stored


def test_an_edit_is_a_version_and_views_are_none(platform: Platform, preview: Preview) -> None:
    source = channels(preview, "edits")
    preview.pages[""] = page(shown(1, 15), shown(2, 15))
    read(platform, source)
    preview.pages[""] = page(
        shown(1, 15, "Засыпали", mark="edited &nbsp;"), shown(2, 15).replace("1.2K", "1.3K")
    )
    load = read(platform, source)
    assert (load.rows_landed, load.rows_unchanged, load.rows_tombstoned) == (1, 1, 0)
    assert platform.rows(
        "select record ->> 'text', payload -> 'edited' from raw.edits_messages"
        " where native_id = 'slovo_68_1' order by raw_id"
    ) == [("Яма", False), ("Засыпали", True)]


def test_what_is_listed_no_more_within_the_window_was_deleted(
    platform: Platform, preview: Preview
) -> None:
    source = channels(preview, "deleted")
    service = shown(3, 12).replace("js-widget_message", "service_message")
    preview.pages[""] = page(shown(1, 5), shown(2, 11), service, shown(4, 13))
    assert read(platform, source).rows_quarantined == 1
    platform.replay(source)
    assert platform.quarantine("deleted") == [("not_a_post", "slovo_68_3", "open")]
    preview.pages[""] = page(service, shown(4, 13))
    load = read(platform, source)
    assert load.rows_tombstoned == 1
    # The one before the window is beyond what was read.
    assert platform.rows("select native_id from raw.deleted_messages where is_deleted") == [
        ("slovo_68_2",)
    ]


@pytest.mark.parametrize("how", ["cut", "500", "maintenance", "empty"])
def test_a_reading_that_breaks_off_takes_nothing_for_deleted_and_is_made_up_for(
    platform: Platform, preview: Preview, how: str
) -> None:
    source = channels(preview, f"kill_{how}")
    newest = page(shown(30, 18, "Новая"), before=30)
    older = page(shown(20, 12))
    preview.pages = {"": page(shown(29, 17), before=29), "29": older, "30": older}
    read(platform, source)
    broken = {
        "cut": cut(older),
        "500": (500, {}, b""),
        "maintenance": b"<html>later</html>",
        "empty": page(),
    }
    preview.pages = {"": newest, "30": broken[how]}
    failed = read(platform, source)
    told = {"cut": "http_connection", "500": "http_server_error"}
    assert (failed.outcome, failed.error_class) == ("failed", told.get(how, "unexpected_page"))
    assert (failed.rows_landed, failed.rows_tombstoned) == (1, 0)
    preview.pages["30"] = older
    whole = read(platform, source)
    assert (whole.outcome, whole.rows_unchanged, whole.rows_tombstoned) == ("success", 2, 1)


def test_a_page_that_leads_back_to_itself_ends_the_load(
    platform: Platform, preview: Preview
) -> None:
    stuck = page(shown(30, 18), before=30)
    preview.pages = {"": stuck, "30": stuck}
    load = read(platform, channels(preview, "stuck"))
    assert (load.error_class, preview.asked()) == ("paging_stuck", ["", "30"])


def test_a_channel_that_cannot_be_read_does_not_keep_others_from_being_read(
    platform: Platform, preview: Preview
) -> None:
    preview.site.pages["/tme/s/gov_68"] = lambda asked: (302, {"Location": "/tme/gov_68"}, b"")
    preview.pages[""] = page(shown(1, 15))
    load = read(platform, channels(preview, "renamed", "gov_68", "slovo_68"))
    assert (load.outcome, load.error_class) == ("failed", "unexpected_page")
    assert "gov_68" in str(load.error_message)
    assert load.rows_landed == 1


def test_a_channel_that_robots_txt_closes_is_not_asked_for(
    platform: Platform, preview: Preview
) -> None:
    source = channels(preview, "closed")
    preview.pages[""] = page(shown(1, 15))
    read(platform, source)
    preview.site.asked.clear()
    rules = b"User-agent: *\nDisallow: /tme/s/slovo_68\n"
    preview.site.pages["/robots.txt"] = lambda asked: rules
    load = read(platform, source)
    assert (load.error_class, load.rows_tombstoned) == ("robots_disallowed", 0)
    assert preview.asked() == []


def test_the_sandbox_s_channels_land_as_they_are_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(telegram_client, "transport_of", patient(waits))
    # A clock that stands still: on a busy machine a request alone may take its fifth of a second.
    pace = functools.partial(Pace, folder=tmp_path, clock=lambda: 0.0)
    monkeypatch.setattr(robots, "Pace", pace)
    window = Window(AS_OF.replace(month=9, day=1), AS_OF)
    with served_sandbox() as url:
        source = shipped("telegram_channels", "sandbox", TSUR_FULL_SANDBOX_URL=url)
        (load,) = platform.ingest(source, region="samara", window=window)
    assert load.outcome == "success"
    # Two pages a channel, a fifth of a second apart, as the sandbox's robots.txt asks for.
    assert waits == [pytest.approx(0.21 * nth) for nth in (1, 2, 3)]
    expected = {
        f"{name}_{one.number}": one.text.replace(". ", ".\n", 1)
        for name, is_body in (("gov_63", True), ("samara_63", False))
        for one in publications(small_world(), "samara", f"telegram {name}", is_body=is_body)
    }
    landed = {one["native_id"]: one for one in platform.records("sandbox_messages")}
    assert {key: one["text"] for key, one in landed.items()} == expected
    assert {key for key, one in landed.items() if one["is_by_body"]} == {
        key for key in expected if key.startswith("gov_63")
    }
    assert any(one["is_repost"] for one in landed.values())
    assert [code for code, _, _ in platform.quarantine("sandbox")] == ["not_a_post"] * 2


def test_the_sandbox_s_exports_land(platform: Platform, tmp_path: Path) -> None:
    with served_sandbox() as url:
        for name in ("gov_63", "samara_63"):
            answer = requests.get(f"{url}/telegram/samara/{name}/result.json", timeout=10)
            export(tmp_path, answer.text, f"{name}.json")
    loads = platform.ingest(exports("sandbox_exports"), region="samara", files=tmp_path)
    assert [(one.outcome, one.rows_landed, one.rows_quarantined) for one in loads] == [
        ("success", 30, 1),
        ("success", 30, 1),
    ]
    landed = platform.records("sandbox_exports_messages")
    assert sum(one["is_by_body"] for one in landed) == 30
    assert all("author_key" in one for one in landed if not one["is_by_body"])
