"""Одноклассники: signed calls, pages by anchor, whose post it is, nobody in the clear."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.clients import odnoklassniki as ok_client
from ingestion.clients.odnoklassniki import signature
from ingestion.sandbox.odnoklassniki import APPLICATION_KEY, group_id, topic_id
from ingestion.sandbox.publications import publications
from ingestion.sandbox.regions import REGIONS
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

SECRET = "session-secret-key"
WINDOW = Window(datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC))
# The two groups of Tambov in odnoklassniki.yml: of the government, and of citizens.
BODY, CITIZENS = "70000168000001", "70000168000002"


def at(day: int) -> int:
    return int(datetime(2026, 1, day, 9, tzinfo=UTC).timestamp() * 1000)


def topic(number: int, day: int, author: str, text: str = "Яма", **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "media": [{"type": "text", "text": text}],
        "created_ms": at(day),
        "author_ref": author,
        "like_summary": {"count": number},
        "discussion_summary": {"comments_count": 0, "discussion_type": "GROUP_TOPIC"},
        **more,
    }


def stream(*topics: dict[str, Any], anchor: str | None = None) -> dict[str, Any]:
    feeds = [
        {
            "pattern": "POST",
            "date_ms": one["created_ms"],
            "target_refs": [f"media_topic:{one['id']}"],
            "author_refs": [one["author_ref"]],
            "message": "{user:7007}Анна Тайная{user} пишет",
            "feed_stat_info": "changes every time",
        }
        for one in topics
    ]
    answer: dict[str, Any] = {"feeds": feeds, "entities": {"media_topics": list(topics)}}
    return answer | ({"anchor": anchor} if anchor else {})


class Api:
    """api.ok.ru: answers by method and group or topic, and by anchor."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.refusals: list[dict[str, Any]] = []
        self.streams: dict[tuple[str, str], Any] = {}
        self.comments: dict[tuple[str, str], Any] = {}
        site.pages["/ok/fb.do"] = self.answer

    def answer(self, form: dict[str, str]) -> Any:
        if self.refusals:
            return json.dumps(self.refusals.pop(0)).encode()
        anchor = form.get("anchor", "")
        if form["method"] == "stream.get":
            found = self.streams.get((form["gid"], anchor), {"anchor": anchor})
        else:
            found = self.comments.get((form["discussionId"], anchor), {"comments": []})
        return found if isinstance(found, bytes | tuple) else json.dumps(found).encode()

    def forms(self, method: str) -> list[dict[str, str]]:
        return [form for _, form in self.site.asked if form["method"] == method]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[Api]:
    monkeypatch.setattr(ok_client, "transport_of", patient(waits))
    with Site() as site:
        yield Api(site)


def groups(url: str, name: str, **more: str) -> Source:
    environment = {
        "TSUR_FULL_SANDBOX_URL": url,
        "TSUR_OK_APPLICATION_KEY": APPLICATION_KEY,
        "TSUR_OK_TOKEN": TOKEN,
        "TSUR_OK_SECRET": SECRET,
        **more,
    }
    return shipped("odnoklassniki", name, **environment)


@pytest.fixture
def read(platform: Platform, api: Api) -> Callable[[str], list[Any]]:
    """Loads posts and comments of Tambov; the loads balance."""

    def run(name: str) -> list[Any]:
        loads = platform.ingest(groups(api.site.url, name), region="tambov", window=WINDOW)
        assert all(load.is_balanced for load in loads)
        return loads

    return run


def test_a_signature_is_made_of_the_sorted_parameters_and_the_secret() -> None:
    parameters = {"method": "stream.get", "application_key": "KEY", "gid": "7"}
    expected = hashlib.md5(b"application_key=KEYgid=7method=stream.getS3CRET").hexdigest()
    assert signature(parameters, "S3CRET") == expected


