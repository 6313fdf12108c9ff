"""A source is declared in YAML; a wrong declaration names the file, the field and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ingestion.errors import SourceDefinitionError, UnknownRegionError
from ingestion.source import SOURCES_FOLDER, Source, Window, load_sources

GOOD = """
kind: register
deadline: none
regions: [{code: kursk, time_zone: Europe/Moscow, endpoint: "${TSUR_DATA}/file.csv"}]
entities:
  rows:
    table: sample
    role: case
    kind: appeal
    key: [id]
    record: {text: Text}
"""

MakeSource = Callable[..., Source]


def test_a_source_without_its_variables_is_declared_but_not_enabled(
    make_source: MakeSource,
) -> None:
    source = make_source("sample", GOOD)
    assert not source.is_enabled
    assert source.missing_variables == {"TSUR_DATA"}


def test_variables_are_filled_in_from_the_environment_that_is_given(
    make_source: MakeSource,
) -> None:
    source = make_source("sample", GOOD, TSUR_DATA="/data")
    assert source.is_enabled
    assert source.region("kursk").endpoint == "/data/file.csv"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("table: sample", "table: Sample", "entities.rows.table"),
        ("kind: register", "kind: fax", "kind:"),
        ("Europe/Moscow", "Europe/Kursk", "IANA time zone"),
        ("record: {text: Text}", "record: {txet: Text}", "txet"),
        ("key: [id]", "kez: [id]", "key: is missing"),
        ("    kind: appeal\n", "", "a case needs its kind"),
        ("deadline: none", "deadline: source", "source_due_at"),
        ("key: [id]", "key: [id]\n    format: {encoding: utf-7777}", "no encoding"),
        ("key: [id]", "key: [id]\n    listing: window", "needs a window"),
        ("record: {text: Text}", "record: {text: {from: A, const: b}}", "exactly one of"),
        ("regions: [", "regions: [{code: kursk, endpoint: x, time_zone: UTC}, ", "twice"),
        ("deadline: none", "deadline: none\ncode: other", "set by the program"),
        ("key: [id]", "key: [id]\n    identity: {'@Телефон': phone}", "@Телефон"),
        ("record: {text: Text}", "record: {text: '@Text'}", "has no @"),
    ],
)
def test_a_wrong_declaration_names_file_and_field(
    make_source: MakeSource, before: str, after: str, told: str
) -> None:
    with pytest.raises(SourceDefinitionError) as caught:
        make_source("sample", GOOD.replace(before, after))
    assert "sample.yml" in str(caught.value)
    assert told in str(caught.value)


def test_what_is_no_yaml_is_told_as_such(make_source: MakeSource) -> None:
    with pytest.raises(SourceDefinitionError, match="no YAML"):
        make_source("sample", "kind: [")


def test_an_unknown_region_is_told_with_those_that_exist(make_source: MakeSource) -> None:
    with pytest.raises(UnknownRegionError, match=r"no region 'omsk'; it has kursk"):
        make_source("sample", GOOD).region("omsk")


def test_a_token_is_not_shown_when_a_source_is_printed(make_source: MakeSource) -> None:
    source = make_source("sample", GOOD + "token: ${TSUR_TOKEN}\n", TSUR_TOKEN="very-secret")
    assert "very-secret" not in repr(source)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)])
def test_a_window_needs_an_offset_and_a_length(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"offset|empty"):
        Window(moment, datetime(2026, 1, 2, tzinfo=UTC))


def test_the_sources_of_the_platform_are_valid_and_own_their_tables() -> None:
    sources = load_sources(SOURCES_FOLDER, {})
    tables = {table: source.code for source in sources.values() for table in source.tables}
    assert tables == {
        "bodies": "bodies",
        "boston_311_2015": "boston_311_2015",
        "checked_replies": "checked_replies",
        "chelyabinsk_comments": "chelyabinsk_comments",
        "corrections": "corrections",
        "duty_rosters": "duty_rosters",
        "fixmystreet_polls": "fixmystreet_polls",
        "indicators": "indicators",
        "information_requests": "information_requests",
        "kursk_messages": "kursk_messages",
        "local_media_articles": "local_media",
        "measures": "measures",
        "media_plans": "media_plans",
        "municipal_register": "municipal_register",
        "official_pages": "official_pages",
        "ok_comments": "odnoklassniki",
        "ok_posts": "odnoklassniki",
        "open311_discovered_requests": "open311_discovered",
        "open311_discovered_services": "open311_discovered",
        "open311_portal_definitions": "open311_portal",
        "open311_portal_requests": "open311_portal",
        "open311_portal_services": "open311_portal",
        "open311_recorded_definitions": "open311_recorded",
        "open311_recorded_requests": "open311_recorded",
        "open311_recorded_services": "open311_recorded",
        "open311_requests": "open311",
        "open311_services": "open311",
        "orders": "orders",
        "perm_incidents": "perm_incidents",
        "populations": "populations",
        "pos_cards": "pos",
        "pos_history": "pos",
        "pos_messages": "pos",
        "project_risks": "project_risks",
        "project_stages": "project_stages",
        "projects": "projects",
        "risk_decisions": "risk_decisions",
        "surveys": "surveys",
        "telegram_channel_posts": "telegram_channels",
        "edms_59fz": "edms_59fz",
        "incident_management": "incident_management",
        "vk_exports": "vk_exports",
        "telegram_messages": "telegram_exports",
        "vk_api_responses": "vk_api_responses",
        "vk_comments": "vk",
        "vk_posts": "vk",
        "vk_search_posts": "vk_search",
        "votes": "votes",
    }


def test_every_region_of_the_regulations_is_read_from_every_sandbox_source() -> None:
    sources = load_sources(SOURCES_FOLDER, {})
    for code in ("pos", "open311", "municipal_register", "vk", "duty_rosters"):
        zones = {region.code: region.time_zone for region in sources[code].regions}
        assert zones == {
            "tambov": "Europe/Moscow",
            "pskov": "Europe/Moscow",
            "jewish_ao": "Asia/Vladivostok",
            "chelyabinsk": "Asia/Yekaterinburg",
            "samara": "Europe/Samara",
        }
