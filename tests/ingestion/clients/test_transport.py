"""HTTP: waits, limits, and no token in any text."""

from __future__ import annotations

import pytest
import requests
import responses
from pydantic import SecretStr

from ingestion.clients.transport import Transport, without_secrets
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


@responses.activate
def test_calls_are_spaced_out_to_the_declared_rate() -> None:
    responses.get(URL, body=b"ok")
    now = [100.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    client = transport(waits, calls_per_second=2, sleep=sleep, clock=lambda: now[0])
    for _ in range(3):
        with client.fetch(URL):
            now[0] += 0.1
    assert waits == pytest.approx([0.4, 0.4])
    assert client.calls == 3


@responses.activate
def test_a_proxy_or_netrc_of_the_machine_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    responses.get(URL, body=b"ok")
    with transport([]).fetch(URL):
        call = responses.calls[0].request
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert transport([])._session.trust_env is False
