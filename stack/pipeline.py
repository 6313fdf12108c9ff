"""The steps of the line, each as one function that the DAGs and the command line both call.

Settings meet the packages here: every function reads the settings of its process, hands explicit
addresses and keys to `ingestion`, `nlp`, dbt, `expectations` or Superset, and returns plain counts.
Heavy imports stay inside the functions: the dag-processor imports this module for every file.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from ingestion.source import Source, load_source, load_sources
from ingestion.source import Window as LoadWindow
from stack.airflow_services import (
    airflow_command,
    airflow_environment,
    dbt_environment,
    run_logged,
    source_environment,
    warehouse_of,
)
from stack.settings import REPOSITORY, Settings, get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.backfill import Plan as BackfillPlan
    from ingestion.ledger import LoadCounts
    from ingestion.preview import Preview
    from ingestion.quarantine import Replay
    from ingestion.registers.check import Checked
    from stack.backup import Backup
    from stack.publication import Difference, RunDbt

SOURCES_FOLDER = REPOSITORY / "ingestion" / "sources"
DBT_PROJECT = REPOSITORY / "dbt_project"
MARTS_ASSET = "tsur://warehouse/marts"
CHECKED_ASSET = "tsur://warehouse/checked"
DASHBOARDS_ASSET = "tsur://superset/dashboards"
RECORDED_VK = Path("posts") / "vk_api_responses"

Window = tuple[date, date]

logger = logging.getLogger(__name__)


class PipelineError(RuntimeError):
    """A step failed; the message names the log and what to do."""


def raw_asset(source_code: str) -> str:
    """The asset that a source's DAG updates when all its regions have landed."""
    return f"tsur://raw/{source_code}"


# --- sources -------------------------------------------------------------------------------------


def all_sources(settings: Settings | None = None) -> list[Source]:
    """Every YAML, enabled or not."""
    environment = {**os.environ, **source_environment(settings or get_settings())}
    return list(load_sources(SOURCES_FOLDER, environment).values())


def enabled_sources(settings: Settings | None = None) -> list[Source]:
    """The sources whose every variable is set in this home."""
    return [source for source in all_sources(settings) if source.is_enabled]


def find_source(name: str) -> Source:
    """A source by its code, or by the path of its YAML."""
    if name.endswith((".yml", ".yaml")):
        return load_source(Path(name), {**os.environ, **source_environment(get_settings())})
    for source in all_sources():
        if source.code == name:
            return source
    raise PipelineError(
        f"There is no source '{name}' under ingestion/sources. See: tsur source list"
    )


def registers() -> list[Source]:
    """The sources that people keep by hand: those with a template. They need no home."""
    declared = load_sources(SOURCES_FOLDER, {}).values()
    return [
        source
        for source in declared
        if any(entity.template is not None for entity in source.entities.values())
    ]


def find_register(name: str) -> Source:
    """A register by its code, or by the path of its YAML."""
    if name.endswith((".yml", ".yaml")):
        return load_source(Path(name), {})
    for path in SOURCES_FOLDER.glob("*.yml"):
        if path.stem == name:
            return load_source(path, {})
    raise PipelineError(f"Реестра «{name}» нет. Какие есть: tsur register list")


def write_register_template(name: str, *, region: str | None, output: Path | None) -> Path:
    """An XLSX that a person can fill in; a file that is there already is never written over."""
    from ingestion.registers.template import write_template

    source = find_register(name)
    content = write_template(source, region, datetime.now().date())
    path = output or Path("-".join(filter(None, (source.code, region))) + ".xlsx")
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise PipelineError(
            f"Файл {path} уже есть, и в нём могут быть данные. Назовите другой: --output ФАЙЛ.xlsx"
        ) from None
    return path


def check_register(
    name: str, file: Path, *, region: str | None, output: Path | None
) -> tuple[Checked, Path | None]:
    """What is wrong with a returned register, and where the marked copy is (None: all right)."""
    from ingestion.registers.check import check_register as check_workbook
    from ingestion.registers.workbook import MOST_BYTES

    source = find_register(name)
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    found = check_workbook(source, content, region=region, observed_at=datetime.now().astimezone())
    if found.marked is None:
        return found, None
    path = output or _beside(file)
    try:
        with path.open("xb") as marked:
            marked.write(found.marked)
    except FileExistsError:
        raise PipelineError(f"Файл {path} уже есть. Назовите другой: --output ФАЙЛ.xlsx") from None
    return found, path


