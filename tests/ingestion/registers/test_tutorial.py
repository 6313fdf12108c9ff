"""The tutorial is true: its YAML, and nothing else, makes a register that works."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook

from ingestion.registers.template import write_template
from ingestion.source import SOURCES_FOLDER, Source, load_source, load_sources
from tests.ingestion.conftest import Platform
from tests.ingestion.registers.conftest import NOW, bytes_of, check, told

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture
def seminars(tmp_path: Path) -> Source:
    """The register that the tutorial declares."""
    text = (DOCS / "tutorials" / "new_register.md").read_text(encoding="utf-8")
    (declared,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "seminars.yml"
    path.write_text(declared, encoding="utf-8")
    return load_source(path, {})


ROW = {
    "№ семинара": "С-2026-01",
    "Тема": "Ответы в соцсетях",
    "Орган": "минздрав тамбовской области",
    "Состояние": "Проведён",
    "Дата по плану": NOW.replace(tzinfo=None),
    "Дата проведения": "22.11.2026",
    "Участников": 25,
    "Ведущий": "Снегирёва А. П.",
}


def filled(source: Source, **cells: object) -> bytes:
    book = load_workbook(io.BytesIO(write_template(source, "tambov", NOW.date())))
    sheet = book["Данные"]
    sheet.append([{**ROW, **cells}[str(cell.value)] for cell in sheet[1]])
    return bytes_of(book)


def test_the_register_of_the_tutorial_is_checked_by_its_own_rules(seminars: Source) -> None:
    assert check(seminars, filled(seminars)).problems == []
    wrong = filled(seminars, **{"Дата проведения": None, "Участников": "много"})
    assert told(check(seminars, wrong)) == {
        (2, "Дата проведения", "missing_value"),
        (2, "Участников", "bad_number"),
    }


@pytest.mark.server
def test_the_register_of_the_tutorial_lands_with_typed_fields_and_no_name(
    platform: Platform, seminars: Source, tmp_path: Path
) -> None:
    path = tmp_path / "seminars-tambov.xlsx"
    path.write_bytes(filled(seminars))
    (load,) = platform.ingest(seminars, region="tambov", files=path)
    assert (load.outcome, load.rows_landed) == ("success", 1)
    (record,) = platform.records("seminars")
    assert (record["state"], record["attended"], record["held_on"]) == ("held", 25, "2026-11-22")
    assert record["speaker_key"].startswith("p_")
    assert "Снегир" not in platform.stored_text("seminars")


def test_every_register_and_every_column_of_it_is_on_the_page_of_registers() -> None:
    page = (DOCS / "sources" / "registers.md").read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: " ".join(part.split()) for part in page.split("\n## ")}
    for source in load_sources(SOURCES_FOLDER, {}).values():
        for entity in source.entities.values():
            if entity.template is None:
                continue
            section = sections[source.code]
            assert f"Key: {', '.join(entity.key)}." in section, source.code
            for clause in entity.template.clauses.values():
                assert clause in section, (source.code, clause)
            for name, rule in entity.record.items():
                assert f"`{name}` {rule.from_[0]}" in section, (source.code, name)
