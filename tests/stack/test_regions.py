"""The configuration of regions: complete, checked, told clause by clause, from the seeds alone."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stack.cli import app
from stack.regions import configuration
from stack.regions.account import diff, explain
from stack.regions.configuration import (
    Configuration,
    ConfigurationError,
    export_region,
    load_configuration,
    with_folder,
    write_configuration,
)
from stack.regions.validation import validate

REPOSITORY = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 22)
FIVE = ("tambov", "pskov", "jewish_ao", "chelyabinsk", "samara")
STATES = {
    "~": "term only",
    "-": "outside the act",
    "*": "required, served outside the data",
}
# The table of the acts: requirement → region → (state, clause).
TABLE = {
    code.strip(): {
        region: (STATES.get(cell[0], "required"), cell.lstrip("~-*") or "—")
        for region, cell in zip(FIVE, map(str.strip, cells), strict=True)
    }
    for code, *cells in (
        line.split("|")
        for line in (Path(__file__).with_name("requirements_of_the_acts.txt"))
        .read_text(encoding="utf-8")
        .splitlines()
        if not line.startswith("#")
    )
}


@pytest.fixture(scope="module")
def seeds() -> Configuration:
    return load_configuration()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the seeds, with models beside them, that the commands work on."""
    project = tmp_path / "project"
    shutil.copytree(configuration.SEEDS_FOLDER, project / "seeds")
    (project / "models").mkdir()
    models = (REPOSITORY / "dbt_project" / "models").rglob("*.sql")
    for name in {path.stem for path in models}:
        (project / "models" / f"{name}.sql").touch()
    reader = partial(load_configuration, project / "seeds")
    monkeypatch.setattr(configuration, "load_configuration", reader)
    monkeypatch.chdir(tmp_path)
    return project / "seeds"


def region(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["region", *arguments])


def change(seed: Path, old: str, new: str) -> int:
    """Replaces one text in a seed; the line that it stands in."""
    text = seed.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{text.count(old)} times in {seed.name}: {old}"
    seed.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


# --- what the acts require -----------------------------------------------------------------------


@pytest.mark.parametrize("code", FIVE)
def test_every_requirement_of_the_table_stands_with_its_clause_and_state(
    seeds: Configuration, code: str
) -> None:
    told = {one.requirement_code: (one.state, one.clause) for one in explain(seeds, code, TODAY)}
    assert len(TABLE) == 55
    assert told == {requirement: cells[code] for requirement, cells in TABLE.items()}


@pytest.mark.parametrize("code", FIVE)
def test_what_serves_a_requirement_is_there(seeds: Configuration, code: str) -> None:
    assert validate(seeds, code, TODAY) == []


@pytest.mark.parametrize("code", FIVE)
def test_explain_as_json_is_a_list_of_requirement_clause_served_by_and_state(code: str) -> None:
    rows = json.loads(region("explain", code, "--json").stdout)
    assert len(rows) == 55
    for row in rows:
        assert set(row) == {"requirement", "clause", "served_by", "state"}
        assert all(row.values()), row
        assert row["state"] in {"required", *STATES.values()}


def test_explain_prints_the_act_the_clause_the_state_and_why(seeds: Configuration) -> None:
    result = region("explain", "jewish_ao")
    assert result.exit_code == 0
    assert "405-пп" in result.stdout
    assert "только термин" in result.stdout
    line = next(one for one in result.stdout.splitlines() if "Ежедневный мониторинг" in one)
    assert re.search(r"3\.4в, 4д .*требуется .*mart_risk_signals", line)


def test_a_region_whose_act_is_not_in_the_configuration_is_not_explained(
    seeds: Configuration,
) -> None:
    with pytest.raises(ConfigurationError, match="its act is not in"):
        explain(seeds, "boston", TODAY)
    with pytest.raises(ConfigurationError, match="not yet in force"):
        explain(seeds, "jewish_ao", date(2022, 10, 12))
    with pytest.raises(ConfigurationError, match=r"no region 'atlantis'.*tambov"):
        explain(seeds, "atlantis", TODAY)


