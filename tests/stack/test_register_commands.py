"""`tsur register`: a template out, a filled file in, the marked copy back; no home is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from stack import pipeline
from stack.cli import app

ROW = {
    "№ меры": "М-1",
    "Мера": "Заменить трубу",
    "Вид": "Корректирующая",
    "Причина": "Износ",
    "Блок": "ЖКХ",
    "Исполнитель": "Министерство здравоохранения Тамбовской области",
    "Ответственный": "Снегирёва Анна Петровна",
    "Срок": "15.09.2026",
    "Состояние": "Запланирована",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSUR_HOME", str(tmp_path / "home"))
    return tmp_path


def register(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["register", *arguments])


def filled(folder: Path, **cells: str) -> Path:
    path = folder / "measures-tambov.xlsx"
    register("template", "measures", "--region", "tambov")
    book = load_workbook(path)
    sheet = book["Данные"]
    sheet.append([{**ROW, **cells}.get(str(cell.value)) for cell in sheet[1]])
    book.save(path)
    return path


def test_the_registers_are_listed_with_the_clauses_that_ask_for_them(folder: Path) -> None:
    rows = json.loads(register("list", "--json").stdout)
    listed = {row["register"]: row for row in rows}
    assert listed["measures"]["clauses"]["jewish_ao"] == "2.3[в], 2.3г, 4а"
    assert "pos" not in listed
    assert "Рекомендации, корректирующие и предупреждающие" in register("list").stdout


def test_a_filled_template_passes_and_the_next_command_is_told(folder: Path) -> None:
    path = filled(folder)
    result = register("check", "measures", path.name)
    assert result.exit_code == 0
    assert f"tsur ingest measures --region tambov --file {path.name}" in result.stdout
    assert [one.name for one in folder.iterdir()] == [path.name]


def test_what_is_wrong_comes_back_beside_the_file_which_stays_as_it_is(folder: Path) -> None:
    path = filled(folder, Блок="Дорги", Срок="скоро")
    before = path.read_bytes()
    result = register("check", "measures", path.name)
    assert result.exit_code == 1
    assert path.read_bytes() == before
    back = load_workbook(folder / "measures-tambov-исправить.xlsx")["Данные"]
    reasons = [cell.value for cell in back[2]][-1]
    assert "похоже на «Дороги»" in reasons
    assert "«скоро» — не дата" in reasons
    # A second check writes beside the first: the copy may be under correction.
    register("check", "measures", "measures-tambov-исправить.xlsx")
    assert (folder / "measures-tambov-исправить-2.xlsx").exists()


def test_what_is_told_outside_the_file_holds_places_and_no_values(folder: Path) -> None:
    path = filled(folder, Блок="Снегирёва Анна Петровна", Срок="Снегирёва")
    as_table = register("check", "measures", path.name)
    as_json = register("check", "measures", path.name, "--json")
    assert "негир" not in as_table.output + as_json.output
    told = json.loads(as_json.stdout)
    assert {(one["row"], one["column"], one["code"]) for one in told["problems"]} == {
        (2, "Блок", "not_in_list"),
        (2, "Срок", "bad_date"),
    }


def test_a_template_is_never_written_over_a_file_that_may_be_filled_in(folder: Path) -> None:
    path = filled(folder)
    before = path.read_bytes()
    result = register("template", "measures", "--region", "tambov")
    assert isinstance(result.exception, pipeline.PipelineError)
    assert "в нём могут быть данные" in str(result.exception)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("template", "mesures"), "Реестра «mesures» нет"),
        (("template", "pos"), "не ведут вручную"),
        (("template", "measures", "--region", "omsk"), "no region 'omsk'"),
    ],
)
def test_a_wrong_name_is_told_with_what_there_is(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert told in str(register(*arguments).exception)
    assert list(folder.iterdir()) == []


def test_a_register_that_is_not_installed_yet_goes_by_the_path_of_its_yaml(folder: Path) -> None:
    yaml = pipeline.SOURCES_FOLDER / "measures.yml"
    (folder / "my_measures.yml").write_bytes(yaml.read_bytes())
    assert register("template", "my_measures.yml").exit_code == 0
    assert (folder / "my_measures.xlsx").exists()
