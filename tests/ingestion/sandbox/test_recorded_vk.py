"""Recorded answers are told apart by method and served as they were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ingestion.sandbox.recorded_vk import build_recorded_app, method_of_content, method_of_name

TOKEN = "t"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("Wall__GetComments802.json", "wall.getComments"),
        ("Wall__Get_Document_NormalCase.json", "wall.get"),
        ("Wall__GetById_ReturnWallRecords.json", "wall.getById"),
        ("Wall__Repost_ReturnCorrectResults.json", "wall.repost"),
        ("NewsFeed__GetRecommended.json", "newsfeed.getRecommended"),
        ("NewsFeed__Get.json", "newsfeed.get"),
        ("wall.get__2.json", "wall.get"),
        ("Wall__ArticleAttachement.json", None),
        ("anything.json", None),
    ],
)
def test_the_method_comes_from_the_name(name: str, method: str | None) -> None:
    assert method_of_name(name) == method


@pytest.mark.parametrize(
    ("answer", "method"),
    [
        ({"response": {"count": 1, "items": [{"id": 1, "owner_id": -1}]}}, "wall.get"),
        ({"response": {"items": [{"id": 1, "post_id": 2}]}}, "wall.getComments"),
        ({"response": {"items": [{"source_id": -1, "post_id": 2}]}}, "newsfeed.get"),
        ({"response": {"items": [{"id": 1}], "next_from": "x"}}, "newsfeed.search"),
        ({"response": {"success": 1, "reposts_count": 3}}, "wall.repost"),
        ([{"id": 1}], "wall.getById"),
        ({"response": 1}, "unknown"),
    ],
)
def test_the_shape_tells_the_method_where_the_name_does_not(answer: object, method: str) -> None:
    assert method_of_content(json.dumps(answer).encode()) == method


def test_posts_of_a_file_that_names_the_wall_are_of_wall_get() -> None:
    answer = json.dumps({"response": {"items": [{"id": 1}], "next_from": "x"}}).encode()
    assert method_of_content(answer, "wall") == "wall.get"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, number in (("Wall__Get_B.json", 2), ("Wall__Get_A.json", 1)):
        answer = {"response": {"count": 1, "items": [{"id": number}]}}
        (tmp_path / name).write_text(json.dumps(answer, indent=3), encoding="utf-8")
    (tmp_path / "Wall__GetById.json").write_text('[{"id": 9}]', encoding="utf-8")
    (tmp_path / "Wall__GetComments.json").write_bytes(b"{ not json")
    (tmp_path / "notes.txt").write_text("no answer", encoding="utf-8")
    return tmp_path


def test_answers_go_out_one_a_call_in_the_order_of_names_then_an_empty_one(folder: Path) -> None:
    client = TestClient(build_recorded_app(folder, TOKEN))
    params = {"access_token": TOKEN, "v": "5.199"}
    url = "/vk/method/wall.get"
    assert client.get(url, params=params).content == (folder / "Wall__Get_A.json").read_bytes()
    assert client.post(url, data=params).content == (folder / "Wall__Get_B.json").read_bytes()
    assert client.get(url, params=params).json() == {"response": {"count": 0, "items": []}}


def test_an_offset_reads_the_same_answer_again(folder: Path) -> None:
    client = TestClient(build_recorded_app(folder, TOKEN))
    params = {"access_token": TOKEN, "v": "5.199", "offset": "1"}
    for _ in range(2):
        answer = client.get("/vk/method/wall.get", params=params)
        assert answer.json()["response"]["items"] == [{"id": 2}]


def test_a_file_that_is_no_json_is_served_as_it_is(folder: Path) -> None:
    client = TestClient(build_recorded_app(folder, TOKEN))
    answer = client.get("/vk/method/wall.getComments", params={"access_token": TOKEN})
    assert answer.content == b"{ not json"


def test_methods_are_listed_with_their_number_of_answers(folder: Path) -> None:
    client = TestClient(build_recorded_app(folder, TOKEN))
    assert client.get("/recorded/methods").json() == {
        "wall.get": 2,
        "wall.getById": 1,
        "wall.getComments": 1,
    }


def test_a_wrong_token_is_error_5(folder: Path) -> None:
    client = TestClient(build_recorded_app(folder, TOKEN))
    answer = client.get("/vk/method/wall.get", params={"access_token": "wrong"})
    assert answer.json()["error"]["error_code"] == 5


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        build_recorded_app(tmp_path / "nowhere", TOKEN)