def test_two_officials_of_pskov_answer_for_two_blocks_each(seeds: Configuration) -> None:
    blocks = [
        line.cells["block_codes"]
        for line in seeds.seeds["region_roles"].of_region("pskov")
        if line.cells["role_code"] == "block_responsible"
    ]
    assert sorted(blocks) == ["EDU", "ENERGY", "HCS|WASTE", "HEALTH", "ROADS|TRANSPORT", "SOC"]
    owners = [line.cells["owner_body_code"] for line in seeds.seeds["region_blocks"].lines]
    assert owners.count("pskov_oiv_hcs") == owners.count("pskov_oiv_roads") == 2


def test_the_jewish_ao_has_five_departments_and_no_block_of_waste_or_energy(
    seeds: Configuration,
) -> None:
    named = {
        line.cells["block_code"]: line.cells["owner_body"]
        for line in seeds.seeds["region_blocks"].of_region("jewish_ao")
        if line.cells["is_named_by_act"] == "true"
    }
    assert set(named) == {"EDU", "SOC", "HCS", "ROADS", "TRANSPORT", "HEALTH"}
    assert len(set(named.values())) == 5


def test_chelyabinsk_ranks_by_terms_and_not_by_quality(seeds: Configuration) -> None:
    dimensions = {
        code: {
            line.cells["dimension_code"]
            for line in seeds.seeds["rating_dimensions"].of_region(code)
        }
        for code in FIVE
    }
    assert dimensions.pop("chelyabinsk") == {"quantity", "deadlines", "completeness"}
    for others in dimensions.values():
        assert others == {"quantity", "quality", "speed", "completeness"}


def test_the_configuration_names_posts_and_never_people(seeds: Configuration) -> None:
    """Initials beside a surname are how the acts name people."""
    person = re.compile(r"[А-ЯЁ]\.\s?[А-ЯЁ]\.\s?[А-ЯЁ][а-яё]+|[А-ЯЁ][а-яё]+ [А-ЯЁ]\.\s?[А-ЯЁ]\.")
    text = "".join(seeds.seeds[name].text() for name in ("region_roles", "approvals", "recipients"))
    assert person.search("Иванов О. О., О.О.Иванов")
    assert person.findall(text) == []


def test_every_page_about_the_acts_is_asked_for_and_its_links_lead_somewhere(
    seeds: Configuration,
) -> None:
    served = seeds.seeds["requirements"].values("served_by")
    pages = sorted((REPOSITORY / "docs" / "regions").glob("*.md"))
    assert {f"docs/regions/{page.name}" for page in pages} == {
        name for name in served if name.startswith("docs/")
    }
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith("# ")
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (page.parent / link).exists(), (page.name, link)


# --- validation ----------------------------------------------------------------------------------

FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a requirement without a clause": (
        "requirements",
        "tambov,workload,Учёт уровня занятости блоков,13,required,3.1.8,",
        "tambov,workload,Учёт уровня занятости блоков,13,required,,",
        "clause is empty",
    ),
    "a requirement that nothing serves": (
        "requirements",
        "required,3.1.8,mart_block_workload,model",
        "required,3.1.8,,model",
        "served_by is empty",
    ),
    "a state that is none of the four": (
        "requirements",
        "13,required,3.1.8",
        "13,obligatory,3.1.8",
        "state 'obligatory'",
    ),
    "a model that is not there": (
        "requirements",
        "3.1.8,mart_block_workload,model",
        "3.1.8,mart_of_dreams,model",
        "there is no model mart_of_dreams",
    ),
    "a page that is not there": (
        "requirements",
        'data",1.2,docs/regions/training.md',
        'data",1.2,docs/regions/nowhere.md',
        "there is no page docs/regions/nowhere.md",
    ),
    "a zone that is none": (
        "regions",
        "Tambov Oblast,Europe/Moscow",
        "Tambov Oblast,Moscow/Europe",
        "time_zone 'Moscow/Europe'",
    ),
    "a block that is none": ("region_blocks", "tambov,ENERGY,", "tambov,MAGIC,", "'MAGIC'"),
    "a role that nobody has": (
        "region_roles",
        "tambov,curator,куратор ЦУР,",
        "tambov,Curator,куратор ЦУР,",
        "role_code 'Curator'",
    ),
    "dates in the wrong order": (
        "applicant_classes",
        "tambov,resident,жители области,2020-10-22,,",
        "tambov,resident,жители области,2020-10-22,2020-10-22,",
        "valid_to is excluded",
    ),
    "a weight of nothing": (
        "rating_dimensions",
        "tambov,quantity,Количество,1.0",
        "tambov,quantity,Количество,0",
        "weight '0'",
    ),
    "one row twice": (
        "applicant_classes",
        "tambov,legal_entity,юридические лица",
        "tambov,resident,юридические лица",
        "in force twice",
    ),
    "what is required served by a page": (
        "requirements",
        "3.1.8,mart_block_workload,model",
        "3.1.8,docs/regions/control.md,page",
        "'required' is served by a page",
    ),
    "what is outside the act leaning on an obligation": (
        "requirements",
        "tambov,additional_indicators,Дополнительные показатели,15,outside the act,—,"
        "docs/regions/additional_indicators.md,page",
        "tambov,additional_indicators,Дополнительные показатели,15,outside the act,—,"
        "mart_indicators,model",
        "not labelled «вне положения»",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_is_told_with_its_file_its_row_and_what_to_do(copy: Path, fault: str) -> None:
    seed, old, new, reason = FAULTS[fault]
    row = change(copy / f"{seed}.csv", old, new)
    problems = validate(load_configuration(copy), "tambov", TODAY)
    told = [problem for problem in problems if reason in problem.reason]
    assert [(Path(problem.file).name, problem.row) for problem in told] == [(f"{seed}.csv", row)]
    assert told[0].remedy
    # The other regions do not suffer from it.
    assert validate(load_configuration(copy), "pskov", TODAY) == []


def test_a_fault_in_a_row_for_every_region_is_told_of_each(copy: Path) -> None:
    row = change(copy / "deadline_rules.csv", "fz59_30_days,*,fz59", "fz59_30_days,*,")
    for code in FIVE:
        (problem,) = validate(load_configuration(copy), code, TODAY)
        assert (problem.row, problem.reason) == (row, "regime_code is empty")


def test_a_term_of_a_topic_that_no_catalogue_holds_is_told(copy: Path) -> None:
    row = change(copy / "deadline_rules.csv", "20_days,*,fz59,,migration_law", "20_days,*,fz59,,no")
    (problem,) = validate(load_configuration(copy), "tambov", TODAY)
    assert (problem.row, problem.reason) == (row, "topic_code 'no' is not known")


def test_a_norm_of_a_region_stands_beside_the_common_one_of_its_step(copy: Path) -> None:
    path = copy / "workload_norms.csv"
    own = "tambov,reply,Подготовка ответа,answered,{},region,{},,п. 1\n"
    common = path.read_text(encoding="utf-8")
    path.write_text(common + own.format("2.5", "2026-01-01"), encoding="utf-8")
    assert validate(load_configuration(copy), "tambov", TODAY) == []
    path.write_text(
        common + own.format("2.5", "2026-01-01") + own.format("3", "2026-06-01"), encoding="utf-8"
    )
    (problem,) = validate(load_configuration(copy), "tambov", TODAY)
    assert "reply is in force twice" in problem.reason
    assert validate(load_configuration(copy), "pskov", TODAY) == []


@pytest.mark.parametrize(
    ("seed", "gone", "reason"),
    [
        ("requirements", "samara,repeat,", "requirement repeat («Повторные обращения»)"),
        ("region_blocks", "samara,ENERGY,", "block ENERGY (Энергетика) has no row in force"),
        ("regions", "samara,Самарская", None),
    ],
)
def test_what_is_missing_is_told_by_name(
    copy: Path, seed: str, gone: str, reason: str | None
) -> None:
    path = copy / f"{seed}.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(one for one in lines if not one.startswith(gone)), encoding="utf-8")
    if reason is None:
        with pytest.raises(ConfigurationError, match="no region 'samara'"):
            validate(load_configuration(copy), "samara", TODAY)
        return
    (problem,) = validate(load_configuration(copy), "samara", TODAY)
    assert problem.row is None
    assert reason in problem.reason


def test_a_seed_that_serves_a_requirement_has_rows_of_the_region(copy: Path) -> None:
    path = copy / "escalation_paths.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(one for one in lines if not one.startswith("pskov")), encoding="utf-8")
    (problem,) = validate(load_configuration(copy), "pskov", TODAY)
    assert problem.reason == "escalation_paths serves it and has no row of pskov"


def test_validate_exits_with_1_when_something_is_to_mend(copy: Path) -> None:
    assert region("validate", "tambov").exit_code == 0
    change(copy / "regions.csv", "Tambov Oblast,Europe/Moscow", "Tambov Oblast,Moscow")
    result = region("validate", "tambov")
    assert result.exit_code == 1
    assert "regions.csv:2: time_zone 'Moscow'" in result.output
    told = json.loads(region("validate", "tambov", "--json").stdout)
    assert {"file", "row", "reason", "remedy"} == set(told[0])


# --- editions, differences -----------------------------------------------------------------------


def test_a_new_edition_is_in_force_from_its_day_on(copy: Path) -> None:
    path = copy / "requirements.csv"
    text = path.read_text(encoding="utf-8")
    (line,) = [one for one in text.splitlines() if one.startswith("samara,workload,")]
    begun = line.replace("outside the act,—", "required,6").replace("2020-09-04", "2027-01-01")
    path.write_text(text.replace(line, f"{line}2027-01-01\n{begun}"), encoding="utf-8")
    edited = load_configuration(copy)

    def workload(day: date) -> str:
        (told,) = [
            one.state
            for one in explain(edited, "samara", day)
            if one.requirement_code == "workload"
        ]
        return told

    assert workload(date(2026, 12, 31)) == "outside the act"
    assert workload(date(2027, 1, 1)) == "required"
    assert validate(edited, "samara", date(2026, 12, 31)) == []
    # The rosters behind it are an obligation from that day too, and the row of staff says no.
    (problem,) = validate(edited, "samara", date(2027, 1, 1))
    assert "mart_block_workload is not labelled" in problem.reason


def test_two_regions_differ_in_what_their_acts_say_and_not_in_their_clauses(
    seeds: Configuration,
) -> None:
    assert diff(seeds, "pskov", "pskov", TODAY) == []
    found = diff(seeds, "tambov", "chelyabinsk", TODAY)
    states = {
        one.key: (one.first, one.second, one.first_clause, one.second_clause)
        for one in found
        if (one.seed, one.column) == ("requirements", "state")
    }
    assert states["heatmap"] == ("outside the act", "required", "—", "2, 14")
    assert "rating" not in states
    rating = {one.key: (one.first, one.second) for one in found if one.seed == "rating_dimensions"}
    assert rating["quality"][1] is None
    assert rating["deadlines"][0] is None
    back = diff(seeds, "chelyabinsk", "tambov", TODAY)
    assert {(one.seed, one.key, one.column, one.first, one.second) for one in found} == {
        (one.seed, one.key, one.column, one.second, one.first) for one in back
    }


def test_the_difference_is_printed_with_both_clauses() -> None:
    result = region("diff", "tambov", "chelyabinsk")
    line = next(one for one in result.stdout.splitlines() if "heatmap" in one and "state" in one)
    assert re.search(r"outside the act.*—.*required.*2, 14", line)


# --- a region as a folder ------------------------------------------------------------------------


@pytest.mark.parametrize("code", FIVE)
def test_a_region_written_out_and_added_again_changes_no_byte(
    copy: Path, tmp_path: Path, code: str
) -> None:
    before = {path.name: path.read_bytes() for path in copy.glob("*.csv")}
    export_region(load_configuration(copy), code, tmp_path / code)
    result = region("add", code, "--yes")
    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in copy.glob("*.csv")} == before


