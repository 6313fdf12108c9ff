"""HTTP: waits, limits, and no token in any text."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import requests
import responses
from pydantic import SecretStr

from ingestion.clients.transport import Pace, Transport, without_secrets
from ingestion.errors import FetchError

URL = "https://source.example/export"
TOKEN = "very-secret-token"


def transport(waits: list[float], **more: object) -> Transport:
    settings = {"attempts": 3, "token": SecretStr(TOKEN), "sleep": waits.append, **more}
    return Transport(**settings)  # type: ignore[arg-type]


def test_an_address_for_logs_has_no_token_and_no_login() -> None:
    told = without_secrets(
        "https://user:pass@source.example/a?access_token=x&page=1", {"token": "y", "size": 2}
    )
    assert told == "https://source.example/a?page=1&size=2"


@responses.activate
def test_the_wait_that_the_source_asks_for_is_kept() -> None:
    responses.get(URL, status=503, headers={"Retry-After": "11"})
    responses.get(URL, status=429)
    responses.get(URL, body=b"ok")
    waits: list[float] = []
    with transport(waits).fetch(URL) as answer:
        assert answer.read() == b"ok"
    assert waits == [11.0, 2.0]


@responses.activate
def test_no_folder_lists_the_answer_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    responses.get(URL, body=b"personal data")
    with transport([]).fetch(URL) as answer:
        assert answer.read() == answer.path.read_bytes() == b"personal data"
        assert list(tmp_path.iterdir()) == []


@responses.activate
def test_a_wait_given_as_a_date_in_the_past_is_no_wait() -> None:
    responses.get(URL, status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    responses.get(URL, body=b"ok")
    waits: list[float] = []
    with transport(waits).fetch(URL):
        assert waits == [0.0]


@responses.activate
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (requests.ConnectTimeout(f"{URL}?access_token={TOKEN}"), "http_timeout"),
        (requests.ConnectionError(f"{URL}?access_token={TOKEN}"), "http_connection"),
        (requests.exceptions.ChunkedEncodingError(TOKEN), "http_connection"),
        (requests.exceptions.InvalidSchema(TOKEN), "http_connection"),
    ],
)
def test_no_error_text_carries_the_token(error: Exception, code: str) -> None:
    responses.get(URL, body=error)
    with pytest.raises(FetchError) as caught, transport([]).fetch(URL, {"access_token": TOKEN}):
        pass
    assert caught.value.code == code
    chain = [caught.value, caught.value.__cause__]
    assert all(TOKEN not in str(one) for one in chain)


@responses.activate
def test_an_answer_over_the_limit_is_cut_off() -> None:
    responses.get(URL, body=b"x" * 3_000_000)
    with (
        pytest.raises(FetchError, match="exceeds 1 MB") as caught,
        transport([], max_bytes=1 << 20).fetch(URL),
    ):
        pass
    assert caught.value.code == "answer_too_large"


def test_processes_with_one_token_share_its_rate(tmp_path: Path) -> None:
    now = [1000.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    one, other, stranger = (
        Pace(2, key, folder=tmp_path, sleep=sleep, clock=lambda: now[0])
        for key in ("token", "token", "another token")
    )
    one.wait()
    other.wait()
    one.wait()
    stranger.wait()
    assert len(waits) == 2
    assert min(waits) >= 0.5
    assert not [path for path in tmp_path.iterdir() if "token" in path.name]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_a_pace_of_the_far_future_does_not_stop_the_calls(tmp_path: Path) -> None:
    waits: list[float] = []
    early = Pace(1, "token", folder=tmp_path, sleep=waits.append, clock=lambda: 1e9)
    late = Pace(1, "token", folder=tmp_path, sleep=waits.append, clock=lambda: 1000.0)
    early.wait()
    late.wait()
    assert waits == [60.0]


@responses.activate
def test_every_call_keeps_the_pace(tmp_path: Path) -> None:
    responses.get(URL, status=500)
    responses.get(URL, body=b"ok")
    paced: list[float] = []
    pace = Pace(4, "token", folder=tmp_path, sleep=paced.append)
    client = transport([], pace=pace)
    with client.fetch(URL):
        pass
    assert client.calls == 2
    assert len(paced) == 1


@responses.activate
def test_a_proxy_or_netrc_of_the_machine_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    responses.get(URL, body=b"ok")
    with transport([]).fetch(URL):
        call = responses.calls[0].request
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert transport([])._session.trust_env is False
