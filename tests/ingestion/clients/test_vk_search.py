"""newsfeed.search: every post of a window, however many, found anywhere and nobody in the clear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.clients import vk as vk_client
from ingestion.source import Source, Window
from tests.ingestion.clients.loopback import (
    AS_OF,
    TOKEN,
    Site,
    cut,
    patient,
    served_sandbox,
    shipped,
    small_world,
)
from tests.ingestion.conftest import Platform

pytestmark = pytest.mark.server

START = datetime(2026, 1, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
FIRST = int(START.timestamp())
# The wall of the government of Tambov in vk_search.yml.
BODY = -168000001


def post(number: int, second: int, owner: int = 7001, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "owner_id": owner,
        "from_id": owner,
        "date": FIRST + second,
        "text": f"Тамбов, яма {number}",
        "post_type": "post",
        **more,
    }


class Search:
    """newsfeed.search over some posts, with the limits of the real one."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.posts: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.tells_total = True
        site.pages["/vk/method/newsfeed.search"] = self.answer

    def answer(self, form: dict[str, str]) -> Any:
        assert (form["access_token"], form["v"]) == (TOKEN, "5.199")
        start = form.get("start_from", "")
        if start in self.answers:
            found = self.answers[start]
            return found if isinstance(found, bytes | tuple) else json.dumps(found).encode()
        if form["q"] != "Тамбов":
            return json.dumps({"response": {"items": [], "count": 0, "total_count": 0}}).encode()
        first, last = int(form["start_time"]), int(form["end_time"])
        hits = sorted(
            (one for one in self.posts if first <= one["date"] <= last),
            key=lambda one: (one["date"], one["id"]),
            reverse=True,
        )
        offset = int(start.partition("/")[0] or 0)
        chosen = hits[:1000][offset : offset + int(form["count"])]
        told: dict[str, Any] = {"items": chosen}
        if self.tells_total:
            told |= {"count": min(len(hits), 1000), "total_count": len(hits)}
        if offset + len(chosen) < min(len(hits), 1000):
            told["next_from"] = f"{offset + len(chosen)}/{chosen[-1]['id']}"
        return json.dumps({"response": told}).encode()

    def windows(self) -> list[tuple[int, int]]:
        """What was asked for first: seconds from the window's start."""
        return [
            (int(form["start_time"]) - FIRST, int(form["end_time"]) - FIRST)
            for _, form in self.site.asked
            if form["q"] == "Тамбов" and "start_from" not in form
        ]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[Search]:
    monkeypatch.setattr(vk_client, "transport_of", patient(waits))
    with Site() as site:
        yield Search(site)


def found(url: str, name: str) -> Source:
    return shipped("vk_search", name, TSUR_FULL_SANDBOX_URL=url, TSUR_VK_TOKEN=TOKEN)


def read(platform: Platform, search: Search, name: str) -> Any:
    (load,) = platform.ingest(found(search.site.url, name), region="tambov", window=WINDOW)
    assert load.is_balanced
    return load


def test_a_search_is_read_by_next_from_to_its_end(platform: Platform, search: Search) -> None:
    search.posts = [post(number, number) for number in range(450)]
    load = read(platform, search, "paged")
    assert (load.outcome, load.rows_landed) == ("success", 450)
    starts = [form.get("start_from") for _, form in search.site.asked if form["q"] == "Тамбов"]
    assert starts == [None, "200/250", "400/50"]
    # The end of a window does not belong to it, the end of a search does.
    assert search.windows() == [(0, 3599)]


@pytest.mark.parametrize("tells_total", [True, False])
def test_a_window_with_more_than_a_search_hands_out_is_halved(
    platform: Platform, search: Search, tells_total: bool
) -> None:
    search.tells_total = tells_total
    search.posts = [post(number, number) for number in range(1_300)]
    name = f"halved_{int(tells_total)}"
    load = read(platform, search, name)
    assert load.outcome == "success"
    assert platform.rows(f"select count(*) from raw.{name}_posts") == [(1_300,)]
    # All of them stand in the first half, which is halved once more.
    assert search.windows()[:3] == [(0, 3599), (0, 1799), (0, 899)]
    if tells_total:
        # Where the total is told, nothing is read twice.
        assert load.rows_read == 1_300


def test_more_than_that_in_a_single_second_is_told(platform: Platform, search: Search) -> None:
    search.posts = [post(number, 5) for number in range(1_200)]
    load = read(platform, search, "second")
    assert (load.outcome, load.error_class) == ("failed", "search_overflow")
    assert "'Тамбов'" in str(load.error_message)
    assert platform.rows("select count(*) from raw.second_posts") == [(1_000,)]