def _beside(file: Path) -> Path:
    """A name beside the file that is still free: a copy that somebody corrects is not lost."""
    stem = re.sub(r"-исправить(-\d+)?$", "", file.stem)
    names = (f"{stem}-исправить{tail}.xlsx" for tail in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in map(file.with_name, names) if not path.exists())


def modelled_sources(settings: Settings | None = None) -> list[Source]:
    """The enabled sources that dbt knows. Others land in `raw` and keep nobody waiting."""
    declared = yaml.safe_load((DBT_PROJECT / "models/staging/_sources.yml").read_text("utf-8"))
    known = {source["name"] for source in declared["sources"]}
    return [source for source in enabled_sources(settings) if source.code in known]


def region_codes() -> set[str]:
    """The codes of the seed `regions`."""
    return _seed_codes("regions", "region_code")


def block_codes() -> set[str]:
    """The codes of the seed `blocks`."""
    return _seed_codes("blocks", "block_code")


def _seed_codes(seed: str, column: str) -> set[str]:
    with (DBT_PROJECT / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return {row[column] for row in csv.DictReader(file)}


def missing_files(data: Path) -> list[str]:
    """What a folder of real data lacks, as paths inside it; empty when its layout is whole."""
    paths = {data / RECORDED_VK} | {
        Path(region.endpoint)
        for source in load_sources(SOURCES_FOLDER, {"TSUR_DATA": str(data)}).values()
        for region in source.regions
        if source.is_enabled
    }
    return sorted(str(path.relative_to(data)) for path in paths if not path.exists())


INGESTION_PAGE = """
### Источник «{source.code}»

{source.description.ru}

**Что делает.** Читает источник за окно запуска и добавляет в `raw` новые и изменённые записи.
Прочитано = загружено + без изменений + карантин; повтор за то же окно ничего не удваивает.

**Что может сломаться и что делать.**
- источник не отвечает: запуск повторится дважды; потом проверьте адрес и ключ доступа;
- записи в карантине: посмотрите причину в отчёте о качестве или в `ops.quarantine`, исправьте
  `ingestion/sources/{source.code}.yml`, затем выполните `tsur replay`;
- срок свежести вышел ({source.freshness.error_hours} ч): спросите владельца, {source.owner}.
"""


def ingestion_page(source: Source) -> str:
    """The page of a source's DAG, in Russian, for the engineer on duty."""
    return INGESTION_PAGE.format(source=source)


def window_of_run(source: Source, dag_run: Any, params: Mapping[str, Any]) -> Window | None:
    """The days to read, the last excluded: from the parameters, else from the run itself.

    A run without parameters reads the source's window and its look-back, so that late changes
    are seen. None for sources without windows (files, complete listings).
    """
    if source.window is None:
        return None
    if params.get("window_from") and params.get("window_to"):
        return date.fromisoformat(params["window_from"]), date.fromisoformat(params["window_to"])
    moment = dag_run.logical_date or dag_run.run_after
    last = moment.date() + timedelta(days=1)
    return last - timedelta(days=source.window.days + source.window.lookback_days), last


def ingest_source(
    source: Source,
    *,
    region: str | None = None,
    window: Window | None = None,
    files: Path | None = None,
    run_id: str,
    progress: Callable[[str, int], None] | None = None,
    warn: Callable[[str], None] = logger.warning,
) -> dict[str, int]:
    """One source, one window of local days. Returns the sums of read, landed, unchanged, …

    `warn` is told of every file of a folder that was not read. Raises IngestionFailed with all
    loads after every region was tried, when a load failed.
    """
    from ingestion.ingest import IngestionFailed, ingest, prepare_sources

    settings = get_settings()
    # A YAML that was added after the last start has no tables yet.
    prepare_sources(warehouse_of(settings).url("loader"), [source])
    regions = [source.region(region)] if region else source.regions
    loads: list[LoadCounts] = []
    is_failed = False
    for one in regions:
        try:
            loads += ingest(
                source,
                database_url=warehouse_of(settings).url("loader"),
                vault_key=settings.credentials.vault_key,
                region=one.code,
                files=files,
                window=LoadWindow(*(midnight(day, one.zone) for day in window)) if window else None,
                run_id=run_id,
                progress=progress,
            )
        except IngestionFailed as error:
            loads += error.loads
            is_failed = True
    for load in loads:
        if load.is_left_aside:
            warn(str(load.error_message))
    if is_failed:
        raise IngestionFailed(loads)
    return counts_of(loads)


def counts_of(loads: Iterable[LoadCounts]) -> dict[str, int]:
    """The sums of what several loads read, landed, left unchanged, …"""
    return sum_counts(
        {"files_not_read": 1} if load.is_left_aside else {"loads": 1, **load.as_dict()}
        for load in loads
    )


def preview_source(
    source: Source,
    region: str | None,
    window: Window | None,
    files: Path | None,
    limit: int,
) -> list[Preview]:
    """The first records of a source's region as they would land; nothing is written."""
    from ingestion.preview import preview

    one = source.region(region) if region else source.regions[0]
    return preview(
        source,
        region=one.code,
        vault_key=get_settings().credentials.vault_key,
        window=LoadWindow(*(midnight(day, one.zone) for day in window)) if window else None,
        files=files,
        limit=limit,
    )


def midnight(day: date, zone: tzinfo) -> datetime:
    """The first moment of a local day."""
    return datetime.combine(day, datetime.min.time(), tzinfo=zone)


def sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up the counts of several loads, key by key."""
    total: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + value
    return total


def replay_quarantine(
    load_id: int | None = None, sources: Sequence[Source] | None = None
) -> Replay:
    """Try quarantined records and files again, after a fix of the source or its YAML.

    `sources` are the only ones that are tried and told of; otherwise all under ingestion/sources.
    """
    from ingestion.quarantine import replay

    settings = get_settings()
    done = replay(
        all_sources(settings) if sources is None else sources,
        database_url=warehouse_of(settings).url("loader"),
        vault_key=settings.credentials.vault_key,
        load_id=load_id,
    )
    if sources is None:
        return done
    asked = {source.code for source in sources}
    return replace(done, skipped=tuple(s for s in done.skipped if s.source_code in asked))


def loaded_sources() -> list[str]:
    """The codes of every source that the ledger has a load of, declared or not."""
    with psycopg.connect(warehouse_of(get_settings()).url("auditor")) as connection:
        query = "select distinct source_code from ops.loads order by 1"
        return [code for (code,) in connection.execute(query)]


# --- warehouse -----------------------------------------------------------------------------------


def prepare_warehouse(settings: Settings) -> None:
    """Roles, databases, migrations, and the tables that sources, NLP and checks write to."""
    from expectations.tables import ensure as ensure_audit
    from ingestion.ingest import prepare_sources
    from nlp.tables import ensure as ensure_nlp
    from stack.access import admit

    warehouse = warehouse_of(settings)
    warehouse.prepare()
    admit(warehouse.url("owner"), [one.username for one in settings.credentials.superset.values()])
    prepare_sources(warehouse.url("loader"), load_sources(SOURCES_FOLDER, {}).values())
    expect_loads(settings)
    with psycopg.connect(warehouse.url("transformer")) as connection:
        ensure_nlp(connection)
        ensure_audit(connection)


def expect_loads(settings: Settings) -> int:
    """Tell the warehouse which loads the enabled sources promise; how many they are."""
    from ingestion.ledger import expect_loads as write_expected

    with psycopg.connect(warehouse_of(settings).url("loader")) as connection:
        return write_expected(connection, enabled_sources(settings))


def dbt_variables(settings: Settings | None = None) -> dict[str, Any]:
    """The variables of every dbt run in this home."""
    as_of = (settings or get_settings()).as_of_variable
    return {"as_of": as_of} if as_of else {}


def build_models(
    *selected: str,
    full_refresh: bool = False,
    as_of: Mapping[str, datetime] | None = None,
    airflow_run_id: str | None = None,
) -> dict[str, int]:
    """Seeds, models and their tests of a selection (all without one), in one run of dbt.

    A test that fails stops what stands behind its models. Returns how many nodes ended in which
    status; each is a row of `audit.dbt_results`. `as_of` stands above that of the home, by region.
    Raises BuildFailed naming the nodes that failed.
    """
    from stack.dbt_build import build

    settings = get_settings()
    environment = dbt_environment(settings)
    database_url = warehouse_of(settings).url("transformer")
    if as_of:
        settings = Settings(home=settings.home, as_of={**settings.as_of, **as_of})
        # With other variables dbt reads the whole project anew; what it knows of the home stays.
        environment["DBT_TARGET_PATH"] = str(settings.dbt_target.with_name("as_of"))
    arguments = [item for one in selected for item in ("--select", one)]
    if full_refresh:
        arguments.append("--full-refresh")
    return build(
        [*arguments, *_dbt_arguments(settings)],
        environment=environment,
        database_url=database_url,
        airflow_run_id=airflow_run_id,
    )


def last_build() -> list[dict[str, Any]]:
    """Every node of the newest run of dbt: what went wrong first, then the slowest first."""
    from stack.dbt_build import last_run

    return last_run(warehouse_of(get_settings()).url("auditor"))


def run_dbt(settings: Settings, *command: str) -> None:
    """What builds nothing (`parse`, `docs`), in a process of its own that prints to a log."""
    run_logged(
        [str(settings.platform_python.with_name("dbt")), *command, *_dbt_arguments(settings)],
        {**os.environ, **dbt_environment(settings)},
        settings.home / "logs" / f"dbt-{command[0]}.log",
        f"dbt {command[0]}",
    )


def _dbt_arguments(settings: Settings) -> list[str]:
    """The same for every run of a home: with other variables dbt reads the whole project anew."""
    arguments = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    variables = dbt_variables(settings)
    return [*arguments, *(["--vars", json.dumps(variables)] if variables else [])]


def source_freshness() -> dict[str, int]:
    """How many loads of the enabled sources are in which state of freshness.

    Raises when one is later than its declared error age, or when nothing could be asked.
    """
    from expectations.freshness import require_fresh

    settings = get_settings()
    # A YAML that was added or changed after the last start is asked for too.
    expect_loads(settings)
    with psycopg.connect(warehouse_of(settings).url("transformer")) as connection:
        return require_fresh(connection)


def enrich_texts(progress: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """spaCy on every text that has no enrichment of the current model."""
    from nlp.enrich import enrich

    url = warehouse_of(get_settings()).url("transformer")
    return asdict(enrich(url, processes=min(2, os.cpu_count() or 1), progress=progress))


def write_dictionary() -> Path:
    """The data dictionary: dbt's static documentation, one HTML page."""
    settings = get_settings()
    # What the builds have compiled is there; compiling all tests again would take a minute.
    run_dbt(settings, "docs", "generate", "--static", "--no-compile")
    folder = settings.pages_folder / "dictionary"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    shutil.copyfile(settings.dbt_target / "static_index.html", page)
    return page


# --- publications --------------------------------------------------------------------------------


def publish(
    mart: str,
    *,
    region: str,
    period: str,
    by: str,
    is_proven: bool = True,
    tell: Callable[[str], None] = logger.info,
) -> int:
    """Freeze the rows of a mart; the number of the publication."""
    from stack import publication

    settings = get_settings()
    if region not in region_codes():
        known = ", ".join(sorted(region_codes()))
        raise PipelineError(f"There is no region '{region}'; there are {known}.")
    return publication.publish(
        warehouse_of(settings),
        DBT_PROJECT,
        _dbt_runner(settings),
        mart=mart,
        region=region,
        period=period,
        by=by,
        is_proven=is_proven,
        tell=tell,
    )


def reproduce(
    number: int, *, keep: bool = False, tell: Callable[[str], None] = logger.info
) -> Difference | None:
    """Compute a publication again; the first cell that differs, or None."""
    from stack import publication

    settings = get_settings()
    warehouse = warehouse_of(settings)
    return publication.reproduce(warehouse, number, _dbt_runner(settings), keep=keep, tell=tell)


def _dbt_runner(settings: Settings) -> RunDbt:
    from stack.publication import dbt_runner

    environment = {**os.environ, **dbt_environment(settings)}
    program = settings.platform_python.with_name("dbt")
    return dbt_runner(program, environment, dbt_variables(settings))


# --- quality -------------------------------------------------------------------------------------


def check(stage: str, *, run_id: str) -> dict[str, int]:
    """Great Expectations at `raw` or at `marts`; raises when a critical check fails."""
    from expectations.runner import run
    from expectations.sources import source_tables

    settings = get_settings()
    database_url = warehouse_of(settings).url("transformer")
    outcome = run(
        stage,
        database_url=database_url,
        run_id=run_id,
        known_at=_raw_checked_at(database_url) if stage == "marts" else None,
        # The ledger speaks of every table of raw, whether its source is read today or not.
        sources=source_tables(
            enabled_sources(settings) if stage == "raw" else all_sources(settings)
        ),
    )
    return {"checks": len(outcome.results), "findings": len(outcome.findings)}


def _raw_checked_at(database_url: str) -> datetime | None:
    """When the newest build of the marts began: its first step is the check of raw."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "select max(started_at) from audit.check_runs where stage = 'raw'"
        ).fetchone()
    return found[0] if found else None


def draw_report() -> Path:
    """The quality report from the rows in `audit`, as one HTML page."""
    from expectations.report import render

    settings = get_settings()
    return render(warehouse_of(settings).url("auditor"), settings.pages_folder / "quality")


# --- dashboards ----------------------------------------------------------------------------------


def synchronise_superset() -> None:
    """Assets, roles, logins and row-level security as the repository declares them."""
    from stack.superset_services import run_superset_step

    run_superset_step(get_settings(), "sync")


def verify_superset() -> None:
    """Ask every chart of every dashboard; raises naming the charts that do not answer."""
    from stack.superset_services import run_superset_step

    run_superset_step(get_settings(), "verify")


# --- taking back, erasing, filling ---------------------------------------------------------------


def withdraw_load(
    load_id: int, *, by: str = "", reason: str = "", with_later: bool = False, is_plan: bool
) -> list[dict[str, Any]]:
    """Take a load back, or say what that would change: one dict a load, in their order."""
    from ingestion import withdrawal

    url = warehouse_of(get_settings()).url("loader")
    if is_plan:
        done = withdrawal.plan(url, load_id, with_later=with_later)
    else:
        done = withdrawal.withdraw(url, load_id, by=by, reason=reason, with_later=with_later)
    return [load.as_dict() for load in done]


def erase_person(
    identities: Iterable[tuple[str, str]], *, by: str = "", reason: str = "", is_plan: bool
) -> dict[str, Any]:
    """Erase a person known by (kind, value), or say what would be erased; counts only."""
    from ingestion import erasure

    settings = get_settings()
    warehouse = warehouse_of(settings)
    wanted = [erasure.Identity(kind, value) for kind, value in identities]
    where: dict[str, Any] = {
        "sources": all_sources(settings),
        "loader_url": warehouse.url("loader"),
        "transformer_url": warehouse.url("transformer"),
        "vault_key": settings.credentials.vault_key,
    }
    if is_plan:
        return erasure.plan(wanted, **where).as_dict()
    return erasure.erase(wanted, **where, by=by, reason=reason).as_dict()


def plan_backfill(
    source: Source,
    *,
    first: date,
    last: date,
    region: str | None = None,
    step_days: int | None = None,
    is_again: bool = False,
) -> BackfillPlan:
    """The windows of a backfill, which of them are left, and what they are expected to cost."""
    from ingestion import backfill

    return backfill.plan(
        source,
        database_url=warehouse_of(get_settings()).url("loader"),
        first=first,
        last=last,
        region=region,
        step_days=step_days,
        is_again=is_again,
    )


def run_backfill(
    plan: BackfillPlan, *, by: str, **how: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Load what is left of a plan: how far it came, and the windows that failed."""
    from ingestion import backfill

    settings = get_settings()
    url = warehouse_of(settings).url("loader")
    result = backfill.run(
        plan, database_url=url, vault_key=settings.credentials.vault_key, by=by, **how
    )
    return result.as_dict(), backfill.failures(url, result.backfill_id)


# --- backup --------------------------------------------------------------------------------------

# What of a home's settings its numbers depend on.
_KEPT_SETTINGS = ("as_of", "data", "sandbox_cases", "sandbox_seed")


def back_up(
    folder: Path, *, with_key: bool, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, Any]:
    """What cannot be made again, in a new folder; the vault in a folder of its own in it."""
    from stack.backup import backup

    settings = get_settings()
    home = {name: getattr(settings, name) for name in _KEPT_SETTINGS}
    copied = backup(
        warehouse_of(settings),
        folder,
        vault_key=settings.credentials.vault_key,
        with_key=with_key,
        home={**home, "as_of": settings.as_of_variable},
        progress=progress,
    )
    return copied.as_dict()


def restore_backup(
    source: Backup,
    *,
    vault_key: str | None,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Fill the empty warehouse of this home; the home takes over the key and what numbers need."""
    from stack.backup import restore
    from stack.credentials import keep_vault_key

    settings = get_settings()
    warehouse = warehouse_of(settings)

    def take_over() -> None:
        settings.keep(**{name: value for name, value in source.home.items() if value})
        if vault_key is not None:
            keep_vault_key(settings.home / "secrets", vault_key)

    copied = restore(
        warehouse, source, vault_key=vault_key, before_filling=take_over, progress=progress
    )
    # What this home's sources promise, so that a build that comes before the next start judges it.
    expect_loads(settings)
    return copied.as_dict()


# --- maintenance ---------------------------------------------------------------------------------


def apply_retention() -> dict[str, int]:
    """Erase what is older than the settings say; returns how much of what. Nothing by default."""
    from ingestion import erasure, withdrawal

    settings = get_settings()
    warehouse = warehouse_of(settings)
    loader_url = warehouse.url("loader")

    def before(days: int) -> datetime:
        return datetime.now(UTC) - timedelta(days=days)

    erased: dict[str, int] = {}
    if settings.text_retention_days is not None:
        erased["texts"] = erasure.expire_texts(
            loader_url=loader_url,
            transformer_url=warehouse.url("transformer"),
            before=before(settings.text_retention_days),
        )
    if settings.quarantine_retention_days is not None:
        erased["quarantine"] = erasure.expire_quarantine(
            loader_url=loader_url, before=before(settings.quarantine_retention_days)
        )
    if settings.vault_retention_days is not None:
        erased["identities"] = erasure.expire_identities(
            loader_url=loader_url, before=before(settings.vault_retention_days)
        )
    with psycopg.connect(loader_url) as connection:
        moment = before(settings.withdrawal_days)
        erased["sightings"] = withdrawal.forget_sightings(connection, moment)
    return erased


def prune() -> dict[str, int]:
    """Delete logs, Airflow's run metadata and results of dbt older than `log_days`; the counts."""
    from stack.dbt_build import forget_results

    settings = get_settings()
    oldest = time.time() - settings.log_days * 86400
    removed = 0
    for folder in (settings.home / "airflow" / "logs", settings.home / "logs"):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
    moment = datetime.now(UTC) - timedelta(days=settings.log_days)
    # Airflow hides the metadata database from its tasks: the command gets the address anew.
    run_logged(
        airflow_command(
            settings,
            *("db", "clean", "--yes", "--skip-archive"),
            *("--clean-before-timestamp", moment.isoformat()),
        ),
        airflow_environment(settings),
        settings.home / "logs" / "airflow-clean.log",
        "Deleting old metadata of Airflow",
    )
    forgotten = forget_results(warehouse_of(settings).url("transformer"), moment)
    return {"log_files": removed, "dbt_results": forgotten}
