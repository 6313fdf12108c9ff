"""A small world and a client of its servers, made once for the folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingestion.sandbox import server
from ingestion.sandbox.server import build_app
from ingestion.sandbox.vk import RateLimit
from ingestion.sandbox.world import World, build_world

TOKEN = "a-token-of-the-tests"
AS_OF = datetime.fromisoformat("2026-11-21T06:00:00+03:00")
SIZE = 1500


@pytest.fixture(scope="session")
def as_of() -> datetime:
    return AS_OF


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(seed=7, as_of=AS_OF, cases=SIZE)


@pytest.fixture(scope="session")
def later_world() -> World:
    """The same seed, ten days on."""
    return build_world(seed=7, as_of=AS_OF + timedelta(days=10), cases=SIZE)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The sandbox with a clock that the test moves."""
    monkeypatch.setattr(server, "RateLimit", lambda: RateLimit(clock))
    return TestClient(build_app(world, TOKEN))


@pytest.fixture
def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


VkCall = Callable[..., dict[str, Any]]


@pytest.fixture
def vk(client: TestClient, clock: Clock) -> VkCall:
    """Calls a VK method a second after the call before."""

    def call(method: str, **params: object) -> dict[str, Any]:
        clock.now += 1
        sent = {"access_token": TOKEN, "v": "5.199"} | {k: str(v) for k, v in params.items()}
        answer: dict[str, Any] = client.post(f"/vk/method/{method}", data=sent).json()
        return answer

    return call
