"""The walls: pages, error envelopes, the share of calls that a demo costs."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import World

WALL = REGIONS["tambov"].walls[0].owner_id
CITY = REGIONS["tambov"].walls[1].owner_id


def test_a_fourth_call_within_a_second_is_error_6(client: TestClient, clock: Any) -> None:
    params = {"access_token": "a-token-of-the-tests", "v": "5.199", "owner_id": str(WALL)}
    answers = [client.get("/vk/method/wall.get", params=params).json() for _ in range(4)]
    assert [("response" in answer) for answer in answers] == [True, True, True, False]
    assert answers[3]["error"]["error_code"] == 6
    clock.now += 1.0
    assert "response" in client.get("/vk/method/wall.get", params=params).json()


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("wall.get", {"access_token": "wrong", "owner_id": WALL}, 5),
        ("wall.get", {"owner_id": -1}, 15),
        ("wall.get", {}, 100),
        ("wall.get", {"owner_id": "x"}, 100),
        ("wall.get", {"owner_id": WALL, "count": 101}, 100),
        ("wall.get", {"owner_id": WALL, "offset": -1}, 100),
        ("wall.get", {"owner_id": WALL, "v": ""}, 100),
        ("wall.getComments", {"owner_id": WALL}, 100),
        ("wall.getComments", {"owner_id": WALL, "post_id": 1}, 15),
        ("wall.nothing", {"owner_id": WALL}, 3),
    ],
)
def test_errors_are_envelopes_that_never_repeat_the_token(
    vk: Any, method: str, params: dict[str, Any], code: int
) -> None:
    error = vk(method, **params)["error"]
    assert error["error_code"] == code
    assert "access_token" not in {pair["key"] for pair in error["request_params"]}


def test_pages_of_a_wall_add_up_from_the_newest(vk: Any) -> None:
    whole = vk("wall.get", owner_id=CITY, count=100)["response"]
    pages: list[dict[str, Any]] = []
    while part := vk("wall.get", owner_id=CITY, count=7, offset=len(pages))["response"]["items"]:
        pages += part
    assert pages[:100] == whole["items"]
    assert len(pages) == whole["count"]
    dates = [item["date"] for item in pages]
    assert dates == sorted(dates, reverse=True)


def test_extended_answers_name_the_authors(vk: Any) -> None:
    plain = vk("wall.get", owner_id=CITY, count=5)["response"]
    assert "profiles" not in plain
    extended = vk("wall.get", owner_id=CITY, count=5, extended=1)["response"]
    authors = {item["from_id"] for item in extended["items"] if item["from_id"] > 0}
    assert {profile["id"] for profile in extended["profiles"]} == authors
    assert extended["groups"][0]["id"] == -CITY


def test_a_client_with_pages_of_100_reads_everything_within_300_calls(
    vk: Any, world: World
) -> None:
    calls = 0
    posts: set[str] = set()
    comments: set[str] = set()
    for region in REGIONS.values():
        for wall in region.walls:
            offset, total = 0, 1
            commented = []
            while offset < total:
                answer = vk("wall.get", owner_id=wall.owner_id, count=100, offset=offset)[
                    "response"
                ]
                calls += 1
                total = answer["count"]
                offset += len(answer["items"])
                posts |= {f"{wall.owner_id}_{post['id']}" for post in answer["items"]}
                commented += [post["id"] for post in answer["items"] if post["comments"]["count"]]
            for post in commented:
                offset, total = 0, 1
                while offset < total:
                    answer = vk(
                        "wall.getComments",
                        owner_id=wall.owner_id,
                        post_id=post,
                        count=100,
                        offset=offset,
                        thread_items_count=10,
                    )["response"]
                    calls += 1
                    total = answer["current_level_count"]
                    offset += len(answer["items"])
                    for comment in answer["items"]:
                        assert comment["thread"]["count"] == len(comment["thread"]["items"])
                        for one in (comment, *comment["thread"]["items"]):
                            comments.add(f"{wall.owner_id}_{one['id']}")
    served = [case for case in world.cases if case.source_code == "vk"]
    assert posts == {case.native_id for case in served if case.kind == "post"}
    assert comments == {case.native_id for case in served if case.kind == "comment"}
    # Posts with comments are as many at any size; pages of the walls at the demo's size add 60.
    assert calls + 60 <= 300


def test_what_the_authority_writes_comes_from_the_wall_itself(vk: Any, world: World) -> None:
    by_body = {
        case.native_id for case in world.cases if case.source_code == "vk" and not case.is_case
    }
    items = vk("wall.get", owner_id=WALL, count=100)["response"]["items"]
    assert items
    assert all(item["from_id"] == WALL for item in items)
    assert {f"{WALL}_{item['id']}" for item in items} <= by_body


def test_threads_can_be_read_by_themselves(vk: Any, world: World) -> None:
    reply = next(case for case in world.cases if case.thread_of and case.region_code == "samara")
    answer = vk(
        "wall.getComments",
        owner_id=reply.wall_id,
        post_id=reply.parent_id,
        comment_id=reply.thread_of,
    )["response"]
    assert [item["id"] for item in answer["items"]] == [reply.post_id]
    assert answer["items"][0]["from_id"] == reply.wall_id
