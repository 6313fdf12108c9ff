"""Seeds about registers say what the declarations of the registers say."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = REPOSITORY / "dbt_project" / "seeds"
SOURCES = REPOSITORY / "ingestion" / "sources"
# Kinds of measures that come from other registers: orders, and decisions taken in votes.
FROM_ELSEWHERE = {("measures", "kind", "order"), ("measures", "kind", "decision")}


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def declared(register: str) -> dict[str, dict[str, str]]:
    """Field → code → word of the closed lists that a register declares."""
    path = SOURCES / f"{register}.yml"
    record = yaml.safe_load(path.read_text(encoding="utf-8"))["entities"]["rows"]["record"]
    return {
        field: {str(code): word for word, code in rule["values"].items()}
        for field, rule in record.items()
        if isinstance(rule, dict) and "values" in rule
    }


def test_every_word_of_a_closed_list_stands_in_the_seed_as_the_register_writes_it() -> None:
    rows = {
        (row["register_code"], row["field"], row["value_code"]): row["value_name"]
        for row in seed("register_values")
    }
    registers = {register for register, _, _ in rows}
    expected = {
        (register, field, code): word
        for register in registers
        for field, words in declared(register).items()
        for code, word in words.items()
    }
    assert len(registers) == 11
    assert {key: rows[key] for key in rows.keys() - FROM_ELSEWHERE} == expected


def test_what_a_seed_expects_of_a_register_is_declared() -> None:
    for row in seed("owed_reports"):
        if row["register_code"]:
            assert (SOURCES / f"{row['register_code']}.yml").exists(), row
        if row["requester_code"]:
            assert row["requester_code"] in declared(row["register_code"])["requester"], row
    for row in seed("register_approvals"):
        if row["applies_to"]:
            words = declared(row["register_code"])
            assert any(row["applies_to"] in codes for codes in words.values()), row
    platforms = declared("official_pages")["platform"]
    for row in (*seed("page_platforms"), *seed("mandatory_pages")):
        assert row["platform_code"] in platforms, row


def test_every_expected_delivery_is_an_entity_of_a_source_in_that_region() -> None:
    for row in seed("expected_deliveries"):
        path = SOURCES / f"{row['source_code']}.yml"
        source = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert row["entity_code"] in source["entities"], row
        assert row["region_code"] in {region["code"] for region in source["regions"]}, row