def test_what_is_changed_in_a_folder_replaces_the_rows_of_its_region_alone(
    copy: Path, tmp_path: Path
) -> None:
    export_region(load_configuration(copy), "pskov", tmp_path / "pskov")
    change(tmp_path / "pskov" / "recipients.csv", "Губернатор Псковской области", "Губернатор")
    planned = region("add", "pskov")
    assert planned.exit_code == 0
    assert "Губернатор Псковской области" in (copy / "recipients.csv").read_text("utf-8")
    assert region("add", "pskov", "--yes").exit_code == 0
    after = (copy / "recipients.csv").read_text(encoding="utf-8")
    untouched = (configuration.SEEDS_FOLDER / "recipients.csv").read_text(encoding="utf-8")
    assert after == untouched.replace("Губернатор Псковской области", "Губернатор")


def test_a_folder_with_a_fault_is_not_taken_in(copy: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.glob("*.csv")}
    export_region(load_configuration(copy), "samara", tmp_path / "samara")
    change(tmp_path / "samara" / "regions.csv", "Europe/Samara", "Самара")
    result = region("add", "samara", "--yes")
    assert result.exit_code == 1
    assert "samara/regions.csv:2: time_zone 'Самара'" in result.output
    assert "Nothing has been changed" in result.output
    assert {path.name: path.read_bytes() for path in copy.glob("*.csv")} == before