def test_whose_post_it_is_and_nobody_in_the_clear(platform: Platform, search: Search) -> None:
    search.posts = [
        post(1, 1),
        post(2, 2, owner=-555),
        post(3, 3, owner=BODY),
        post(4, 4, owner=-555, signer_id=7002),
        post(5, 5, copy_history=[{"id": 9, "owner_id": 7003, "from_id": 7003, "text": "было"}]),
        post(6, 6, post_type="reply", post_id=1, owner=-555, from_id=7004, edited=FIRST + 60),
    ]
    read(platform, search, "whose")
    landed = {one["native_id"].rpartition("_")[2]: one for one in platform.records("whose_posts")}
    assert {key: one["is_by_body"] for key, one in landed.items()} == {
        "1": False,
        # A community of citizens writes for citizens; only walls of bodies are named in the YAML.
        "2": False,
        "3": True,
        "4": False,
        "5": False,
        "6": False,
    }
    assert [key for key, one in landed.items() if one["is_repost"]] == ["5"]
    assert (landed["6"]["kind"], landed["6"]["parent_native_id"]) == ("comment", "-555_1")
    assert landed["1"]["author_key"] == landed["5"]["author_key"] != landed["4"]["author_key"]
    stored = platform.stored_text("whose_posts")
    assert not [one for one in ("7001", "7002", "7003", "7004", TOKEN) if one in stored]


def test_an_edit_is_a_version_and_a_post_found_twice_is_one(
    platform: Platform, search: Search
) -> None:
    search.posts = [post(1, 1), post(2, 2)]
    read(platform, search, "edited")
    search.posts = [
        post(1, 1, text="Яму засыпали", edited=FIRST + 90, views={"count": 5}),
        post(2, 2),
    ]
    load = read(platform, search, "edited")
    assert (load.rows_landed, load.rows_unchanged) == (1, 1)
    assert platform.rows(
        "select extract(epoch from source_changed_at)::bigint from raw.edited_posts"
        " order by raw_id desc limit 1"
    ) == [(FIRST + 90,)]


@pytest.mark.parametrize("how", ["cut", "500", "error"])
def test_a_search_that_breaks_off_is_made_up_for(
    platform: Platform, search: Search, how: str
) -> None:
    search.posts = [post(number, number) for number in range(300)]
    broken = {
        "cut": cut(b'{"response"'),
        "500": (500, {}, b""),
        "error": {"error": {"error_code": 15, "error_msg": f"denied {TOKEN}"}},
    }
    search.answers["200/100"] = broken[how]
    name = f"kill_{how}"
    failed = read(platform, search, name)
    assert (failed.outcome, failed.rows_landed) == ("failed", 200)
    assert TOKEN not in str(failed.error_message)
    search.answers.clear()
    whole = read(platform, search, name)
    assert (whole.outcome, whole.rows_landed, whole.rows_unchanged) == ("success", 100, 200)


def test_a_next_from_that_comes_again_ends_the_load(platform: Platform, search: Search) -> None:
    stuck = {"response": {"items": [post(1, 1)], "count": 3, "next_from": "1/1"}}
    search.answers = {"": stuck, "1/1": stuck}
    load = read(platform, search, "stuck")
    assert (load.error_class, len(search.site.asked)) == ("paging_stuck", 2)


def test_too_many_a_second_is_waited_out(
    platform: Platform, search: Search, waits: list[float]
) -> None:
    search.posts = [post(1, 1)]
    refusals = [{"error": {"error_code": 6, "error_msg": "Too many requests per second"}}] * 3
    page = search.answer

    def busy(form: dict[str, str]) -> Any:
        return json.dumps(refusals.pop()).encode() if refusals else page(form)

    search.site.pages["/vk/method/newsfeed.search"] = busy
    load = read(platform, search, "busy")
    assert (load.outcome, load.rows_landed) == ("success", 1)
    assert len(waits) == 3


def test_a_wall_read_back_to_the_window_tells_what_was_deleted(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`listing: window` and `is_repost` for walls: two lines of a YAML."""
    monkeypatch.setattr(vk_client, "transport_of", patient([]))
    wall = [post(2, 2, owner=-9, from_id=7001), post(1, 1, owner=-9, copy_history=[{"id": 3}])]
    with Site() as site:
        site.pages["/vk/method/wall.get"] = lambda form: json.dumps(
            {"response": {"count": len(wall), "items": wall[int(form["offset"]) :]}}
        ).encode()
        source = shipped("vk_search", "wall", TSUR_FULL_SANDBOX_URL=site.url, TSUR_VK_TOKEN=TOKEN)
        posts = source.entities["posts"].model_copy(update={"endpoint": None, "listing": "window"})
        source = source.model_copy(update={"entities": {"posts": posts}})
        platform.ingest(source, region="tambov", window=WINDOW)
        del wall[0]
        (load,) = platform.ingest(source, region="tambov", window=WINDOW)
    assert load.rows_tombstoned == 1
    assert platform.rows("select native_id from raw.wall_posts where is_deleted") == [("-9_2",)]
    assert {one["is_repost"] for one in platform.records("wall_posts")} == {True, False}


def test_the_sandbox_s_posts_are_found_where_they_stand(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vk_client, "transport_of", patient([]))
    window = Window(AS_OF - timedelta(days=731), AS_OF)
    with served_sandbox() as url:
        source = found(url, "sandbox").model_copy(update={"page_size": 2})
        (load,) = platform.ingest(source, region="chelyabinsk", window=window)
    assert load.outcome == "success"
    expected = {
        case.native_id
        for region in ("tambov", "pskov", "jewish_ao", "chelyabinsk", "samara")
        for case in small_world().of(region, "vk")
        if case.kind == "post"
        and ("челябинс" in case.text.lower() or "магнитогорс" in case.text.lower())
    }
    assert expected
    assert {one["native_id"] for one in platform.records("sandbox_posts")} == expected
