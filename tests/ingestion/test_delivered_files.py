"""Of a folder that is delivered every file is loaded, or named as not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.clients.base import folder_of
from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "outbox"
    path.mkdir()
    return path


def source_of(make_source: MakeSource, code: str, folder: Path, more: str = "") -> Source:
    return make_source(
        code,
        f"""
kind: register
deadline: none
{more}
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}"}}]
entities:
  messages:
    table: {code}_messages
    role: case
    kind: appeal
    key: id
    files: "messages*"
    record: {{text: text}}
  cards:
    table: {code}_cards
    role: card
    key: id
    files: "cards*"
    record: {{text: text}}
""",
    )


def table(path: Path, *numbers: int) -> None:
    rows = "".join(f"{number},Яма {number}\n" for number in numbers)
    path.write_text(f"id,text\n{rows}", encoding="utf-8")


def told(loads: list[LoadCounts]) -> dict[str | None, str | None]:
    return {load.file_name: load.error_class for load in loads}


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_every_file_of_a_folder_is_loaded_or_named_in_the_ledger(
    platform: Platform, make_source: MakeSource, folder: Path, is_by_hand: bool
) -> None:
    code = f"named_{is_by_hand}".casefold()
    for name in ("messages.csv", "Cards_10.CSV", "отчёт.csv", "СООБЩЕНИЯ_октябрь.csv"):
        table(folder / name, 1)
    (folder / "октябрь").mkdir()
    table(folder / "октябрь" / "messages.csv", 2)
    (folder / ".messages.csv.part").write_text("id", encoding="utf-8")
    (folder / "messages_lost.csv").symlink_to(folder / "nowhere.csv")
    declared = source_of(make_source, code, folder)
    prepare_sources(platform.url, [declared])
    # Not a failure of the run: what is right has landed, and a folder may keep its README.
    loads = ingest(
        declared,
        database_url=platform.url,
        vault_key=platform.vault_key,
        region="pskov",
        run_id=code,
        files=folder if is_by_hand else None,
    )
    expected = {
        "messages.csv": None,
        "Cards_10.CSV": None,
        "отчёт.csv": "file_not_read",
        "СООБЩЕНИЯ_октябрь.csv": "file_not_read",
        "октябрь": "file_not_read",
        "messages_lost.csv": "file_not_read",
    }
    assert told(loads) == expected
    assert len(loads) == len(expected)
    kept = platform.rows(
        "select file_name, error_class, error_message from ops.loads where run_id = %s", code
    )
    assert {name: error for name, error, _ in kept} == expected
    reasons = {name: reason for name, _, reason in kept}
    assert "fits none of messages*, cards*" in reasons["отчёт.csv"]
    # The newest attempt of each entity is one that loaded it: dashboards show no failure.
    newest = platform.rows(
        "select distinct on (entity) entity, outcome from ops.loads where run_id = %s"
        " order by entity, load_id desc",
        code,
    )
    assert dict(newest) == {"messages": "success", "cards": "success"}


def test_a_delivery_of_which_nothing_could_be_read_fails(
    platform: Platform, make_source: MakeSource, folder: Path
) -> None:
    table(folder / "отчёт.csv", 1)
    declared = source_of(make_source, "nothing", folder)
    loads = platform.ingest(declared, region="pskov", files=folder)
    assert {load.error_class for load in loads} == {"folder_empty"}
    assert "отчёт.csv" in str(loads[0].error_message)


def test_what_is_brought_by_hand_is_not_left_to_a_next_run(
    platform: Platform, make_source: MakeSource, folder: Path
) -> None:
    table(folder / "messages.csv", 1)
    table(folder / "readme.csv", 1)
    declared = source_of(make_source, "fresh", folder, "settle_seconds: 600")
    # Somebody may still be writing there, under a name that is not the last one.
    assert platform.ingest(declared) == []
    loads = platform.ingest(declared, region="pskov", files=folder)
    assert told(loads) == {"messages.csv": None, "readme.csv": "file_not_read"}


def test_a_link_out_of_the_folder_is_named_and_not_followed(
    platform: Platform, make_source: MakeSource, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    table(secret, 99)
    (folder / "messages_1.csv").symlink_to(secret)
    (folder / "messages_2.csv").symlink_to("../secret.csv")
    (tmp_path / "outbox_other").mkdir()
    table(tmp_path / "outbox_other" / "a.csv", 98)
    (folder / "messages_3.csv").symlink_to(tmp_path / "outbox_other" / "a.csv")
    table(folder / "messages_4.csv", 4)
    (folder / "messages_5.csv").symlink_to("messages_4.csv")
    declared = source_of(make_source, "linked", folder)
    assert told(platform.ingest(declared)) == {
        "messages_1.csv": "link_refused",
        "messages_2.csv": "link_refused",
        "messages_3.csv": "link_refused",
        "messages_4.csv": None,
        "messages_5.csv": None,
    }
    assert [one["native_id"] for one in platform.records("linked_messages")] == ["4"]
    # Brought by hand, a folder of nothing but such links is nothing.
    for name in ("messages_4.csv", "messages_5.csv"):
        (folder / name).unlink()
    with pytest.raises(IngestionFailed, match=r"messages_1\.csv"):
        ingest(
            declared,
            database_url=platform.url,
            vault_key=platform.vault_key,
            region="pskov",
            run_id="links",
            files=folder,
        )


def test_a_file_that_cannot_be_read_does_not_keep_the_next_ones_from_it(
    platform: Platform, make_source: MakeSource, folder: Path
) -> None:
    (folder / "messages_1.csv").write_bytes(b"id,text\n" + b"0,x\n" * 300_000)
    table(folder / "messages_2.csv", 2)
    table(folder / "messages_2026-11-03.csv", 3)
    more = 'max_megabytes: 1\nfile_time: {pattern: "(?P<time>2026-..-..)", format: "%Y-%m-%d"}'
    loads = platform.ingest(source_of(make_source, "dated", folder, more))
    assert told(loads) == {
        "messages_1.csv": "answer_too_large",
        "messages_2.csv": "file_time_unknown",
        "messages_2026-11-03.csv": None,
    }


def test_regions_that_share_a_folder_do_not_report_each_other(
    make_source: MakeSource, folder: Path
) -> None:
    for name in ("pskov.json", "samara.json", "readme.txt"):
        (folder / name).write_text("[]", encoding="utf-8")
    region = f'time_zone: Europe/Moscow, endpoint: "{folder}"'
    declared = make_source(
        "shared",
        f"""
kind: open311
deadline: none
regions:
  - {{code: pskov, {region}, files: {{rows: "pskov*"}}}}
  - {{code: samara, {region}, files: {{rows: "samara*"}}}}
entities:
  rows: {{table: shared, role: case, kind: request, key: id, record: {{text: text}}}}
""",
    )
    for one in declared.regions:
        paths, left_aside = folder_of(declared, one, declared.entities["rows"])
        assert [path.name for path in paths] == [f"{one.code}.json"]
        assert [aside.name for aside in left_aside] == ["readme.txt"]
