"""The dashboard in a real browser, as an official meets it.

The stack is that of the fixture `demo`, or, when `TSUR_E2E_SUPERSET_URL` is set, the one there with
the logins of the file `TSUR_E2E_LOGINS` (`{"superset": {"official": {"username", "password"}}}`).
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stack.settings import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(1500)]
BROWSER = os.environ.get("TSUR_CHROMIUM", "/usr/bin/chromium")
DRIVER = os.environ.get("TSUR_CHROMEDRIVER", "/usr/bin/chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--hide-scrollbars",
    "--lang=ru",
    # Tall enough that no chart waits to be scrolled to.
    "--window-size=1600,6800",
)
WAIT_SECONDS = 120
CHART = '[data-test="chart-grid-component"]'
CAPTION_PREFIX = "Основание: "
SOURCES = "Данные источников"


# The caption's text must lie inside its card's column, whatever its length.
_IS_CUT = """
const cell = arguments[0].querySelector('td'), column = arguments[0].closest('.grid-column');
if (!cell || !arguments[0].dataset.testChartName.startsWith('Основание: ')) return false;
const text = cell.getBoundingClientRect(), card = arguments[0].getBoundingClientRect();
return text.top < card.top - 1 || text.bottom > column.getBoundingClientRect().bottom;
"""


@dataclass
class Seen:
    """What the browser showed and asked for while an official opened the dashboard."""

    title: str = ""
    landed_at: str = ""
    # name of the chart → text of its card, kind, whether something is drawn, errors in it
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    filters: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    failed_requests: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)
    menu: str = ""
    sql_lab: str = ""


@pytest.fixture(scope="module")
def superset_and_login(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """Address of Superset and the official's login."""
    address = os.environ.get("TSUR_E2E_SUPERSET_URL")
    if address:
        logins = json.loads(Path(os.environ["TSUR_E2E_LOGINS"]).read_text("utf-8"))
        return address.rstrip("/"), logins.get("superset", logins)["official"]
    settings = request.getfixturevalue("demo").settings
    return settings.superset_url, settings.credentials.superset["official"].model_dump()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium; without it the tests are skipped, or fail when REQUIRE_BROWSER=1."""
    missing = [path for path in (BROWSER, DRIVER) if not Path(path).exists()]
    if missing:
        reason = f"no {' and no '.join(missing)} (apt-get install chromium chromium-driver)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(f"REQUIRE_BROWSER=1, but there is {reason}")
        pytest.skip(reason)
    profile = tempfile.mkdtemp(prefix="tsur-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module")
def seen(browser: webdriver.Chrome, superset_and_login: tuple[str, dict[str, str]]) -> Seen:
    """One visit: login, dashboard, every chart awaited; the screenshot is kept."""
    address, login = superset_and_login
    found = Seen()
    wait = WebDriverWait(browser, WAIT_SECONDS)
    browser.get(f"{address}/login/")
    wait.until(lambda page: page.find_elements(By.ID, "username"))
    browser.find_element(By.ID, "username").send_keys(login["username"])
    browser.find_element(By.ID, "password").send_keys(login["password"])
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait.until(lambda page: "/login" not in urlsplit(page.current_url).path)
    found.landed_at = browser.current_url
    browser.get(f"{address}/superset/dashboard/overview/")
    wait.until(_is_drawn)
    found.title = browser.title
    found.filters = [
        element.text
        for element in browser.find_elements(By.CSS_SELECTOR, '[data-test="filter-control-name"]')
    ]
    found.menu = browser.find_element(By.CSS_SELECTOR, "#main-menu").text
    for card in browser.find_elements(By.CSS_SELECTOR, CHART):
        found.charts[card.get_attribute("data-test-chart-name") or ""] = {
            "kind": card.get_attribute("data-test-viz-type"),
            "text": card.get_property("innerText"),
            "drawn": len(
                card.find_elements(By.CSS_SELECTOR, "canvas, svg.chart, tbody tr td, .header-line")
            ),
            "is_cut": browser.execute_script(_IS_CUT, card),
            "errors": len(card.find_elements(By.CSS_SELECTOR, '[role="alert"], .ant-alert-error')),
        }
    _keep_screenshot(browser)
    found.console_errors = [
        entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"
    ]
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            url = urlsplit(parameters["request"]["url"])
            if url.scheme in ("http", "https", "ws", "wss"):
                found.hosts.add(url.netloc)
        elif message["method"] == "Network.responseReceived":
            answer = parameters["response"]
            if answer["status"] >= 400:
                found.failed_requests.append(f"{answer['status']} {answer['url']}")
    browser.get(f"{address}/sqllab/")
    wait.until(lambda page: page.execute_script("return document.readyState") == "complete")
    found.sql_lab = browser.page_source
    return found


def _is_drawn(page: webdriver.Chrome) -> bool:
    """Every chart of the layout is there, and none is still waiting for its data."""
    cards = page.find_elements(By.CSS_SELECTOR, CHART)
    waiting = page.find_elements(By.CSS_SELECTOR, '[data-test="loading-indicator"], .loading')
    names = [card.get_attribute("data-test-chart-name") or "" for card in cards]
    captions = [name for name in names if name.startswith(CAPTION_PREFIX)]
    return len(captions) >= 9 and len(captions) * 2 == len(names) and not waiting


def _keep_screenshot(browser: webdriver.Chrome) -> None:
    """The first 1,800 pixels, into the PNG that `TSUR_E2E_SCREENSHOT` names (from the root)."""
    target = os.environ.get("TSUR_E2E_SCREENSHOT")
    if target:
        clip = {"x": 0, "y": 0, "width": 1600, "height": 1800, "scale": 1}
        picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
        (REPOSITORY / target).write_bytes(base64.b64decode(picture["data"]))


def test_an_official_reaches_the_dashboard_by_logging_in(seen: Seen) -> None:
    assert "/login" not in seen.landed_at
    assert "утренний обзор" in seen.title


def test_at_least_nine_charts_are_drawn_and_none_is_in_error(seen: Seen) -> None:
    charts = {
        name: card for name, card in seen.charts.items() if not name.startswith(CAPTION_PREFIX)
    }
    assert len(charts) >= 9
    assert [name for name, card in seen.charts.items() if card["errors"]] == []
    assert [name for name, card in charts.items() if not card["drawn"]] == []
    assert [name for name, card in charts.items() if "Нет данных" in card["text"]] == []


def test_under_every_chart_stands_when_of_how_many_and_what_is_unknown(seen: Seen) -> None:
    for name in [name for name in seen.charts if not name.startswith(CAPTION_PREFIX)]:
        text = seen.charts[CAPTION_PREFIX + name]["text"]
        assert "По состоянию на" in text, name
        if name == SOURCES:
            continue
        assert "не определён" in text, name
        assert "прочее вне восьми блоков" in text, name


def test_an_official_sees_that_the_data_came(seen: Seen) -> None:
    # All came in time, so that the first of them stand in the order of their names.
    table = seen.charts[SOURCES]["text"]
    assert "ВКонтакте: записи и комментарии" in table
    assert table.count("в срок") == 10
    assert re.search(
        r"Источников: \d+, ожидаемых загрузок: \d+\. Просрочено: 0, опаздывает: 0, "
        r"не загружалось: 0, объём ниже обычного: 0\.",
        seen.charts[CAPTION_PREFIX + SOURCES]["text"],
    )


def test_no_caption_is_cut(seen: Seen) -> None:
    assert [name for name, card in seen.charts.items() if card["is_cut"]] == []


def test_the_six_filters_are_offered_and_named_where_they_do_not_act(seen: Seen) -> None:
    # Those that do not fit the bar are behind «Еще фильтры».
    assert {"Период", "Регион"} <= set(seen.filters)
    occupancy = seen.charts[CAPTION_PREFIX + "Занятость блоков"]["text"]
    assert "Фильтры «Орган», «Муниципалитет», «Канал» здесь не действуют." in occupancy


def test_no_request_leaves_this_machine(
    seen: Seen, superset_and_login: tuple[str, dict[str, str]]
) -> None:
    assert seen.hosts == {urlsplit(superset_and_login[0]).netloc}


def test_nothing_the_page_asked_for_was_refused_or_failed(seen: Seen) -> None:
    assert seen.failed_requests == []
    assert seen.console_errors == []


def test_an_official_is_not_offered_sql_lab_and_cannot_open_it(seen: Seen) -> None:
    assert "SQL" not in seen.menu
    assert "ace_editor" not in seen.sql_lab