def _stranger(folder: Path) -> None:
    (folder / "weather.csv").write_text("region_code\nsamara\n")


def _column(folder: Path) -> None:
    (folder / "recipients.csv").write_text("region_code,mood\nsamara,good\n")


def _other_region(folder: Path) -> None:
    change(folder / "regions.csv", "samara,Самарская", "kaluga,Самарская")


def _comma(folder: Path) -> None:
    (folder / "recipients.csv").write_text("region_code,recipient_name\nsamara,a,b\n")


def _encoding(folder: Path) -> None:
    (folder / "recipients.csv").write_bytes("region_code\nсамара\n".encode("cp1251"))


def _empty(folder: Path) -> None:
    (folder / "recipients.csv").write_text("")


def _two_regions(folder: Path) -> None:
    with (folder / "regions.csv").open("a", encoding="utf-8") as file:
        file.write("kaluga,Калуга,Kaluga,Europe/Moscow,ru,Акт,false,,2026-01-01,,1\n")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_stranger, r"weather\.csv: no seed of regions has this name"),
        (_column, r"recipients\.csv: mood is no column of the seed"),
        (_other_region, r"line 2: region 'samara' in the folder of 'kaluga'"),
        (_comma, r"recipients\.csv, line 2: 3 cells under 2 headings"),
        (_encoding, r"recipients\.csv is not UTF-8"),
        (_empty, r"recipients\.csv is empty"),
        (_two_regions, r"names kaluga, samara; a folder describes one region"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused_with_the_place(
    seeds: Configuration, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    folder = tmp_path / "samara"
    export_region(seeds, "samara", folder)
    spoil(folder)
    with pytest.raises(ConfigurationError, match=told):
        with_folder(seeds, folder)


def test_a_folder_that_holds_something_is_not_written_over(
    seeds: Configuration, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match="is not empty"):
        export_region(seeds, "samara", tmp_path)
    with pytest.raises(ConfigurationError, match=r"holds no regions\.csv"):
        with_folder(seeds, tmp_path)


def test_a_column_that_a_file_of_the_folder_lacks_is_empty(copy: Path, tmp_path: Path) -> None:
    export_region(load_configuration(copy), "samara", tmp_path / "samara")
    path = tmp_path / "samara" / "applicant_classes.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = sorted(set(rows[0]) - {"valid_to"})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    edited, _ = with_folder(load_configuration(copy), tmp_path / "samara")
    assert write_configuration(edited) == []
