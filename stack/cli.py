"""`tsur`: the program of the platform. `make demo` and the other targets only call it."""

from __future__ import annotations

import csv
import getpass
import json
import os
import shlex
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stack.settings import REPOSITORY, Settings, get_settings, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.backfill import Plan as BackfillPlan
    from ingestion.preview import Preview
    from stack.backup import Backup
    from stack.bench.measure import Measure
    from stack.regions.validation import Problem as RegionProblem

app = typer.Typer(
    help="Платформа данных ЦУР / data platform of a regional control centre.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
source_app = typer.Typer(help="Sources as YAML.", no_args_is_help=True)
sandbox_app = typer.Typer(help="The sandbox sources of this home.", no_args_is_help=True)
superset_app = typer.Typer(help="Dashboards as code.", no_args_is_help=True)
register_app = typer.Typer(help="Registers that people keep, as XLSX.", no_args_is_help=True)
bench_app = typer.Typer(help="Ratios measured side by side.", no_args_is_help=True)
load_app = typer.Typer(help="What has been loaded.", no_args_is_help=True)
metrics_app = typer.Typer(help="Metrics of the semantic layer.", no_args_is_help=True)
region_app = typer.Typer(help="Configuration of regions, clause by clause.", no_args_is_help=True)
publication_app = typer.Typer(help="What has been published.", no_args_is_help=True)
official_app = typer.Typer(help="Which blocks an official sees.", no_args_is_help=True)
audit_app = typer.Typer(help="Looks into the vault, on record.", no_args_is_help=True)
app.add_typer(source_app, name="source")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(superset_app, name="superset")
app.add_typer(register_app, name="register")
app.add_typer(load_app, name="load")
app.add_typer(metrics_app, name="metrics")
app.add_typer(region_app, name="region")
app.add_typer(bench_app, name="bench")
app.add_typer(publication_app, name="publication")
app.add_typer(official_app, name="official")
app.add_typer(audit_app, name="audit")

_SLOWEST_SHOWN = 15

console = Console(stderr=True, highlight=False)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Carry it out; otherwise a plan is shown.")]
By = Annotated[str | None, typer.Option(help="Who asks for it; otherwise the user's name.")]
On = Annotated[
    datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], help="What is in force on a day; otherwise today."),
]
AsOf = Annotated[
    list[str] | None,
    typer.Option("--as-of", help="REGION=ISO moment with offset; '*' for all. Repeatable."),
]


def main() -> None:
    """Run the program; an expected failure is one clear message and exit code 1."""
    try:
        app(prog_name="tsur")
    except ValidationError as error:
        console.print("[bold red]Error:[/]", end=" ")
        for problem in error.errors(include_url=False):
            name = ".".join(str(part) for part in problem["loc"])
            console.print(f"TSUR_{name.upper()}: {problem['msg']}", markup=False)
        raise SystemExit(1) from None
    except _expected_errors() as error:
        console.print("[bold red]Error:[/]", end=" ")
        console.print(str(error), markup=False)
        raise SystemExit(1) from None


