"""Pages are read as their hosts allow: robots.txt decides, once a run, and its pace is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingestion.clients.robots import Robots
from ingestion.clients.transport import USER_AGENT, Transport
from ingestion.errors import FetchError
from tests.ingestion.clients.loopback import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        one.pages["/news"] = lambda asked: b"news"
        yield one


@pytest.fixture
def waits() -> list[float]:
    return []


def robots(waits: list[float]) -> Robots:
    return Robots(Transport(attempts=1, timeout_seconds=10, sleep=waits.append))


def read(reader: Robots, url: str, **parameters: str) -> bytes:
    with reader.fetch(url, parameters or None) as answer:
        return answer.read()


def test_a_page_that_is_disallowed_is_not_asked_for(site: Site, waits: list[float]) -> None:
    site.pages["/robots.txt"] = lambda asked: b"User-agent: *\nDisallow: /news\n"
    with pytest.raises(FetchError, match="/news") as caught:
        read(robots(waits), f"{site.url}/news")
    assert caught.value.code == "robots_disallowed"
    assert site.paths() == ["/robots.txt"]


def test_robots_txt_is_read_once_a_run(site: Site, waits: list[float]) -> None:
    site.pages["/robots.txt"] = lambda asked: b"User-agent: *\nDisallow: /closed\n"
    reader = robots(waits)
    assert [read(reader, f"{site.url}/news") for _ in range(3)] == [b"news"] * 3
    assert site.paths() == ["/robots.txt", "/news", "/news", "/news"]


def test_a_rule_about_parameters_counts(site: Site, waits: list[float]) -> None:
    site.pages["/robots.txt"] = lambda asked: b"User-agent: *\nDisallow: /*?before=\n"
    reader = robots(waits)
    assert read(reader, f"{site.url}/news") == b"news"
    with pytest.raises(FetchError):
        read(reader, f"{site.url}/news", before="7")
    assert site.asked[1:] == [("/news", {})]


def test_rules_for_this_program_are_stronger_than_those_for_all(
    site: Site, waits: list[float]
) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: tsur-data-platform\nAllow: /news\n"
    site.pages["/robots.txt"] = lambda asked: rules
    assert read(robots(waits), f"{site.url}/news") == b"news"
    assert {headers["User-Agent"] for headers in site.headers} == {USER_AGENT}


@pytest.mark.parametrize("status", [404, 410, 401, 403])
def test_a_host_without_robots_txt_allows_all(site: Site, waits: list[float], status: int) -> None:
    site.pages["/robots.txt"] = lambda asked: (status, {}, b"")
    assert read(robots(waits), f"{site.url}/news") == b"news"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_robots_txt_that_cannot_be_reached_forbids_all(
    site: Site, waits: list[float], status: int
) -> None:
    site.pages["/robots.txt"] = lambda asked: (status, {}, b"")
    with pytest.raises(FetchError, match=r"robots\.txt gave http_") as caught:
        read(robots(waits), f"{site.url}/news")
    assert caught.value.code == "robots_disallowed"
    assert "/news" not in site.paths()


@pytest.mark.parametrize(
    ("rule", "delay"), [("Crawl-delay: 7", 7), ("Request-rate: 2/10", 5), ("Crawl-delay: -1", 0)]
)
def test_the_pace_that_a_host_asks_for_is_kept_by_all_runs_together(
    site: Site, waits: list[float], rule: str, delay: int
) -> None:
    site.pages["/robots.txt"] = lambda asked: f"User-agent: *\n{rule}\n".encode()
    read(robots(waits), f"{site.url}/news")
    assert waits == []
    # Another region, in a process of its own, would be another reader.
    read(robots(waits), f"{site.url}/news")
    assert [delay <= wait <= delay * 1.1 for wait in waits] == ([True] if delay else [])


def test_a_pace_that_no_run_waits_for_allows_one_page(site: Site, waits: list[float]) -> None:
    site.pages["/robots.txt"] = lambda asked: b"User-agent: *\nCrawl-delay: 600\n"
    reader = robots(waits)
    assert read(reader, f"{site.url}/news") == b"news"
    with pytest.raises(FetchError, match="one page in 600 s"):
        read(reader, f"{site.url}/news")
    assert waits == []