def test_token_and_signature_travel_in_the_body_and_the_secret_nowhere(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    api.streams[CITIZENS, ""] = stream(topic(1, 15, "user:7001"))
    read("signed")
    forms = [form for _, form in api.site.asked]
    assert forms
    for form in forms:
        sent = {k: v for k, v in form.items() if k not in ("sig", "access_token")}
        assert form["sig"] == signature(sent, SECRET)
        assert form["access_token"] == TOKEN
        assert SECRET not in form.values()
    stored = platform.stored_text("signed_posts")
    assert TOKEN not in stored
    assert SECRET not in stored


def test_citizens_topics_are_cases_and_those_of_a_body_s_group_are_not(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    shared = topic(
        3,
        16,
        "user:7002",
        "Смотрите",
        media=[
            {"type": "text", "text": "Смотрите"},
            {"type": "topic", "topic_refs": ["media_topic:9"]},
        ],
    )
    api.streams[BODY, ""] = stream(topic(1, 15, f"group:{BODY}", "Ремонт идёт"))
    api.streams[CITIZENS, ""] = stream(shared, topic(2, 15, f"group:{CITIZENS}"))
    posts, _ = read("whose")
    assert (posts.outcome, posts.rows_landed) == ("success", 3)
    landed = {one["native_id"]: one for one in platform.records("whose_posts")}
    assert {key: one["is_by_body"] for key, one in landed.items()} == {
        "1": True,
        "2": False,
        "3": False,
    }
    assert [key for key, one in landed.items() if one["is_repost"]] == ["3"]
    assert landed["3"]["author_key"].startswith("p_")
    assert "author_key" not in landed["2"]
    assert landed["1"]["text"] == "Ремонт идёт"
    assert landed["1"]["received_at"] == "2026-01-15T12:00:00+03:00"
    assert landed["2"]["url"] == f"https://ok.ru/group/{CITIZENS}/topic/2"


def test_comments_hang_on_their_topic_or_on_the_comment_they_answer(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    busy = {"comments_count": 3, "discussion_type": "GROUP_TOPIC"}
    api.streams[BODY, ""] = stream(topic(1, 15, f"group:{BODY}", discussion_summary=busy))
    first = {"id": "c1", "author_id": "7001", "author_name": "Пётр Секретов", "text": "Когда?"}
    answer = {"id": "c2", "author_id": BODY, "author_type": "GROUP", "text": "Завтра"}
    again = {"id": "c3", "author_id": "7003", "text": "Ждём", "reply_to_id": "7001"}
    api.comments["1", ""] = {
        "comments": [
            again | {"date": "2026-01-15 13:00:00", "reply_to_name": "Пётр Секретов"},
            answer | {"created_ms": at(15), "reply_to_comment_id": "c1"},
        ],
        "has_more": True,
        "anchor": "older",
    }
    api.comments["1", "older"] = {"comments": [first | {"created_ms": at(15)}], "has_more": False}
    _, comments = read("threads")
    assert (comments.rows_landed, comments.calls) == (3, 2)
    landed = {one["native_id"]: one for one in platform.records("threads_comments")}
    assert {key: one["parent_native_id"] for key, one in landed.items()} == {
        "c1": "1",
        "c2": "c1",
        "c3": "1",
    }
    assert [key for key, one in landed.items() if one["is_by_body"]] == ["c2"]
    # Without milliseconds the time is Moscow's.
    assert landed["c3"]["received_at"] == "2026-01-15T13:00:00+03:00"
    assert landed["c1"]["kind"] == "comment"


def test_neither_accounts_nor_names_land_in_the_clear(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    busy = {"comments_count": 1, "discussion_type": "GROUP_TOPIC"}
    api.streams[CITIZENS, ""] = stream(topic(1, 15, "user:7001", discussion_summary=busy))
    comment = {"id": "c1", "author_id": "7002", "author_name": "Пётр Секретов", "text": "Да"}
    more = {"reply_to_id": "7003", "reply_to_name": "Ия Ива", "created_ms": at(15)}
    api.comments["1", ""] = {"comments": [comment | more], "has_more": False}
    read("sealed")
    stored = platform.stored_text("sealed_posts") + platform.stored_text("sealed_comments")
    secrets = ("7001", "7002", "7003", "7007", "Тайная", "Секретов", "Ия Ива")
    assert not [one for one in secrets if one in stored]
    keys = platform.rows(
        "select (select record ->> 'author_key' from raw.sealed_posts),"
        " (select record ->> 'author_key' from raw.sealed_comments)"
    )
    assert keys[0][0] != keys[0][1]


def test_the_stream_is_read_by_anchor_back_to_the_window_s_start(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    api.streams = {
        (CITIZENS, ""): stream(topic(5, 19, "user:7001"), topic(4, 18, "user:7001"), anchor="a1"),
        (CITIZENS, "a1"): stream(topic(3, 9, "user:7001"), topic(2, 8, "user:7001"), anchor="a2"),
        (CITIZENS, "a2"): stream(topic(1, 1, "user:7001")),
    }
    posts, _ = read("pages")
    asked = [form.get("anchor") for form in api.forms("stream.get") if form["gid"] == CITIZENS]
    assert asked == [None, "a1"]
    assert posts.rows_landed == 4


def test_an_edit_is_a_version_counters_are_none_and_what_is_gone_was_deleted(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    kept, gone = topic(1, 15, "user:7001"), topic(2, 15, "user:7001")
    before = topic(3, 5, "user:7001")
    api.streams[CITIZENS, ""] = stream(kept, gone, before)
    read("edits")
    liked = kept | {"like_summary": {"count": 99}}
    api.streams[CITIZENS, ""] = stream(liked)
    posts, _ = read("edits")
    assert (posts.rows_unchanged, posts.rows_landed, posts.rows_tombstoned) == (1, 0, 1)
    assert platform.rows("select native_id from raw.edits_posts where is_deleted") == [("2",)]
    api.streams[CITIZENS, ""] = stream(topic(1, 15, "user:7001", "Засыпали"))
    posts, _ = read("edits")
    assert (posts.rows_landed, posts.rows_tombstoned) == (1, 0)


@pytest.mark.parametrize("how", ["cut", "500", "not_json"])
def test_a_reading_that_breaks_off_takes_nothing_for_deleted_and_is_made_up_for(
    platform: Platform, api: Api, read: Callable[[str], list[Any]], how: str
) -> None:
    older = stream(topic(1, 12, "user:7001"))
    api.streams = {
        (CITIZENS, ""): stream(topic(3, 18, "user:7001"), topic(2, 17, "user:7001"), anchor="a1"),
        (CITIZENS, "a1"): older,
    }
    read(f"kill_{how}")
    api.streams[CITIZENS, ""] = stream(topic(3, 18, "user:7001", "Новое"), anchor="a1")
    content = json.dumps(older).encode()
    broken = {"cut": cut(content), "500": (500, {}, b""), "not_json": content[:50]}
    api.streams[CITIZENS, "a1"] = broken[how]
    failed, _ = read(f"kill_{how}")
    assert failed.outcome == "failed"
    assert (failed.rows_landed, failed.rows_tombstoned) == (1, 0)
    api.streams[CITIZENS, "a1"] = older
    whole, _ = read(f"kill_{how}")
    assert (whole.outcome, whole.rows_unchanged, whole.rows_tombstoned) == ("success", 2, 1)


def test_an_anchor_that_comes_again_ends_the_load(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    stuck = stream(topic(1, 15, "user:7001"), anchor="a1")
    api.streams = {(CITIZENS, ""): stuck, (CITIZENS, "a1"): stuck}
    posts, _ = read("stuck")
    assert (posts.error_class, posts.rows_landed) == ("paging_stuck", 1)


@pytest.mark.parametrize(("number", "first_wait"), [(2, 2.0), (8, 30.0), (11, 30.0)])
def test_a_limit_that_passes_is_waited_out(
    platform: Platform,
    api: Api,
    read: Callable[[str], list[Any]],
    waits: list[float],
    number: int,
    first_wait: float,
) -> None:
    api.refusals = [{"error_code": number, "error_msg": "LIMIT"}] * 2
    api.streams[CITIZENS, ""] = stream(topic(1, 15, "user:7001"))
    posts, _ = read(f"busy_{number}")
    assert (posts.outcome, posts.rows_landed) == ("success", 1)
    assert waits == [first_wait, 2 * first_wait]


@pytest.mark.parametrize(
    ("number", "code"), [(102, "http_unauthorised"), (104, "http_unauthorised"), (10, "api_error")]
)
def test_an_error_that_stays_ends_the_load_without_token_or_secret(
    platform: Platform,
    api: Api,
    read: Callable[[str], list[Any]],
    number: int,
    code: str,
) -> None:
    told = {"error_code": number, "error_msg": f"no session {TOKEN} {SECRET}"}
    api.refusals = [told] * 8
    name = f"denied_{number}"
    posts, comments = read(name)
    assert (posts.outcome, posts.error_class) == ("failed", code)
    assert comments.error_class == code
    assert f"error {number}" in str(posts.error_message)
    stored = platform.stored_text(f"{name}_posts")
    assert TOKEN not in stored
    assert SECRET not in stored


def test_a_topic_that_went_while_we_read_has_no_comments(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    busy = {"comments_count": 1, "discussion_type": "GROUP_TOPIC"}
    api.streams[CITIZENS, ""] = stream(topic(1, 15, "user:7001", discussion_summary=busy))
    api.comments["1", ""] = {"error_code": 300, "error_msg": "NOT_FOUND"}
    _, comments = read("gone")
    assert (comments.outcome, comments.rows_read) == ("success", 0)


def test_a_feed_that_leads_to_no_topic_is_counted_with_its_reason(
    platform: Platform, api: Api, read: Callable[[str], list[Any]]
) -> None:
    answer = stream(topic(1, 15, "user:7001"))
    answer["feeds"] += [{"pattern": "PHOTO", "date_ms": at(15)}, "нечто"]
    # What an older answer tells in the feed alone.
    answer["feeds"].append(
        {
            "pattern": "POST",
            "date": "2026-01-15 12:00:00",
            "message": "{media_topic:5}Свет{media_topic}",
        }
    )
    api.streams[CITIZENS, ""] = answer
    posts, _ = read("feeds")
    assert (posts.rows_read, posts.rows_landed, posts.rows_quarantined) == (4, 2, 2)
    assert {code for code, _, _ in platform.quarantine("feeds")} == {"not_a_post"}
    landed = {one["native_id"]: one for one in platform.records("feeds_posts")}
    assert landed["5"]["text"] == "Свет"
    assert landed["5"]["received_at"] == "2026-01-15T12:00:00+03:00"


def test_the_sandbox_s_groups_land_as_they_are_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ok_client, "transport_of", patient([]))
    window = Window(AS_OF - timedelta(days=70), AS_OF)
    with served_sandbox() as url:
        source = groups(url, "sandbox", TSUR_OK_SECRET=TOKEN)
        source = source.model_copy(update={"page_size": 7})
        loads = platform.ingest(source, region="pskov", window=window)
        refused = platform.ingest(groups(url, "forged"), region="pskov", window=window)
    assert [load.outcome for load in loads] == ["success", "success"]
    # Signed with another secret, nothing is given.
    assert refused[0].error_class == "http_unauthorised"
    walls = REGIONS["pskov"].walls[:2]
    found = {
        wall: publications(small_world(), "pskov", f"ok {wall.screen_name}", is_body=wall.is_body)
        for wall in walls
    }
    expected = {topic_id(wall, one): one.text for wall in walls for one in found[wall]}
    landed = {one["native_id"]: one for one in platform.records("sandbox_posts")}
    assert {key: one["text"] for key, one in landed.items()} == expected
    answers = [one for wall in walls for post in found[wall] for one in post.answers]
    comments = platform.records("sandbox_comments")
    assert sorted(one["text"] for one in comments) == sorted(one.text for one in answers)
    assert sum(one["is_by_body"] for one in comments) == sum(1 for a in answers if not a.person)
    assert {one["channel"] for one in landed.values()} == {wall.name for wall in walls}
    assert all(one["url"].split("/")[4] in map(group_id, walls) for one in landed.values())