def _expected_errors() -> tuple[type[Exception], ...]:
    """What a person can mend; anything else is a fault of ours and shows its traceback."""
    import psycopg

    from expectations.runner import CriticalCheckFailed
    from ingestion.errors import IngestionError
    from ingestion.ingest import IngestionFailed

    stopped = (IngestionError, IngestionFailed, CriticalCheckFailed)
    return (RuntimeError, OSError, ValueError, psycopg.Error, *stopped)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _print_table(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """Rows as a table; nothing is cut: cells fold on a terminal, and a pipe gets full lines."""
    output = Console(width=None if sys.stdout.isatty() else 400)
    table = Table(title=title, title_justify="left")
    for heading in rows[0] if rows else []:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    output.print(table)


def _home() -> Settings:
    """The settings of a home that has been started before; a mistyped one is not made."""
    settings = get_settings()
    if not settings.is_started:
        raise RuntimeError(f"{settings.home} is no home of tsur yet. Start one: tsur up")
    # What a load puts aside for a moment stays in the home.
    os.environ["TMPDIR"] = str(temporary_folder(settings))
    tempfile.tempdir = None
    return settings


def _print_counts(title: str, counts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(counts)
        return
    _print_table([{"what": key, "count": value} for key, value in counts.items()], title)


def _warn(text: str) -> None:
    console.print("[bold yellow]Warning:[/]", end=" ")
    console.print(text, markup=False, soft_wrap=True)


def _user() -> str:
    """Who sits at the terminal, for the ledger."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _parse_as_of(values: list[str] | None) -> dict[str, datetime]:
    from stack import pipeline

    parsed = {}
    for value in values or []:
        region, _, moment = value.partition("=")
        if not moment:
            raise typer.BadParameter(f"'{value}' is not REGION=MOMENT", param_hint="--as-of")
        try:
            parsed[region] = datetime.fromisoformat(moment)
        except ValueError:
            hint = f"'{moment}' is no ISO moment with offset, e.g. 2026-11-21T06:00:00+03:00"
            raise typer.BadParameter(hint, param_hint="--as-of") from None
        regions = pipeline.region_codes()
        if region not in {"*", *regions}:
            hint = f"no region '{region}'; there are {', '.join(sorted(regions))}"
            raise typer.BadParameter(hint, param_hint="--as-of")
    return parsed


# --- the stack -----------------------------------------------------------------------------------


@app.command()
def up() -> None:
    """Start the stack and wait until it is healthy. Example: tsur up"""
    from stack import runtime

    settings = get_settings()
    with runtime.exclusive(settings):
        settings = runtime.start(settings, console)
    _print_addresses(settings)


@app.command()
def down(
    remove: Annotated[bool, typer.Option(help="Delete the database as well.")] = False,
) -> None:
    """Stop the stack of this home. Example: tsur down"""
    from stack import runtime

    settings = _home()
    with runtime.exclusive(settings):
        runtime.stop(settings, console, remove=remove)


@app.command()
def status(as_json: Json = False) -> None:
    """What runs, where, how healthy; exit code 1 when something is not. Example: tsur status"""
    from stack import runtime

    settings = _home()
    rows = runtime.state(settings)
    if as_json:
        _print_json(
            {
                "home": str(settings.home),
                "airflow": settings.airflow_url,
                "superset": settings.superset_url,
                "pages": settings.pages_url,
                "as_of": settings.as_of_variable,
                "services": rows,
            }
        )
    else:
        _print_table(
            [
                {
                    "service": row["service"],
                    "state": "healthy" if row["is_healthy"] else "not running",
                    "pid": row["pid"],
                    "log": row["log"],
                }
                for row in rows
            ],
            str(settings.home),
        )
        _print_addresses(settings)
    if not rows or not all(row["is_healthy"] for row in rows):
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """The whole line on sandbox sources. Example: make demo"""
    from stack import runtime

    started = datetime.now()
    settings = get_settings()
    with runtime.exclusive(settings):
        if settings.data is not None:
            raise RuntimeError(
                f"{settings.home} holds real files ({settings.data}); its command is demo-real. "
                "Set TSUR_HOME for a sandbox."
            )
        settings = _demonstrate(settings)
    _print_end(settings, started)


@app.command("demo-real")
def demo_real(
    data: Annotated[Path, typer.Option(help="Folder with the layout of the real data set.")],
) -> None:
    """The whole line on real files, without the sandbox. Example: make demo-real DATA=folder"""
    from stack import pipeline, runtime

    given = data.expanduser().resolve()
    missing = pipeline.missing_files(given)
    if missing:
        hint = f"{given} has not the layout of the real data set; missing: {', '.join(missing)}"
        raise typer.BadParameter(hint, param_hint="--data")
    started = datetime.now()
    settings = get_settings()
    with runtime.exclusive(settings):
        held = settings.data or ("the sandbox" if settings.is_started else given)
        if held != given:
            raise RuntimeError(
                f"{settings.home} holds {held}. Set TSUR_HOME for another home, or delete this "
                f"one: TSUR_HOME={shlex.quote(str(settings.home))} make clean"
            )
        # Boston's register was taken on this morning; the city's own verdicts are of that moment.
        as_of = {"boston": datetime.fromisoformat("2016-01-13T08:00:00-05:00"), **settings.as_of}
        is_moved = settings.is_started or "TSUR_PORT_BASE" in os.environ
        settings.keep(
            data=str(given),
            # Beside the sandbox's home, whose ports are the default ones.
            port_base=settings.port_base if is_moved else 18100,
            as_of={region: moment.isoformat() for region, moment in as_of.items()},
        )
        settings = _demonstrate(get_settings())
    _print_end(settings, started)


def _demonstrate(settings: Settings) -> Settings:
    from stack import demo as line
    from stack import pipeline, runtime

    settings = runtime.start(settings, console)
    line.run_line(settings, console)
    with runtime.step(console, "every chart of every dashboard answers"):
        pipeline.verify_superset()
    return settings


def _print_end(settings: Settings, started: datetime) -> None:
    console.print(f"\n[bold green]Done in {(datetime.now() - started).total_seconds():.0f} s.[/]")
    _print_addresses(settings)


def _print_addresses(settings: Settings) -> None:
    home = settings.home
    is_default = home == REPOSITORY / ".tsur"
    prefix = "" if is_default else f"TSUR_HOME={shlex.quote(str(home))} "
    rows = [
        ("Superset (панели)", f"{settings.superset_url}/superset/dashboard/overview/"),
        ("Airflow (загрузки)", settings.airflow_url),
        ("Отчёт о качестве", f"{settings.pages_url}/quality/"),
        ("Словарь данных", f"{settings.pages_url}/dictionary/"),
        ("Логины и пароли", str(home / "secrets" / "credentials.json")),
        ("Журналы", str(home / "logs")),
        ("Запрос к витринам", f"{prefix}./tsur sql 'table marts.dim_regions'"),
        ("Остановить", f"{prefix}./tsur down"),
    ]
    for name, value in rows:
        console.print(f"[bold]{name:20}[/]", end="")
        # One line each, however narrow the terminal: they are there to be copied.
        console.print(value, soft_wrap=True, markup=False)


# --- steps of the line ---------------------------------------------------------------------------


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="Source code, or the path of its YAML.")],
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Excluded.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="One region; otherwise all.")] = None,
    files: Annotated[
        Path | None,
        typer.Option("--file", help="A dropped file or folder in place of the endpoint."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Load one source, one window. Example: tsur ingest pos --from 2026-01-01 --to 2026-02-01"""
    from ingestion.ingest import IngestionFailed
    from stack import pipeline

    if (first is None) != (last is None):
        raise typer.BadParameter("give both --from and --to, or neither")
    if files is not None and (region is None or not files.exists()):
        hint = "give --region too" if region is None else f"{files} is not there"
        raise typer.BadParameter(hint, param_hint="--file")
    _home()
    declared = pipeline.find_source(source)
    window = (first.date(), last.date()) if first and last else None
    with _bar() as bar:
        task = bar.add_task(declared.code, total=None)

        def progress(what: str, rows: int) -> None:
            bar.update(task, description=what, completed=rows)

        try:
            counts = pipeline.ingest_source(
                declared,
                region=region,
                window=window,
                files=files,
                run_id=f"manual {datetime.now().astimezone().isoformat(timespec='seconds')}",
                progress=progress,
                warn=_warn,
            )
        except IngestionFailed as error:
            # What landed beside it is told too.
            bar.stop()
            _print_counts(f"Load of {declared.code}", pipeline.counts_of(error.loads), as_json)
            raise
    _print_counts(f"Load of {declared.code}", counts, as_json)


@app.command()
def replay(
    load: Annotated[int | None, typer.Option(help="One load; otherwise all.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only this one: its code, or the path of its YAML. Repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Quarantined records again, after a fix. Example: tsur replay --load 12"""
    from stack import pipeline

    _home()
    chosen = [pipeline.find_source(name) for name in source] if source else None
    done = pipeline.replay_quarantine(load, chosen)
    if as_json:
        _print_json({**done.as_dict(), "skipped": [asdict(one) for one in done.skipped]})
        return
    _print_counts("Replay", done.as_dict(), False)
    for one in done.skipped:
        told = {
            "source": "no YAML under ingestion/sources has this name: give the path of its YAML, "
            f"./tsur replay --source PATH/{one.source_code}.yml",
            "entity": f"its YAML has no entity {one.entity} (any more)",
            "region": f"its YAML has no region {one.region_code} (any more)",
        }[one.undeclared]
        place = f"{one.source_code} {one.entity} {one.region_code}"
        console.print(f"Not tried: {one.entries} of {place}; {told}", markup=False, soft_wrap=True)


@app.command()
def enrich(as_json: Json = False) -> None:
    """NLP on every text that has no current enrichment. Example: tsur enrich"""
    from stack import pipeline

    _home()
    with _bar() as bar:
        task = bar.add_task("texts", total=None)
        counts = pipeline.enrich_texts(
            progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    _print_counts("Enrichment", counts, as_json)


@app.command()
def build(
    select: Annotated[list[str] | None, typer.Option(help="dbt selection. Repeatable.")] = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh")] = False,
    as_of: AsOf = None,
    last: Annotated[
        bool, typer.Option("--last", help="Build nothing; show what the newest run did.")
    ] = False,
    as_json: Json = False,
) -> None:
    """dbt: seeds, models, tests. Example: tsur build --select mart_agency_rating"""
    from stack import pipeline

    _home()
    if last:
        rows = pipeline.last_build()
        if as_json:
            _print_json(rows)
        else:
            _print_build(rows)
        return
    if as_json:
        raise typer.BadParameter("with --last", param_hint="--json")
    pipeline.build_models(
        *(select or []), full_refresh=full_refresh, as_of=_parse_as_of(as_of) or None
    )


def _print_build(rows: list[dict[str, Any]]) -> None:
    """All that is not well, and the slowest nodes."""
    if not rows:
        console.print("dbt has built nothing in this home yet.")
        return
    first, well = rows[0], {"success", "pass", "no-op"}
    shown = [row for row in rows if row["status"] not in well]
    shown += [row for row in rows if row["status"] in well][:_SLOWEST_SHOWN]
    counts = Counter(row["status"] for row in rows)
    summary = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    started = first["run_started_at"].astimezone()
    _print_table(
        [
            {
                "status": row["status"],
                "node": f"{row['resource_type']} {row['name']}",
                "seconds": row["seconds"],
                "rows": row["rows_affected"],
                "message": row["message"],
            }
            for row in shown
        ],
        f"{first['airflow_run_id'] or 'tsur build'}, {started:%Y-%m-%d %H:%M:%S}: {summary}",
    )


@app.command()
def check(
    stage: Annotated[str, typer.Option("--suite", help="raw or marts; otherwise both.")] = "",
    as_json: Json = False,
) -> None:
    """Great Expectations: results to `audit`, then the report. Example: tsur check --suite raw"""
    from stack import pipeline

    if stage not in {"", "raw", "marts"}:
        raise typer.BadParameter("raw or marts", param_hint="--suite")
    _home()
    run_id = f"manual {datetime.now().astimezone().isoformat(timespec='seconds')}"
    try:
        for one in [stage] if stage else ["raw", "marts"]:
            _print_counts(f"Checks of {one}", pipeline.check(one, run_id=run_id), as_json)
    finally:
        console.print(f"Отчёт: {pipeline.draw_report()}")


@app.command()
def publish(
    mart: Annotated[str, typer.Argument(help="A mart, e.g. mart_agency_rating.")],
    region: Annotated[str, typer.Option(help="Region code.")],
    period: Annotated[str, typer.Option(help="2026-03, 2026-Q1, 2026-W07, 2026, a day, or all.")],
    proof: Annotated[
        bool, typer.Option("--proof/--no-proof", help="First compute it again from raw.")
    ] = True,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Freeze the values of a mart, with all that they follow from.

    Example: tsur publish mart_agency_rating --region tambov --period 2026-Q1
    """
    from stack import pipeline

    _home()
    number = pipeline.publish(
        mart, region=region, period=period, by=by or _user(), is_proven=proof, tell=_tell
    )
    if as_json:
        _print_json({"publication_id": number})
    else:
        typer.echo(f"Publication {number}. To compute it again: tsur reproduce {number}")


@app.command()
def reproduce(
    publication: Annotated[int, typer.Argument(help="Its number (tsur publication list).")],
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the database that it was built in.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute a publication again from raw as it was known; exit code 1 when a cell differs.

    Example: tsur reproduce 12
    """
    from stack import pipeline

    _home()
    difference = pipeline.reproduce(publication, keep=keep, tell=_tell)
    if as_json:
        told = None if difference is None else asdict(difference)
        _print_json({"publication_id": publication, "difference": told})
    elif difference is None:
        typer.echo(f"Publication {publication}: equal to the last digit.")
    else:
        typer.echo(f"Publication {publication} differs first at {difference}")
    if difference is not None:
        raise typer.Exit(1)


def _tell(text: str) -> None:
    console.print(f"· {text}", markup=False)


@publication_app.command("list")
def publication_list(as_json: Json = False) -> None:
    """Every publication, the newest first. Example: tsur publication list"""
    from stack.airflow_services import warehouse_of
    from stack.publication import publications

    rows = publications(warehouse_of(_home()).url("auditor"))
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One statement.")],
    role: Annotated[str, typer.Option(help="analyst, official, governor or auditor.")] = "analyst",
    login: Annotated[
        str, typer.Option(help="Whose blocks: of an official (tsur official list).")
    ] = "official",
    as_csv: Annotated[bool, typer.Option("--csv", help="A header line, then the rows.")] = False,
    as_json: Json = False,
) -> None:
    """A query on the warehouse. Example: tsur sql --csv "table marts.dim_regions"."""
    _print_rows(*_asked(_home(), query, role, login), as_csv=as_csv, as_json=as_json)


def _asked(
    settings: Settings, query: str, role: str, login: str = "official"
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows that one statement gives to a reader of the warehouse.

    `login` says whose blocks the role of an official sees.
    """
    import psycopg

    from stack.airflow_services import warehouse_of

    readers = ("analyst", "official", "governor", "auditor")
    if role not in readers:
        raise typer.BadParameter(", ".join(readers), param_hint="--role")
    try:
        with psycopg.connect(warehouse_of(settings).url(role), connect_timeout=5) as connection:
            connection.read_only = True
            connection.execute("select set_config('tsur.login', %s, false)", [login])
            cursor = connection.execute(query.encode())
            names = [column.name for column in cursor.description or []]
            rows = cursor.fetchall() if cursor.description else []
            if cursor.nextset():
                raise typer.BadParameter("one statement at a time", param_hint="query")
    except psycopg.OperationalError as error:
        raise RuntimeError(
            f"The warehouse of {settings.home} does not answer ({str(error).splitlines()[0]}). "
            "Start it (tsur up), or see what runs on its port (tsur status)."
        ) from None
    except psycopg.Error as error:
        raise RuntimeError(str(error).strip()) from None
    return names, rows


def _print_rows(
    names: list[str], rows: list[tuple[Any, ...]], *, as_csv: bool, as_json: bool
) -> None:
    if as_csv and not as_json:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
        return
    named = [dict(zip(names, row, strict=True)) for row in rows]
    if as_json:
        _print_json(named)
    else:
        _print_table(named)


@metrics_app.command("list")
def metrics_list(
    about: Annotated[
        str, typer.Argument(help="A part of a metric's name, of its label or of its mart.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Metrics by mart, and what they may be grouped by. Example: tsur metrics list mart_votes"""
    from stack.metrics import SemanticLayer

    cards = [
        card
        for card in SemanticLayer(_home().dbt_target).cards()
        if about.casefold() in " ".join((card.name, card.label, card.subject, card.mart)).casefold()
    ]
    if as_json:
        _print_json([asdict(card) for card in cards])
        return
    if not cards:
        raise typer.BadParameter("no metric of such a name, label or mart", param_hint="about")
    # One table a subject, its groupings once: metrics of a subject read the same rows.
    groups: dict[tuple[str, str, tuple[str, ...]], list[dict[str, Any]]] = {}
    for card in sorted(cards, key=lambda card: (card.mart, card.subject, card.name)):
        group = groups.setdefault((card.mart, card.subject, card.group_by), [])
        group.append({"metric": card.name, "название": card.label})
    for (mart, subject, group_by), rows in groups.items():
        _print_table(rows, f"{subject} ({mart})")
        typer.echo(f"группировки: {', '.join(group_by)}\n")


@metrics_app.command("query")
def metrics_query(
    metrics: Annotated[list[str], typer.Argument(help="Names of metrics.")],
    by: Annotated[list[str] | None, typer.Option(help="What to group by. Repeatable.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition in MetricFlow's words. Repeatable.")
    ] = None,
    role: Annotated[str, typer.Option(help="analyst, official or auditor.")] = "analyst",
    show_sql: Annotated[bool, typer.Option("--sql", help="Print the statement alone.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A header line, then the rows.")] = False,
    as_json: Json = False,
) -> None:
    """Metrics, each by its one definition. Example: tsur metrics query appeals --by region"""
    from stack.metrics import SemanticLayer

    settings = _home()
    statement = SemanticLayer(settings.dbt_target).sql(
        metrics, group_by=by or [], where=where or []
    )
    if show_sql:
        typer.echo(statement)
    else:
        _print_rows(*_asked(settings, statement, role), as_csv=as_csv, as_json=as_json)


# --- sources, sandbox, dashboards ----------------------------------------------------------------


@source_app.command("list")
def source_list(as_json: Json = False) -> None:
    """Every source: kind, regions, owner, whether this home reads it. Example: tsur source list"""
    from stack import pipeline

    rows = [
        {
            "source_code": source.code,
            "kind": source.kind,
            "regions": [region.code for region in source.regions],
            "owner": source.owner,
            "schedule": source.schedule,
            "is_enabled": source.is_enabled,
        }
        for source in pipeline.all_sources()
    ]
    if as_json:
        _print_json(rows)
        return
    _print_table(rows)


@source_app.command("validate")
def source_validate(
    path: Annotated[Path | None, typer.Argument(help="One YAML; otherwise all.")] = None,
) -> None:
    """Check YAMLs; names the file, the field and what to do. Example: tsur source validate"""
    from ingestion.source import load_source
    from stack import pipeline

    paths = [path] if path else sorted(pipeline.SOURCES_FOLDER.glob("*.yml"))
    for one in paths:
        load_source(one, {})
        console.print(f"[green]✓[/] {one.name}")


@source_app.command("preview")
def source_preview(
    source: Annotated[str, typer.Argument(help="Source code, or the path of its YAML.")],
    region: Annotated[str | None, typer.Option(help="Otherwise the first one.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Excluded.")
    ] = None,
    files: Annotated[
        Path | None, typer.Option("--file", help="A file or folder in place of the endpoint.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Records of each kind.")] = 3,
    as_json: Json = False,
) -> None:
    """First records as they would land; nothing is written. Example: tsur source preview pos"""
    from stack import pipeline

    if (first is None) != (last is None):
        raise typer.BadParameter("give both --from and --to, or neither")
    _home()
    declared = pipeline.find_source(source)
    window = (first.date(), last.date()) if first and last else None
    if window is None and declared.window is not None and files is None:
        today = datetime.now().astimezone().date()
        window = (today - timedelta(days=declared.window.days), today + timedelta(days=1))
    previews = pipeline.preview_source(declared, region, window, files, limit)
    if as_json:
        _print_json([asdict(one) for one in previews])
    else:
        for one in previews:
            _print_preview(one)
    if any(one.refused for one in previews):
        raise typer.Exit(1)


def _print_preview(preview: Preview) -> None:
    told = ", ".join(f"{name}: {value}" for name, value in preview.found.items())
    console.print(f"[bold]{preview.entity}[/] {preview.delivery or ''} {told}", soft_wrap=True)
    for record in preview.records:
        _print_table(
            [
                {"field": name, "value": str(value).replace("\n", " ")[:100]}
                for name, value in record.items()
            ]
        )
    if preview.unknown:
        console.print(f"Not in the YAML: {', '.join(preview.unknown)}", markup=False)
    for reason in preview.refused:
        console.print(f"✗ {reason}", style="red", markup=False)
    for reason in preview.not_read:
        _warn(reason)
    if not preview.records and not preview.refused:
        console.print("No records in this window: try --from and --to.")


@register_app.command("list")
def register_list(as_json: Json = False) -> None:
    """Registers that people keep, and who asks for them. Example: tsur register list"""
    from stack import pipeline

    rows: list[dict[str, Any]] = []
    for source in pipeline.registers():
        for entity in source.entities.values():
            if entity.template is not None:
                rows.append(
                    {
                        "register": source.code,
                        "title": entity.template.title,
                        "regions": [region.code for region in source.regions],
                        "clauses": entity.template.clauses,
                    }
                )
    if as_json:
        _print_json(rows)
        return
    _print_table(
        [
            {
                **row,
                "regions": ", ".join(row["regions"]),
                "clauses": "; ".join(f"{code} {clause}" for code, clause in row["clauses"].items()),
            }
            for row in rows
        ]
    )


@register_app.command("template")
def register_template(
    name: Annotated[str, typer.Argument(help="Register, or the path of its YAML.")],
    region: Annotated[
        str | None, typer.Option(help="Whose bodies and places the lists hold; otherwise all.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The XLSX to write.")] = None,
) -> None:
    """An XLSX to fill in. Example: tsur register template measures --region tambov"""
    from stack import pipeline

    path = pipeline.write_register_template(name, region=region, output=output)
    typer.echo(str(path))
    console.print("Заполненный файл проверьте:", end=" ")
    console.print(f"tsur register check {name} {shlex.quote(str(path))}", markup=False)


@register_app.command("check")
def register_check(
    name: Annotated[str, typer.Argument(help="Register, or the path of its YAML.")],
    file: Annotated[Path, typer.Argument(help="The returned XLSX.", exists=True, dir_okay=False)],
    region: Annotated[
        str | None, typer.Option(help="Otherwise the one that the template was made for.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where the marked copy goes.")] = None,
    as_json: Json = False,
) -> None:
    """A returned file, whole; exit code 1 and a marked copy when something is wrong.

    Example: tsur register check measures measures-tambov.xlsx
    """
    from stack import pipeline

    found, marked = pipeline.check_register(name, file, region=region, output=output)
    if as_json:
        # Places and kinds only: what stands in the cells may be personal.
        _print_json(
            {
                "register": found.register,
                "region": found.region,
                "rows": found.rows,
                "marked": None if marked is None else str(marked),
                "problems": [
                    {"row": one.row, "column": one.column, "code": one.code, "kind": one.kind}
                    for one in found.problems
                ],
            }
        )
    elif marked is None:
        target = found.region or "РЕГИОН"
        typer.echo(f"Ошибок нет, записей: {found.rows}. Загрузить:")
        typer.echo(f"tsur ingest {name} --region {target} --file {shlex.quote(str(file))}")
    else:
        _print_table(_by_kind(found.problems), f"Записей: {found.rows}")
        typer.echo(f"Ячейки отмечены, причины в столбце «Что исправить»: {marked}")
    if found.problems:
        raise typer.Exit(1)


def _by_kind(problems: list[Any]) -> list[dict[str, Any]]:
    """Problems by column and kind, with the first rows of each."""
    rows: dict[tuple[str, str], list[int]] = {}
    for one in problems:
        rows.setdefault((one.column or "", one.kind), []).append(one.row)
    return [
        {
            "столбец": column,
            "что не так": kind,
            "сколько": len(found),
            "строки": ", ".join(str(row) for row in found[:10]) + (" …" if found[10:] else ""),
        }
        for (column, kind), found in rows.items()
    ]


@sandbox_app.command("truth")
def sandbox_truth(
    output: Annotated[Path, typer.Option(help="Folder for the JSON Lines files.")],
) -> None:
    """What the sandbox of this home has made. Example: tsur sandbox truth --output truth"""
    _sandbox("truth", "--output", str(output))


@sandbox_app.command("files")
def sandbox_files(
    output: Annotated[Path, typer.Option(help="Folder for the exports, a folder a source.")],
    region: Annotated[str | None, typer.Option(help="One region; otherwise all.")] = None,
    cases: Annotated[
        int | None, typer.Option(min=1, help="Size of the world; otherwise that of the sandbox.")
    ] = None,
) -> None:
    """Exports as people bring them, and their variables. Example: tsur sandbox files --output x"""
    # The last of two equal options counts.
    size = [] if cases is None else ["--cases", str(cases)]
    _sandbox("files", "--output", str(output), *size, *(["--region", region] if region else []))


def _sandbox(*arguments: str) -> None:
    """A command of the sandbox on the world of this home."""
    import subprocess

    from stack.runtime import sandbox_arguments

    name, *options = arguments
    command = [sys.executable, "-m", "ingestion.sandbox", name, *sandbox_arguments(_home())]
    done = subprocess.run([*command, *options], check=False)
    if done.returncode != 0:
        # The process has said why.
        raise typer.Exit(done.returncode)


@superset_app.command("sync")
def superset_sync() -> None:
    """Dashboards, roles and row-level security as declared. Example: tsur superset sync"""
    from stack import pipeline, runtime

    _home()
    with runtime.step(console, "Superset: sync"):
        pipeline.synchronise_superset()
    with runtime.step(console, "Superset: every chart answers"):
        pipeline.verify_superset()


@load_app.command("list")
def load_list(
    last: Annotated[int, typer.Option(help="How many, the newest first.")] = 20,
    source: Annotated[
        str | None, typer.Option(help="One source, also one whose YAML is elsewhere or gone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The newest loads with their counts. Example: tsur load list --last 5"""
    columns = (
        "load_id, source_code, entity, region_code, outcome, rows_read, rows_landed, "
        "rows_unchanged, rows_quarantined, rows_tombstoned, started_at::timestamp(0) as "
        "started_at, file_name, error_class, withdrawn_at::timestamp(0) as withdrawn_at, "
        "withdrawn_reason"
    )
    chosen = ""
    if source is not None:
        from psycopg.sql import Literal

        from stack import pipeline

        _home()
        code = Path(source).stem if source.endswith((".yml", ".yaml")) else source
        loaded = pipeline.loaded_sources()
        if code not in loaded:
            hint = (
                f"the ledger has no load of '{code}'; it has {', '.join(loaded) or 'none at all'}"
            )
            raise typer.BadParameter(hint, param_hint="--source")
        chosen = f"where source_code = {Literal(code).as_string(None)}"
    query = f"select {columns} from ops.loads {chosen} order by load_id desc limit {last:d}"  # noqa: S608
    sql(query, role="auditor", as_json=as_json)


@load_app.command("withdraw")
def load_withdraw(
    load: Annotated[int, typer.Argument(help="Number of the load (tsur load list).")],
    reason: Annotated[str, typer.Option(help="Why; stays in the ledger.")] = "",
    with_later: Annotated[
        bool, typer.Option("--with-later", help="Also the later loads that depend on it.")
    ] = False,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """A wrong load is taken back. Example: tsur load withdraw 12 --reason "wrong region" --yes"""
    from stack import pipeline

    _home()
    if yes and not reason.strip():
        raise typer.BadParameter("say why the load is withdrawn", param_hint="--reason")
    loads = pipeline.withdraw_load(
        load, by=by or _user(), reason=reason, with_later=with_later, is_plan=not yes
    )
    if as_json:
        _print_json({"is_done": yes, "loads": loads})
        return
    _print_table(loads, "Withdrawn" if yes else "Plan: nothing has been changed")
    if not yes:
        console.print("To carry it out, add --reason and --yes.")
        return
    console.print("The rows are kept in ops.withdrawn_rows. The marts follow at the next build:")
    console.print("trigger the DAG warehouse, or: tsur build")
    for one in loads[:-1]:
        console.print(f"Load again: {_again(one)}", markup=False)


def _again(load: dict[str, Any]) -> str:
    """The command that loads what a withdrawn load had brought."""
    command = f"tsur ingest {load['source_code']} --region {load['region_code']}"
    if load["window_from"] is not None:
        days = f"{load['window_from']:%Y-%m-%d} --to {load['window_to']:%Y-%m-%d}"
        return f"{command} --from {days}"
    return f"{command}  # {load['file_name'] or 'all'}"


# --- who sees what -------------------------------------------------------------------------------


def _owner_url() -> str:
    from stack.airflow_services import warehouse_of

    return warehouse_of(_home()).url("owner")


@official_app.command("list")
def official_list(as_json: Json = False) -> None:
    """Which login sees which block, also of the past. Example: tsur official list"""
    from stack.access import officials

    rows = officials(_owner_url())
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


@official_app.command("grant")
def official_grant(
    login: Annotated[str, typer.Argument(help="As in Superset, or a login of the database.")],
    region: Annotated[str, typer.Option(help="Region code; '*' for all.")] = "*",
    block: Annotated[str, typer.Option(help="Block code; '*' for all of the region.")] = "*",
    by: By = None,
) -> None:
    """A login sees a block. Example: tsur official grant ivanova --region tambov --block HEALTH"""
    from stack import pipeline
    from stack.access import show_block

    for code, known, hint in (
        (region, pipeline.region_codes(), "--region"),
        (block, pipeline.block_codes(), "--block"),
    ):
        if code not in {"*", *known}:
            raise typer.BadParameter(
                f"no '{code}'; there are {', '.join(sorted(known))}", param_hint=hint
            )
    if region == "*" and block != "*":
        raise typer.BadParameter("a block belongs to a region: name it", param_hint="--region")
    is_new = show_block(_owner_url(), login, region=region, block=block, by=by or _user())
    console.print(f"{login} {'sees' if is_new else 'saw already'}: {region} {block}", markup=False)


@official_app.command("revoke")
def official_revoke(
    login: Annotated[str, typer.Argument(help="As in tsur official list.")],
    region: Annotated[str | None, typer.Option(help="Otherwise all.")] = None,
    block: Annotated[str | None, typer.Option(help="Otherwise all.")] = None,
    by: By = None,
) -> None:
    """A login no longer sees a block. Example: tsur official revoke ivanova --region tambov"""
    from stack.access import hide_block

    ended = hide_block(_owner_url(), login, region=region, block=block, by=by or _user())
    if not ended:
        raise RuntimeError(f"'{login}' has no such grant. See: tsur official list")
    console.print(f"{login}: {ended} ended", markup=False)


@audit_app.command("grant")
def audit_grant(
    login: Annotated[str, typer.Argument(help="tsur_auditor, or a member of it.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="How long it lasts.")] = 4,
    by: By = None,
    as_json: Json = False,
) -> None:
    """An auditor may look into the vault for a time.

    Example: tsur audit grant tsur_auditor --hours 4 --reason "check 12"
    """
    from stack.access import grant_vault

    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    granted = grant_vault(
        _owner_url(), login, lasting=timedelta(hours=hours), reason=reason, by=by or _user()
    )
    if as_json:
        _print_json(granted)
    else:
        _print_table([granted])


@audit_app.command("revoke")
def audit_revoke(
    login: Annotated[str, typer.Argument(help="As in tsur audit grant.")], by: By = None
) -> None:
    """The auditor's time ends now. Example: tsur audit revoke tsur_auditor"""
    from stack.access import revoke_vault

    console.print(f"{revoke_vault(_owner_url(), login, by=by or _user())} ended")


@audit_app.command("look")
def audit_look(
    pseudonyms: Annotated[list[str], typer.Argument(help="p_… of payloads and marts.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    as_json: Json = False,
) -> None:
    """Who is behind a pseudonym, by a grant in force; every look is on record.

    Example: tsur audit look p_0a1b… --reason "check 12, case 7"
    """
    from stack.access import look
    from stack.airflow_services import warehouse_of

    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    settings = _home()
    found = look(
        warehouse_of(settings).url("auditor"),
        pseudonyms,
        reason=reason,
        vault_key=settings.credentials.vault_key,
    )
    rows = [asdict(one) for one in found]
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


@audit_app.command("looks")
def audit_looks(as_json: Json = False) -> None:
    """Every look into the vault, the newest first. Example: tsur audit looks"""
    from stack.access import looks
    from stack.airflow_services import warehouse_of

    rows = looks(warehouse_of(_home()).url("auditor"))
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


# --- filling, erasing, keeping -------------------------------------------------------------------


@app.command()
def backfill(
    source: Annotated[str, typer.Argument(help="Source code, or the path of its YAML.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"])],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Excluded.")],
    region: Annotated[str | None, typer.Option(help="One region; otherwise all.")] = None,
    step: Annotated[
        int | None, typer.Option(min=1, help="Days a window; otherwise what the source allows.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also windows that were loaded before.")
    ] = False,
    max_calls: Annotated[
        int | None,
        typer.Option(min=0, help="No window that would exceed so many calls; go on another day."),
    ] = None,
    stop_on_error: Annotated[bool, typer.Option("--stop-on-error")] = False,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Fill history; plan first. Example: tsur backfill pos --from 2024-01-01 --to 2025-01-01"""
    from stack import pipeline

    _home()
    plan = pipeline.plan_backfill(
        pipeline.find_source(source),
        first=first.date(),
        last=last.date(),
        region=region,
        step_days=step,
        is_again=again,
    )
    if not yes or not plan.left:
        if as_json:
            windows = [asdict(window) for window in plan.windows]
            _print_json({"is_done": False, **plan.as_dict(), "windows_planned": windows})
        else:
            _print_backfill_plan(plan)
        return
    with _bar() as bar:
        windows_task = bar.add_task("windows", total=len(plan.windows))
        rows_task = bar.add_task("rows", total=None)
        result, failed = pipeline.run_backfill(
            plan,
            by=by or _user(),
            max_calls=max_calls,
            stop_on_error=stop_on_error,
            progress=lambda over, total, what: bar.update(
                windows_task, completed=over, total=total, description=f"windows {what}"
            ),
            rows_progress=lambda what, rows: bar.update(
                rows_task, completed=rows, description=what
            ),
        )
    if as_json:
        _print_json({"is_done": result["left"] == 0, **result, "failures": failed})
    else:
        _print_counts(f"Backfill {result['backfill_id']} of {plan.source.code}", result, False)
        if failed:
            _print_table(failed, "Windows that failed")
        if result["left"]:
            console.print("Give the same command again to go on with what is left.")
        else:
            console.print("The marts follow at the next build: trigger the DAG warehouse.")
    if result["failed"]:
        raise typer.Exit(1)


def _print_backfill_plan(plan: BackfillPlan) -> None:
    told = plan.as_dict()
    _print_table(
        [
            {
                "region": window.region_code,
                "from": f"{window.start:%Y-%m-%d}",
                "to": f"{window.end:%Y-%m-%d}",
                "state": window.state,
                "expected_calls": window.expected_calls,
                "expected_rows": window.expected_rows,
            }
            for window in plan.windows
        ],
        f"Plan of {plan.source.code}: nothing has been asked yet",
    )
    basis = {
        "history": "calls a day of its loads so far",
        "pages": "at least: it has never been loaded by windows",
    }
    console.print(
        f"{told['windows_left']} of {told['windows']} windows are left, "
        f"{told['windows_skipped']} were loaded before (--again reads them too). "
        f"Expected calls: {told['expected_calls']} ({basis[plan.basis]})."
    )
    console.print("New and changed records land; what is known and unchanged stays as it is.")
    if plan.vanishing:
        console.print(
            f"Records that a window no longer lists become tombstones: {', '.join(plan.vanishing)}."
        )
    if plan.backfill_id is not None:
        console.print(f"Goes on with backfill {plan.backfill_id}, which was not finished.")
    if plan.left:
        console.print("To carry it out, add --yes.")


@app.command()
def erase(
    phone: Annotated[list[str] | None, typer.Option(help="Repeatable, like all below.")] = None,
    email: Annotated[list[str] | None, typer.Option()] = None,
    person: Annotated[list[str] | None, typer.Option(help="Name; all who bear it.")] = None,
    account: Annotated[list[str] | None, typer.Option(help="Number in a network.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="СНИЛС, passport.")] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Lines such as `phone: +7…`: no process list shows it.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; stays in the trace. No names.")] = "",
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """A person is erased; a plan first. Example: tsur erase --stdin --reason "request 17" --yes"""
    from stack import pipeline

    _home()
    if yes and not reason.strip():
        raise typer.BadParameter("say on what grounds, without names", param_hint="--reason")
    options = {
        "phone": phone,
        "email": email,
        "person": person,
        "account": account,
        "document": document,
    }
    given = [(kind, value) for kind, values in options.items() for value in values or []]
    if stdin:
        given += _identities_of(sys.stdin.read())
    elif not given and sys.stdin.isatty():
        answers = [(kind, typer.prompt(kind, default="", show_default=False)) for kind in options]
        given = [(kind, value) for kind, value in answers if value.strip()]
    counts = pipeline.erase_person(given, by=by or _user(), reason=reason, is_plan=not yes)
    if as_json:
        _print_json({"is_done": yes, **counts})
        return
    _print_counts("Erased" if yes else "Plan: nothing has been changed", counts, False)
    if counts["whole_files"]:
        console.print(
            "Whole files in quarantine hold the person: their bytes go with the rest of them. "
            "tsur replay first, if the rest is needed."
        )
    if counts["unsearched"]:
        console.print(
            "Entries of ops.quarantine that cannot be searched (broken or too large files): "
            f"{counts['unsearched']}. Ask for the files again, then load them."
        )
    if yes:
        console.print("The marts follow at the next build; older backups still hold the person.")
    else:
        console.print("To carry it out, add --reason and --yes.")


def _identities_of(text: str) -> list[tuple[str, str]]:
    """Lines `kind: value`. The message of a wrong one does not repeat what it holds."""
    given = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        kind, colon, value = line.partition(":")
        if not colon:
            raise typer.BadParameter(
                f"line {number} is not `kind: value`, e.g. phone: +7 911 222-33-44",
                param_hint="--stdin",
            )
        given.append((kind.strip(), value.strip()))
    return given


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Also the vault key, in a file of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Warehouse and vault, while loads go on. Example: tsur backup /backups/2026-11-21"""
    from stack import pipeline

    _home()
    folder = folder.expanduser().absolute()
    with _bar() as bar:
        task = bar.add_task("tables", total=None)
        counts = pipeline.back_up(
            folder,
            with_key=with_key,
            progress=lambda done, total, table: bar.update(
                task, completed=done, total=total, description=table or "tables"
            ),
        )
    _print_counts(str(folder), counts, as_json)
    key = folder / "key" / "vault.key"
    console.print(f"Keep {folder / 'vault'} apart from the rest.")
    if with_key:
        console.print(
            f"[bold]Move {key} to another place now:[/] whoever has it and the vault reads "
            "every name. Without it nobody does, ever."
        )
    else:
        console.print("The vault key is not in it: keep a copy (docs/runbook.md, Secrets).")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What tsur backup has made.")],
    vault: Annotated[
        Path | None, typer.Option(help="Where its vault is kept, if not in it.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="File of the vault key, if not in it.")] = None,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="The key is lost: see docs/runbook.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A backup into an empty home. Example: TSUR_HOME=~/new tsur restore /backups/2026-11-21"""
    from stack import pipeline, runtime
    from stack.backup import read

    settings = get_settings()
    with runtime.step(console, "every file of the backup has its digest"):
        source = read(folder, vault_folder=vault)
    vault_key = None if without_key else _key_of(source, settings, folder, key)
    with runtime.exclusive(settings):
        postgres = runtime.postgres_of(settings)
        if postgres is not None:
            with runtime.step(console, "PostgreSQL"):
                postgres.start()
        with _bar() as bar:
            task = bar.add_task("tables", total=None)
            counts = pipeline.restore_backup(
                source,
                vault_key=vault_key,
                progress=lambda done, total, table: bar.update(
                    task, completed=done, total=total, description=table or "tables"
                ),
            )
    _print_counts(f"Restored into {settings.home}", counts, as_json)
    console.print("Next: tsur up, then trigger the DAG warehouse: it builds the marts.")


def _key_of(source: Backup, settings: Settings, folder: Path, given: Path | None) -> str:
    """The key that the vault was sealed with: given, in the backup, or the home's own."""
    from stack.backup import KEY_FILE

    beside = folder / KEY_FILE
    path = given or (beside if beside.exists() else None)
    key = path.read_text(encoding="ascii").strip() if path else settings.credentials.vault_key
    if not source.opens_with(key):
        where = str(path) if path else "of this home (no other was given)"
        raise RuntimeError(
            f"The vault key {where} is not the one that the backup was made with. Give it with "
            "--key. If it is lost, --without-key restores all but what only it can open."
        )
    return key


@bench_app.command("ingest")
def bench_ingest(
    part: Annotated[
        list[str] | None, typer.Option(help="copy, xlsx, memory or growth; repeatable.")
    ] = None,
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="Share of the records.")] = 1.0,
    as_json: Json = False,
) -> None:
    """The loader against psql and calamine, on a scratch server. Example: tsur bench ingest"""
    from stack.bench.ingest import PARTS, Sizes, run

    unknown = sorted(set(part or ()) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(PARTS)}")
    settings = get_settings()
    measures = run(
        settings.home, tuple(part or PARTS), Sizes().scaled(scale), lambda text: console.print(text)
    )
    _print_measures(measures, as_json)


@bench_app.command("warehouse")
def bench_warehouse(
    part: Annotated[
        list[str] | None, typer.Option(help="build, extraction, charts or growth; repeatable.")
    ] = None,
    cases: Annotated[int, typer.Option(min=100, help="Of 24 months; growth doubles them.")] = (
        500_000
    ),
    as_json: Json = False,
) -> None:
    """Builds of a warehouse of synthetic cases, on a scratch server. Example: tsur bench warehouse

    The whole takes up to 40 minutes and 33 GB of disk; smaller where the disk is short.
    """
    from stack.bench.warehouse import PARTS, run

    unknown = sorted(set(part or ()) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; there are {', '.join(PARTS)}")

    def told(text: str) -> None:
        # Names of charts have brackets.
        console.print(text, markup=False, soft_wrap=True)

    measures = run(get_settings().home, tuple(part or PARTS), cases, told)
    _print_measures(measures, as_json)


def _print_measures(measures: Sequence[Measure], as_json: bool) -> None:
    """A table of measures and their bounds; exit code 1 if one does not hold."""
    if as_json:
        _print_json({measure.name: measure.as_dict() for measure in measures})
    else:
        _print_table(
            [
                {
                    "measure": measure.name,
                    "value": f"{measure.value:,.{3 if measure.value < 1 else 2}f} {measure.unit}",
                    "bound": f"{'≥' if measure.direction == 'at_least' else '≤'} {measure.bound:g}",
                    "holds": "yes" if measure.holds else "NO",
                }
                for measure in measures
            ]
        )
    if not all(measure.holds for measure in measures):
        raise typer.Exit(1)


# --- regions -------------------------------------------------------------------------------------


def _day(on: datetime | None) -> date:
    return (on or datetime.now().astimezone()).date()


@region_app.command("validate")
def region_validate(
    region: Annotated[str, typer.Argument(help="Its code, or the folder of a new one.")],
    on: On = None,
    as_json: Json = False,
) -> None:
    """What is missing or wrong; exit code 1 if anything. Example: tsur region validate tambov"""
    from stack.regions.configuration import load_configuration, with_folder
    from stack.regions.validation import validate

    configuration, code = load_configuration(), region
    if code not in configuration.regions and Path(region).is_dir():
        configuration, code = with_folder(configuration, Path(region))
    problems = validate(configuration, code, _day(on))
    if as_json:
        _print_json([asdict(problem) for problem in problems])
    else:
        _print_problems(code, problems)
    if problems:
        raise typer.Exit(1)


def _print_problems(region: str, problems: list[RegionProblem]) -> None:
    for problem in problems:
        place = problem.file if problem.row is None else f"{problem.file}:{problem.row}"
        console.print("[red]✗[/]", end=" ")
        text = f"{place}: {problem.reason}. To do: {problem.remedy}."
        console.print(text, markup=False, soft_wrap=True)
    if problems:
        console.print(f"{len(problems)} to mend in the configuration of {region}.")
    else:
        console.print(f"[green]✓[/] {region}: every requirement has its clause and what serves it.")


@region_app.command("explain")
def region_explain(
    region: Annotated[str, typer.Argument(help="Code of the region.")],
    on: On = None,
    as_json: Json = False,
) -> None:
    """What its act requires, clause by clause. Example: tsur region explain jewish_ao"""
    from stack.regions.account import STATES, explain
    from stack.regions.configuration import load_configuration

    configuration = load_configuration()
    requirements = explain(configuration, region, _day(on))
    if as_json:
        _print_json(
            [
                {
                    "requirement": one.requirement_name,
                    "clause": one.clause,
                    "served_by": one.served_by,
                    "state": one.state,
                }
                for one in requirements
            ]
        )
        return
    (act, *_) = (line.cells["act"] for line in configuration.seeds["regions"].of_region(region))
    _print_table(
        [
            {
                "требование": one.requirement_name,
                "пункт": one.clause,
                "состояние": STATES[one.state],
                "чем обеспечено": one.served_by,
                "что говорит акт": one.note,
            }
            for one in requirements
        ],
        act,
    )


@region_app.command("diff")
def region_diff(
    first: Annotated[str, typer.Argument(help="Code of a region.")],
    second: Annotated[str, typer.Argument(help="Code of another.")],
    on: On = None,
    as_json: Json = False,
) -> None:
    """In what two regions differ, clauses aside. Example: tsur region diff tambov samara"""
    from stack.regions.account import diff
    from stack.regions.configuration import load_configuration

    differences = diff(load_configuration(), first, second, _day(on))
    if as_json:
        _print_json([asdict(one) for one in differences])
        return
    _print_table(
        [
            {
                "seed": one.seed,
                "row": one.key,
                "column": one.column or "(whole row)",
                first: "—" if one.first is None else one.first,
                f"clause ({first})": one.first_clause,
                second: "—" if one.second is None else one.second,
                f"clause ({second})": one.second_clause,
            }
            for one in differences
        ],
        f"{first} and {second}: {len(differences)} differences",
    )


@region_app.command("new")
def region_new(
    region: Annotated[str, typer.Argument(help="Code of the new region.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    like: Annotated[
        str | None, typer.Option(help="A region with a similar act: its states are proposed.")
    ] = None,
) -> None:
    """A folder of seeds to fill in. Example: tsur region new kaluga kaluga/ --like samara"""
    from stack.regions.configuration import load_configuration, new_region

    paths = new_region(load_configuration(), region, folder, like)
    console.print(f"{len(paths)} files in {folder}. Fill them in, then: tsur region add {folder}")


@region_app.command("export")
def region_export(
    region: Annotated[str, typer.Argument(help="Code of the region.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """A region as a folder of seeds, to change it. Example: tsur region export samara samara/"""
    from stack.regions.configuration import export_region, load_configuration

    paths = export_region(load_configuration(), region, folder)
    console.print(f"{len(paths)} files in {folder}. Change them, then: tsur region add {folder}")


@region_app.command("add")
def region_add(
    folder: Annotated[Path, typer.Argument(help="A region's folder of seeds.")],
    on: On = None,
    yes: Yes = False,
) -> None:
    """A region's folder into the seeds; a plan first. Example: tsur region add kaluga/ --yes"""
    from stack.regions.configuration import load_configuration, with_folder, write_configuration
    from stack.regions.validation import validate

    before = load_configuration()
    configuration, region = with_folder(before, folder)
    problems = validate(configuration, region, _day(on))
    if problems:
        _print_problems(region, problems)
        console.print("Nothing has been changed.")
        raise typer.Exit(1)
    _print_table(
        [
            {
                "seed": seed.name,
                "rows before": len(before.seeds[seed.name].of_region(region)),
                "rows after": len(seed.of_region(region)),
            }
            for seed in configuration.by_region()
        ],
        f"{region}: " + ("written" if yes else "plan, nothing has been changed"),
    )
    if not yes:
        console.print("To carry it out, add --yes.")
        return
    for path in write_configuration(configuration):
        console.print(str(path), markup=False, soft_wrap=True)
    console.print("Next: see the difference (git diff), then tsur build.")
