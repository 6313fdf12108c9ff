"""RSS and Atom of local media: as written, each outlet for itself, names of authors sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.clients import feed as feed_client
from ingestion.sandbox.feed import LISTED
from ingestion.sandbox.publications import publications
from tests.ingestion.clients.loopback import (
    Site,
    cut,
    patient,
    served_sandbox,
    shipped,
    small_world,
)
from tests.ingestion.conftest import Platform

pytestmark = pytest.mark.server

SPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:yandex="http://news.yandex.ru"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    ' xmlns:media="http://search.yahoo.com/mrss/"'
)
ATOM = b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>g</title></feed>'


def rss(
    *items: str, head: str = "", encoding: str = "utf-8", end: str = "</channel></rss>"
) -> bytes:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{head}'
    text = (
        f'{declared}<rss version="2.0" {SPACES}><channel><title>Вести</title>{"".join(items)}{end}'
    )
    return text.encode(encoding)


def item(number: int, title: str = "Яма засыпана", **more: str) -> str:
    told = {
        "guid": f"{number}",
        "title": title,
        "pubDate": "Thu, 15 Jan 2026 10:00:00 +0300",
        "description": "&lt;p&gt;Работы идут&lt;/p&gt;",
        **{name.replace("__", ":"): value for name, value in more.items()},
    }
    return "<item>" + "".join(f"<{k}>{v}</{k}>" for k, v in told.items() if v) + "</item>"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(feed_client, "transport_of", patient([]))
    with Site() as one:
        one.pages["/media/tambov/gorod.atom"] = lambda asked: ATOM
        yield one


@pytest.fixture
def read(platform: Platform, site: Site) -> Callable[..., list[Any]]:
    """Loads the feeds of Tambov: first `vesti`, then `gorod`; the loads balance."""

    def run(name: str, vesti: Any = None) -> list[Any]:
        if vesti is not None:
            site.pages["/media/tambov/vesti.rss"] = lambda asked: vesti
        source = shipped("local_media", name, TSUR_FULL_SANDBOX_URL=site.url)
        loads = platform.ingest(source, region="tambov")
        assert all(load.is_balanced for load in loads)
        return loads

    return run


def test_an_article_lands_as_it_was_written(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    first, second = read("written", rss(item(1, category="ЖКХ", link="https://v.example/1")))
    assert (first.outcome, first.rows_landed, second.rows_landed) == ("success", 1, 0)
    (record,) = platform.records("written_articles")
    assert record == {
        "native_id": "vesti_1",
        "kind": "post",
        "received_at": "2026-01-15T10:00:00+03:00",
        "received_has_time": True,
        # HTML stays as it is written: nothing is cleaned or made absolute.
        "text": "Яма засыпана\n\n<p>Работы идут</p>",
        "category": "ЖКХ",
        "channel": "media",
        "is_by_body": False,
        "url": "https://v.example/1",
    }


@pytest.mark.parametrize(
    ("more", "body"),
    [
        ({}, "<p>Работы идут</p>"),
        ({"yandex__full-text": "Весь текст"}, "Весь текст"),
        (
            {"content__encoded": '<![CDATA[<p onclick="x()"><a href="/2">Весь</a></p>]]>'},
            '<p onclick="x()"><a href="/2">Весь</a></p>',
        ),
    ],
)
def test_the_fullest_text_of_an_article_counts(
    platform: Platform, read: Callable[..., list[Any]], more: dict[str, str], body: str
) -> None:
    name = f"fullest_{len(body)}"
    read(name, rss(item(1, **more)))
    assert platform.records(f"{name}_articles")[0]["text"] == f"Яма засыпана\n\n{body}"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("Thu, 15 Jan 2026 10:00:00 +0500", "2026-01-15T10:00:00+05:00"),
        ("Thu, 15 Jan 2026 10:00:00 GMT", "2026-01-15T10:00:00+00:00"),
        ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00+00:00"),
        # Without an offset it is the time of the region.
        ("2026-01-15 10:00:00", "2026-01-15T10:00:00+03:00"),
        ("", None),
    ],
)
def test_dates_are_read_as_feeds_write_them(
    platform: Platform, read: Callable[..., list[Any]], written: str, read_as: str | None
) -> None:
    name = f"dates_{len(written)}"
    read(name, rss(item(1, pubDate=written)))
    assert platform.records(f"{name}_articles")[0].get("received_at") == read_as


def test_a_feed_in_cp1251_is_read_by_its_declaration(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    read("cyrillic", rss(item(1, "Ёлки на площади"), encoding="windows-1251"))
    assert platform.records("cyrillic_articles")[0]["text"].startswith("Ёлки на площади")


def test_the_key_is_the_guid_or_else_the_link(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    linked = item(1, guid="", link="https://v.example/9")
    nameless = item(1, guid="", title="Ничья")
    (load, _) = read("keys", rss(item(7), linked, nameless))
    assert {one["native_id"] for one in platform.records("keys_articles")} == {
        "vesti_7",
        "vesti_https://v.example/9",
    }
    assert load.rows_quarantined == 1
    assert [code for code, _, _ in platform.quarantine("keys")] == ["missing_key"]


def test_names_of_authors_and_photographers_are_sealed(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    names = {
        "dc__creator": "Пётр Секретов",
        "author": "anna@v.example (Анна Тайная)",
        "media__credit": "Фото Олега Скрытного",
    }
    read("sealed", rss(item(1, **names)))
    stored = platform.stored_text("sealed_articles")
    assert not [one for one in ("Секретов", "Тайная", "anna@", "Скрытн") if one in stored]
    assert platform.records("sealed_articles")[0]["author_key"].startswith("p_")


def test_a_corrected_article_is_a_version_and_one_that_left_the_feed_stays(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    read("versions", rss(item(1), item(2)))
    (load, _) = read("versions", rss(item(2, "Яма засыпана снова"), item(3)))
    assert (load.rows_landed, load.rows_unchanged, load.rows_tombstoned) == (2, 0, 0)
    (load, _) = read("versions", rss(item(3), item(2, "Яма засыпана снова")))
    assert (load.rows_landed, load.rows_unchanged) == (0, 2)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"<html><body>later</body></html>", "not_a_feed"),
        (b"", "not_a_feed"),
        (rss(item(1), item(2), end="")[:-40], "broken_feed"),
        (cut(rss(item(1))), "http_connection"),
        ((503, {}, b""), "http_server_error"),
    ],
)
def test_a_feed_that_is_away_does_not_keep_the_others_from_being_read(
    platform: Platform, site: Site, read: Callable[..., list[Any]], answer: Any, code: str
) -> None:
    name = f"away_{code}_{len(answer)}"
    gorod = ATOM.replace(b"</feed>", b"<entry><id>e</id><title>t</title></entry></feed>")
    site.pages["/media/tambov/gorod.atom"] = lambda asked: gorod
    first, second = read(name, answer)
    assert (first.outcome, first.error_class) == ("failed", code)
    assert second.outcome == "success"
    landed = {one["native_id"] for one in platform.records(f"{name}_articles")}
    # Of a feed that breaks off the last article may be half of itself.
    assert landed == ({"vesti_1", "gorod_e"} if code == "broken_feed" else {"gorod_e"})


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">',
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        f'<!ENTITY a "{"a" * 100}">',
        '<!ENTITY % p "x">',
    ],
)
def test_hostile_entities_are_kept_and_not_parsed(
    platform: Platform, read: Callable[..., list[Any]], declared: str
) -> None:
    name = f"hostile_{len(declared)}"
    hostile = rss(item(1, "&b;"), head=f"<!DOCTYPE rss [{declared}]>")
    (load, _) = read(name, hostile)
    assert (load.error_class, load.rows_landed) == ("hostile_markup", 0)
    assert platform.quarantine(name) == [("hostile_markup", None, "open")]


def test_entities_for_single_characters_are_harmless(
    platform: Platform, read: Callable[..., list[Any]]
) -> None:
    head = '<!DOCTYPE rss [<!ENTITY nbsp "&#160;"><!ENTITY laquo "«">]>'
    (load, _) = read("harmless", rss(item(1, "Один&nbsp;раз"), head=head))
    assert (load.outcome, load.rows_landed) == ("success", 1)


def test_a_name_that_is_a_file_of_ours_is_not_opened(
    platform: Platform, tmp_path: Path, read: Callable[..., list[Any]]
) -> None:
    (tmp_path / "feed.xml").write_bytes(rss(item(1)))
    (load, _) = read("name", str(tmp_path / "feed.xml").encode())
    assert (load.error_class, load.rows_landed) == ("not_a_feed", 0)


def test_a_feed_that_robots_txt_closes_is_not_asked_for(
    platform: Platform, site: Site, read: Callable[..., list[Any]]
) -> None:
    rules = b"User-agent: *\nDisallow: /media/tambov/vesti\n"
    site.pages["/robots.txt"] = lambda asked: rules
    (load, other) = read("closed", rss(item(1)))
    assert (load.error_class, other.outcome) == ("robots_disallowed", "success")
    assert site.paths() == ["/robots.txt", "/media/tambov/gorod.atom"]


def test_a_broken_feed_that_is_replayed_is_still_broken(
    platform: Platform, site: Site, read: Callable[..., list[Any]]
) -> None:
    (load, _) = read("replayed", rss(item(1), item(2), end="")[:-40])
    assert load.rows_landed == 1
    source = shipped("local_media", "replayed", TSUR_FULL_SANDBOX_URL=site.url)
    (again,) = platform.replay(source).loads
    assert (again.rows_unchanged, again.rows_quarantined) == (1, 1)


def test_the_sandbox_s_feeds_land(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_client, "transport_of", patient([]))
    with served_sandbox() as url:
        source = shipped("local_media", "sandbox", TSUR_FULL_SANDBOX_URL=url)
        loads = platform.ingest(source, region="jewish_ao")
    assert [(load.outcome, load.rows_landed) for load in loads] == [("success", LISTED)] * 2
    landed = {one["native_id"]: one for one in platform.records("sandbox_articles")}
    for outlet, prefix in (("vesti", ""), ("gorod", "tag:gorod.example,2020:jewish_ao/")):
        found = publications(small_world(), "jewish_ao", f"media {outlet}", is_body=True)
        for one in found[-LISTED:]:
            record = landed[f"{outlet}_{prefix}{one.number}"]
            assert record["text"].endswith(f"<p>{one.text}</p>")
            assert record["received_at"] == f"{one.at.isoformat()}+10:00"
