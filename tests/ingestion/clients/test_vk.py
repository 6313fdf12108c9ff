"""The VK client: pages, errors that pass, whose post it is, and nobody's name in the clear."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from requests import PreparedRequest

from ingestion.clients import vk as vk_client
from ingestion.clients.transport import Transport
from ingestion.source import Source, Window
from ingestion.source import Wall as DeclaredWall
from tests.ingestion.clients.loopback import shipped
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
URL = "https://vk.example"
TOKEN = "very-secret-token"
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
NEW = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp())
OLD = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
IDENTITY = """
    identity:
      "@owner": account
      "@author": account
      "**.owner_id": account
      "**.from_id": account
      "**.signer_id": account
"""
RECORD = """
    record:
      received_at: date
      text: text
      author_key: "@author"
      parent_native_id: {join: ["@owner", "@parent"]}
      is_by_body: "@is_by_body"
      is_deleted_at_source: "@is_deleted"
      url: "@url"
"""


class Wall:
    """A wall that answers by method and keeps what it was asked."""

    def __init__(self, methods: dict[str, Callable[[dict[str, str]], Any]]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._methods = methods

    def answer(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        method = str(request.url).rsplit("/", 1)[-1]
        assert TOKEN not in str(request.url)
        form = {key: values[0] for key, values in parse_qs(str(request.body)).items()}
        assert (form.pop("access_token"), form.pop("v")) == (TOKEN, "5.199")
        self.asked.append((method, form))
        return 200, {}, json.dumps(self._methods[method](form))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    written: list[float] = []

    def patient(source: Source, *, bearer: bool = True) -> Transport:
        assert not bearer
        return Transport(attempts=source.attempts, sleep=written.append)

    monkeypatch.setattr(vk_client, "transport_of", patient)
    return written


@pytest.fixture
def portal() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def walls(make_source: MakeSource, code: str, *, page_size: int = 2, more: str = "") -> Source:
    entities = "".join(
        f"  {name}:\n    table: {code}_{name}\n    role: case\n    kind: {kind}\n"
        f'    key: ["@owner", "@id"]\n    formats: [unix]\n    volatile: [likes]'
        f"{IDENTITY}{RECORD}"
        for name, kind in (("posts", "post"), ("comments", "comment"))
    )
    return make_source(
        code,
        f"kind: vk\ndeadline: none\ntoken: ${{TOKEN}}\npage_size: {page_size}\n"
        f'{more}\nregions: [{{code: tambov, time_zone: Europe/Moscow, endpoint: "{URL}",'
        f" walls: [{{owner_id: -7}}]}}]\nentities:\n{entities}",
        TOKEN=TOKEN,
    )


def post(number: int, author: int, date: int = NEW, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "owner_id": -7,
        "from_id": author,
        "date": date,
        "text": f"Запись {number}",
        "comments": {"count": 0},
        **more,
    }


def paged(items: list[dict[str, Any]]) -> Callable[[dict[str, str]], Any]:
    def answer(form: dict[str, str]) -> Any:
        offset, count = int(form["offset"]), int(form["count"])
        return {"response": {"count": len(items), "items": items[offset : offset + count]}}

    return answer


def listen(portal: responses.RequestsMock, wall: Wall) -> None:
    for method in ("wall.get", "wall.getComments"):
        portal.add_callback(responses.POST, f"{URL}/method/{method}", callback=wall.answer)


def test_citizens_posts_and_comments_become_cases_and_the_owner_s_do_not(
    platform: Platform, make_source: MakeSource, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [
        post(5, -7, comments={"count": 3}),
        post(4, 1001),
        post(3, -7, signer_id=1002),
    ]
    comments = [
        {
            "id": 6,
            "owner_id": -7,
            "post_id": 5,
            "from_id": 1003,
            "date": NEW,
            "text": "Когда уберут?",
            "parents_stack": [],
            "thread": {
                "count": 1,
                "items": [
                    {
                        "id": 7,
                        "owner_id": -7,
                        "post_id": 5,
                        "from_id": -7,
                        "date": NEW,
                        "text": "Завтра",
                        "parents_stack": [6],
                    }
                ],
            },
        },
        {"id": 8, "date": NEW, "parents_stack": [], "deleted": True},
    ]
    wall = Wall({"wall.get": paged(posts), "wall.getComments": paged(comments)})
    listen(portal, wall)
    loads = platform.ingest(walls(make_source, "walls"), window=WINDOW)
    assert [(one.rows_landed, one.calls) for one in loads] == [(3, 2), (3, 1)]
    landed = {r["native_id"]: r for r in platform.records("walls_posts")}
    assert {key: r["is_by_body"] for key, r in landed.items()} == {
        "-7_5": True,
        "-7_4": False,
        # Published by the community, signed by the citizen who sent it in.
        "-7_3": False,
    }
    assert "author_key" not in landed["-7_5"]
    assert landed["-7_3"]["author_key"].startswith("p_")
    assert landed["-7_4"]["url"] == "https://vk.com/wall-7_4"
    answers = {r["native_id"]: r for r in platform.records("walls_comments")}
    assert answers["-7_6"]["parent_native_id"] == "-7_5"
    assert answers["-7_7"]["parent_native_id"] == "-7_6"
    assert answers["-7_7"]["is_by_body"] is True
    assert answers["-7_8"]["is_deleted_at_source"] is True
    assert "text" not in answers["-7_8"]
    stored = platform.stored_text("walls_posts") + platform.stored_text("walls_comments")
    assert not [account for account in ("1001", "1002", "1003") if account in stored]
    assert TOKEN not in stored


def test_reading_stops_at_the_first_page_before_the_window_whatever_is_pinned(
    platform: Platform, make_source: MakeSource, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [
        post(1, 1001, OLD, is_pinned=1),
        *(post(n, 1001, NEW) for n in (30, 29, 28)),
        *(post(n, 1001, OLD) for n in range(20, 10, -1)),
    ]
    wall = Wall({"wall.get": paged(posts), "wall.getComments": paged([])})
    listen(portal, wall)
    platform.ingest(walls(make_source, "pinned"), window=WINDOW)
    offsets = [int(form["offset"]) for method, form in wall.asked if method == "wall.get"]
    assert offsets == [0, 2, 4]


def test_a_long_thread_is_read_to_its_end(
    platform: Platform, make_source: MakeSource, portal: responses.RequestsMock, waits: list[float]
) -> None:
    def comment(number: int, **more: Any) -> dict[str, Any]:
        return {"id": number, "post_id": 5, "from_id": 1001, "date": NEW, "text": "да", **more}

    replies = [comment(n, parents_stack=[6]) for n in (7, 8, 9)]

    def comments(form: dict[str, str]) -> Any:
        if "comment_id" in form:
            return paged(replies)(form)
        first = comment(6, thread={"count": 3, "items": replies[:1]})
        return {"response": {"count": 4, "current_level_count": 1, "items": [first]}}

    wall = Wall(
        {"wall.get": paged([post(5, -7, comments={"count": 4})]), "wall.getComments": comments}
    )
    listen(portal, wall)
    loads = platform.ingest(walls(make_source, "thread"), window=WINDOW)
    assert {r["native_id"] for r in platform.records("thread_comments")} == {
        "-7_6",
        "-7_7",
        "-7_8",
        "-7_9",
    }
    assert loads[1].is_balanced


@pytest.mark.parametrize(("number", "first_wait"), [(6, 0.4), (9, 5.0), (29, 30.0)])
def test_an_error_that_passes_is_waited_out(
    platform: Platform,
    make_source: MakeSource,
    portal: responses.RequestsMock,
    waits: list[float],
    number: int,
    first_wait: float,
) -> None:
    refusals = [2]

    def answer(form: dict[str, str]) -> Any:
        if refusals[0]:
            refusals[0] -= 1
            return {"error": {"error_code": number, "error_msg": "later", "request_params": []}}
        return paged([post(1, 1001)])(form)

    wall = Wall({"wall.get": answer, "wall.getComments": paged([])})
    listen(portal, wall)
    loads = platform.ingest(walls(make_source, f"busy_{number}"), window=WINDOW)
    assert (loads[0].outcome, loads[0].rows_landed, loads[0].calls) == ("success", 1, 3)
    assert len(waits) == 2
    assert all(first_wait <= wait <= 2 * first_wait + 1 for wait in waits)


@pytest.mark.parametrize(
    ("number", "code"), [(5, "http_unauthorised"), (15, "api_error"), (29, "api_error")]
)
def test_an_error_that_stays_ends_the_load_without_the_token_that_vk_echoes(
    platform: Platform,
    make_source: MakeSource,
    portal: responses.RequestsMock,
    waits: list[float],
    number: int,
    code: str,
) -> None:
    echoed = {
        "error": {
            "error_code": number,
            "error_msg": f"denied for {TOKEN}",
            "request_params": [{"key": "access_token", "value": TOKEN}],
        }
    }
    wall = Wall({"wall.get": lambda form: echoed, "wall.getComments": paged([])})
    listen(portal, wall)
    name = f"denied_{number}"
    load = platform.ingest(walls(make_source, name), window=WINDOW)[0]
    assert (load.outcome, load.error_class) == ("failed", code)
    assert TOKEN not in platform.stored_text(f"{name}_posts")


def test_a_load_that_needs_more_calls_than_allowed_keeps_what_it_has_read(
    platform: Platform, make_source: MakeSource, portal: responses.RequestsMock, waits: list[float]
) -> None:
    wall = Wall(
        {
            "wall.get": paged([post(n, 1001) for n in range(20, 0, -1)]),
            "wall.getComments": paged([]),
        }
    )
    listen(portal, wall)
    load = platform.ingest(walls(make_source, "budget", more="max_calls: 3"), window=WINDOW)[0]
    assert (load.outcome, load.error_class) == ("failed", "call_budget_exhausted")
    assert (load.rows_landed, load.calls) == (6, 3)


def declared(name: str, page_size: int = 2) -> Source:
    """The walls as they are shipped, one of them, in pages of two."""
    source = shipped("vk", name, TSUR_SANDBOX_URL=URL, TSUR_VK_TOKEN=TOKEN)
    region = source.region("tambov")
    one = region.model_copy(update={"endpoint": URL, "walls": (DeclaredWall(owner_id=-7),)})
    return source.model_copy(update={"regions": (one,), "page_size": page_size})


def gone(platform: Platform, table: str) -> list[str]:
    return [key for (key,) in platform.rows(f"select native_id from raw.{table} where is_deleted")]


def test_a_post_that_left_its_wall_was_deleted_unless_it_is_older_than_the_window(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [post(5, -7), post(4, 1001), post(3, 1001, OLD), post(2, 1001, OLD)]
    wall = Wall({"wall.get": paged(posts), "wall.getComments": paged([])})
    listen(portal, wall)
    source = declared("left")
    platform.ingest(source, window=WINDOW)
    del posts[1]  # in the window
    del posts[-1]  # before it
    loads = platform.ingest(source, window=WINDOW)
    assert [one.rows_tombstoned for one in loads] == [1, 0]
    assert gone(platform, "left_posts") == ["-7_4"]


def test_a_deletion_while_the_wall_is_read_hides_no_other_post(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [post(number, 1001) for number in range(9, 0, -1)]
    wall = Wall({"wall.get": paged(posts), "wall.getComments": paged([])})
    listen(portal, wall)
    source = declared("moved")
    platform.ingest(source, window=WINDOW)

    def shrinking(form: dict[str, str]) -> Any:
        answer = paged(posts)(form)
        if form["offset"] == "2" and len(posts) == 9:
            del posts[0]
        return answer

    wall = Wall({"wall.get": shrinking, "wall.getComments": paged([])})
    portal.reset()
    listen(portal, wall)
    loads = platform.ingest(source, window=WINDOW)
    assert [one.outcome for one in loads] == ["success", "success"]
    # It was on the wall when this run read it; the next one finds that it has gone.
    assert gone(platform, "moved_posts") == []
    platform.ingest(source, window=WINDOW)
    assert gone(platform, "moved_posts") == ["-7_9"]


def test_a_wall_is_read_past_a_page_of_posts_that_are_not_for_everybody(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [post(number, 1001) for number in range(6, 0, -1)]

    def hiding(form: dict[str, str]) -> Any:
        answer = paged(posts)(form)
        if form["offset"] == "2":
            answer["response"]["items"] = []
        return answer

    listen(portal, Wall({"wall.get": hiding, "wall.getComments": paged([])}))
    platform.ingest(declared("hidden"), window=WINDOW)
    numbers = [one["native_id"] for one in platform.records("hidden_posts")]
    assert sorted(numbers) == ["-7_1", "-7_2", "-7_5", "-7_6"]


def test_reposts_are_marked(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    original = post(77, 1002, OLD)
    posts = [post(2, 1001, copy_history=[original]), post(1, 1001)]
    listen(portal, Wall({"wall.get": paged(posts), "wall.getComments": paged([])}))
    platform.ingest(declared("shared"), window=WINDOW)
    landed = {one["native_id"]: one["is_repost"] for one in platform.records("shared_posts")}
    assert landed == {"-7_2": True, "-7_1": False}


def test_what_is_quarantined_names_its_answer_and_its_place_there(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    posts = [
        *(post(number, 1001, comments={"count": 3}) for number in (9, 8)),
        post(7, 1001),
        {"id": 6, "type": "wall_photo", "date": NEW},
    ]
    comments: list[dict[str, Any]] = [
        {"id": 11, "owner_id": -7, "post_id": 9, "from_id": 1001, "date": NEW},
        {"id": 12, "owner_id": -7, "post_id": 9, "from_id": 1001, "date": NEW},
        {"id": 13, "owner_id": -7, "post_id": 9, "from_id": 1001, "date": "вчера"},
    ]

    def under(form: dict[str, str]) -> Any:
        found = comments if form["post_id"] == "9" else comments[:0]
        return paged(found)(form)

    listen(portal, Wall({"wall.get": paged(posts), "wall.getComments": under}))
    platform.ingest(declared("placed"), window=WINDOW)
    places = platform.rows(
        "select file_name, row_number from ops.quarantine where source_code = 'placed' order by 1"
    )
    assert places == [
        (f"{URL}/method/wall.get?owner_id=-7&offset=2", 2),
        (f"{URL}/method/wall.getComments?owner_id=-7&post_id=9&offset=2", 1),
    ]


def test_the_place_of_an_answer_names_no_person(
    platform: Platform, portal: responses.RequestsMock, waits: list[float]
) -> None:
    def strange(form: dict[str, str]) -> Any:
        return {"other": 1}

    listen(portal, Wall({"wall.get": strange, "wall.getComments": strange}))
    source = declared("personal")
    region = source.regions[0].model_copy(
        update={"walls": (DeclaredWall(owner_id=4004), DeclaredWall(owner_id=-7))}
    )
    platform.ingest(source.model_copy(update={"regions": (region,)}), window=WINDOW)
    places = platform.rows(
        "select file_name, reason from ops.quarantine where source_code = 'personal'"
    )
    assert {place for place, _ in places} == {f"{URL}/method/wall.get?wall=1&offset=0"}
    assert "4004" not in platform.stored_text("personal_posts")


RECORDED: dict[str, list[Any]] = {
    "newsfeed.get": [
        {
            "response": {
                "items": [
                    {"type": "post", "source_id": -7, "post_id": 1, "date": NEW, "text": "Яма"},
                    {"type": "wall_photo", "source_id": -7, "date": NEW, "post_id": 2},
                ],
                "profiles": [{"id": 4004, "first_name": "Секрет", "last_name": "Секретов"}],
            }
        }
    ],
    "wall.getById": [{"response": [{"id": 9, "owner_id": 4004, "from_id": 4004, "date": NEW}]}],
    "wall.getComments": [
        {
            "response": {
                "count": 2,
                "items": [
                    {"id": 3, "owner_id": -7, "post_id": 1, "from_id": 4004, "date": NEW},
                    {"id": 4, "date": NEW, "deleted": True},
                ],
            }
        }
    ],
    "wall.delete": [{"response": 1}],
    "wall.repost": [{"response": {"success": 1, "post_id": 2587}}],
    "users.get": [{"response": [{"id": 4004, "first_name": "Секрет", "last_name": "Секретов"}]}],
    "wall.get": [{"error": {"error_code": 29, "error_msg": "Rate limit reached"}}],
}


def test_every_recorded_item_is_accounted_for_and_profiles_do_not_land(
    platform: Platform, make_source: MakeSource, portal: responses.RequestsMock, waits: list[float]
) -> None:
    portal.get(f"{URL}/recorded/methods", json={name: len(one) for name, one in RECORDED.items()})
    wall = Wall({name: lambda form, n=name: RECORDED[n][int(form["offset"])] for name in RECORDED})
    for name in RECORDED:
        portal.add_callback(responses.POST, f"{URL}/method/{name}", callback=wall.answer)
    record = RECORD.replace("record:", 'record:\n      kind: "@kind"')
    source = make_source(
        "recorded",
        "kind: vk\ndeadline: none\ntoken: ${TOKEN}\nregions: [{code: unassigned,"
        f' time_zone: Europe/Moscow, endpoint: "{URL}"}}]\nentities:\n  items:\n'
        f"    table: recorded\n    role: case\n    recorded: {URL}/recorded/methods\n"
        f'    key: ["@owner", "@id"]\n    formats: [unix]{IDENTITY}{record}',
        TOKEN=TOKEN,
    )
    (load,) = platform.ingest(source)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (9, 4, 5)
    assert load.is_balanced
    places = platform.rows("select file_name from ops.quarantine where source_code = 'recorded'")
    assert (f"{URL}/method/wall.delete?offset=0",) in places
    assert (f"{URL}/method/wall.get?offset=0",) in places
    codes = sorted(code for code, _, _ in platform.quarantine("recorded"))
    assert codes == ["api_error", "no_item", "no_item", "not_a_post", "not_a_post"]
    landed = {r["native_id"]: r for r in platform.records("recorded")}
    # The deleted comment is put under the wall that its neighbour names.
    assert landed["-7_4"]["is_deleted_at_source"] is True
    assert {r["kind"] for r in landed.values()} == {"post", "comment"}
    stored = platform.stored_text("recorded")
    assert "4004" not in stored
    assert "Секрет" not in stored
    assert waits == []
