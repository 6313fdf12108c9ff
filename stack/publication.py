"""Published values are frozen, and can be computed again to the last digit.

A publication keeps the rows of a mart for a region and a period, and all that they follow from:
the dbt project (models and seeds, as an archive), the commit, `as_of`, the version of the
enrichment, and what `raw` knew when the mart was built (`audit.builds`). To reproduce it, a
scratch database is filled with what was known then: rows that a later load brought are left out,
rows that a later withdrawal set aside are taken from its evidence. The archived project is built
in it, and the rows are compared cell by cell. The warehouse itself is only read.
"""

from __future__ import annotations

import calendar
import hashlib
import io
import json
import re
import secrets
import subprocess
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ingestion.migrations import upgrade
from nlp.tables import ensure as ensure_nlp
from stack.database import Warehouse

SCRATCH_PREFIX = "reproduce_"
_LEFT_OUT = {"target", "logs", "dbt_packages", "dbt_internal_packages", "__pycache__"}
_LINES_TOLD = 15

# dbt in a project's folder and a database: arguments, project, database, folder for its artefacts.
RunDbt = Callable[[Sequence[str], Path, str, Path], None]
Tell = Callable[[str], None]


def dbt_runner(
    program: Path, environment: Mapping[str, str], variables: Mapping[str, Any]
) -> RunDbt:
    """Runs dbt in a process of its own; raises PublicationError with the end of what it said.

    `environment` and `variables` are those of the warehouse's own builds: what dbt has read of
    the project for them it need not read again.
    """
    known = Path(environment["DBT_TARGET_PATH"]) / "partial_parse.msgpack"

    def run(arguments: Sequence[str], project: Path, database: str, target: Path) -> None:
        given = ["--vars", json.dumps(variables)] if variables and "--vars" not in arguments else []
        done = subprocess.run(
            [str(program), *arguments, *given],
            env={
                **environment,
                "TSUR_PG_DATABASE": database,
                "DBT_PROJECT_DIR": str(project),
                "DBT_PROFILES_DIR": str(project),
                "DBT_TARGET_PATH": str(target),
                "DBT_LOG_PATH": str(target.with_name("logs")),
                "DBT_PARTIAL_PARSE_FILE_PATH": str(known),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-_LINES_TOLD:])
            raise PublicationError(f"dbt {arguments[0]} failed in {database}:\n{tail}")

    return run


class PublicationError(RuntimeError):
    """What was asked cannot be published or reproduced; the message says why."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period as people write it: `2026-03`, `2026-Q1`, `2026-W07`, `2026`, `2026-03-05`, `all`.

    `start` is included, `end` excluded; both are None for `all`.
    """

    name: str
    kind: str
    start: date | None
    end: date | None

    @classmethod
    def parse(cls, text: str) -> Period:
        """Raises PublicationError for anything else."""
        try:
            if text == "all":
                return cls(text, "all", None, None)
            if found := re.fullmatch(r"(\d{4})", text):
                year = int(found[1])
                return cls(text, "year", date(year, 1, 1), date(year + 1, 1, 1))
            if found := re.fullmatch(r"(\d{4})-Q([1-4])", text):
                first = date(int(found[1]), 3 * int(found[2]) - 2, 1)
                return cls(text, "quarter", first, _months_later(first, 3))
            if found := re.fullmatch(r"(\d{4})-(\d{2})", text):
                first = date(int(found[1]), int(found[2]), 1)
                return cls(text, "month", first, _months_later(first, 1))
            if found := re.fullmatch(r"(\d{4})-W(\d{2})", text):
                monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
                return cls(text, "week", monday, monday + timedelta(days=7))
            day = date.fromisoformat(text)
        except ValueError:
            raise PublicationError(
                f"'{text}' is no period. Write 2026-03, 2026-Q1, 2026-W07, 2026, 2026-03-05 or all."
            ) from None
        return cls(text, "day", day, day + timedelta(days=1))


def _months_later(first: date, months: int) -> date:
    last = first
    for _ in range(months):
        last += timedelta(days=calendar.monthrange(last.year, last.month)[1])
    return last


@dataclass(frozen=True, slots=True)
class Project:
    """A dbt project as an archive; `seed_hashes` are the seeds' SHA-256 by name."""

    sha256: str
    archive: bytes
    seed_hashes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication rests on; `rows` are its values, each as PostgreSQL writes it."""

    mart: str
    region_code: str
    period: Period
    project: Project
    nlp_model_version: str | None
    as_of: dict[str, str]
    known: dict[str, Any]
    expected_loads: list[dict[str, Any]]
    key_columns: tuple[str, ...]
    column_names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    def key_of(self, row: Sequence[str | None]) -> tuple[str | None, ...]:
        return tuple(row[self.column_names.index(name)] for name in self.key_columns)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first cell that is not what it was; `column` is None where a whole row is."""

    key: str
    column: str | None
    published: str | None
    reproduced: str | None

    def __str__(self) -> str:
        if self.column is None:
            where = "published, not reproduced" if self.published else "reproduced, not published"
            return f"the row {self.key} is {where}"
        return (
            f"{self.column} of {self.key}: published {_shown(self.published)}, "
            f"reproduced {_shown(self.reproduced)}"
        )


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= 200 else f"{value[:200]}… ({len(value)} characters)"


# --- publishing ----------------------------------------------------------------------------------


def publish(
    warehouse: Warehouse,
    project_folder: Path,
    run_dbt: RunDbt,
    *,
    mart: str,
    region: str,
    period: str,
    by: str,
    is_proven: bool = True,
    tell: Tell = lambda _: None,
) -> int:
    """Freeze the rows of a mart for a region and a period; the number of the publication.

    With `is_proven` they are first computed again, as `reproduce` does later, and a mart that does
    not follow from what `raw` knew when it was built is not published. Raises PublicationError.
    """
    chosen = Period.parse(period)
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        columns, rows = _freeze(connection, mart, region, chosen)
        with tempfile.TemporaryDirectory(prefix="tsur-publish-") as folder:
            target = Path(folder) / "target"
            run_dbt(["parse"], project_folder, warehouse.database, target)
            manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
        unique_id = f"model.tsur.{mart}"
        if unique_id not in manifest["nodes"]:
            raise PublicationError(f"The project has no model '{mart}': its table is a left-over.")
        keys = _key_columns(manifest, unique_id) or columns
        found = Publication(
            mart=mart,
            region_code=region,
            period=chosen,
            project=pack(project_folder),
            known=_knowledge_of(connection, manifest, unique_id),
            key_columns=keys,
            column_names=columns,
            rows=_sorted(rows, columns, keys),
            **_circumstances(connection),
        )
    tell(f"{len(found.rows)} rows of {mart}")
    if is_proven:
        difference = compare(found, rebuild(warehouse, found, run_dbt, tell=tell))
        if difference is not None:
            raise PublicationError(
                f"{mart} does not follow from what raw knew when it was built: {difference}. "
                "Data landed while it was built, or seeds or models have changed since. Build the "
                "marts (tsur build), then publish."
            )
    return _store(warehouse, found, by=by, is_proven=is_proven, commit=_commit(project_folder))


def _freeze(
    connection: psycopg.Connection[Any], mart: str, region: str, period: Period
) -> tuple[tuple[str, ...], list[tuple[str | None, ...]]]:
    """The columns and rows to publish. Raises PublicationError."""
    found = connection.execute(
        # A view over kept rows is a mart like others; one of its own rights is over what runs.
        "select relkind = 'v' and 'security_invoker=true' <> all(coalesce(reloptions, '{}'))"
        " from pg_class"
        " where relnamespace = 'marts'::regnamespace and relname = %s and relname !~ '^(dim|fct)_'",
        [mart],
    ).fetchone()
    if found is None:
        raise PublicationError(f"There is no mart '{mart}'.")
    if found[0]:
        raise PublicationError(f"{mart} shows the present and cannot be computed again.")
    columns = _columns(connection, mart)
    if "region_code" not in columns:
        raise PublicationError(f"{mart} has no regions.")
    rows = _rows(connection, mart, list(columns), columns, region, period)
    if not rows:
        raise PublicationError(f"{mart} has no row of {region} for {period.name}.")
    return tuple(columns), rows


def _circumstances(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """What the marts depend on besides `raw` and the project."""
    model = connection.execute("select model_version from nlp.models where is_current").fetchone()
    as_of = connection.execute("select region_code, as_of from marts.dim_regions").fetchall()
    ((expected,),) = connection.execute(
        "select coalesce(jsonb_agg(to_jsonb(e)), '[]') from ops.expected_loads as e"
    ).fetchall()
    return {
        "nlp_model_version": None if model is None else model[0],
        "as_of": {code: moment.isoformat() for code, moment in as_of},
        "expected_loads": expected,
    }


def _columns(connection: psycopg.Connection[Any], mart: str) -> dict[str, str]:
    """The columns of a mart, in their order, with their types."""
    return dict(
        connection.execute(
            "select attname::text, format_type(atttypid, null) from pg_attribute"
            " where attrelid = to_regclass('marts.' || %s) and attnum > 0 and not attisdropped"
            " order by attnum",
            [mart],
        ).fetchall()
    )


def _rows(
    connection: psycopg.Connection[Any],
    mart: str,
    names: Sequence[str],
    columns: Mapping[str, str],
    region: str,
    period: Period,
) -> list[tuple[str | None, ...]]:
    conditions: list[sql.Composable] = [sql.SQL("region_code = %(region)s")]
    if period.start is not None:
        if {"period_kind", "period_start"} <= columns.keys():
            conditions.append(sql.SQL("period_kind = %(kind)s and period_start = %(start)s"))
        else:
            column = next((name for name, kind in columns.items() if kind == "date"), None)
            if column is None:
                raise PublicationError(f"{mart} has no periods: publish it for 'all'.")
            conditions.append(
                sql.SQL("{0} >= %(start)s and {0} < %(end)s").format(sql.Identifier(column))
            )
    query = sql.SQL("select {} from {} where {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
        sql.Identifier("marts", mart),
        sql.SQL(" and ").join(conditions),
    )
    # Texts of moments depend on it.
    connection.execute("set local timezone to 'UTC'")
    given = {
        "region": region,
        "kind": period.kind,
        "start": period.start,
        "end": period.end,
    }
    return connection.execute(query, given).fetchall()


def _sorted(
    rows: Sequence[tuple[str | None, ...]], names: tuple[str, ...], keys: tuple[str, ...]
) -> tuple[tuple[str | None, ...], ...]:
    places = [names.index(key) for key in keys]
    return tuple(
        sorted(rows, key=lambda row: [(row[place] is None, row[place] or "") for place in places])
    )


def _key_columns(manifest: dict[str, Any], unique_id: str) -> tuple[str, ...]:
    """What tells the rows of a mart apart, as its tests say."""
    for test in manifest["nodes"].values():
        if test.get("attached_node") != unique_id or not test.get("test_metadata"):
            continue
        if test["test_metadata"]["name"] == "unique_key":
            return tuple(test["test_metadata"]["kwargs"]["columns"])
        if test["test_metadata"]["name"] == "unique":
            return (test["column_name"],)
    return ()


def _knowledge_of(
    connection: psycopg.Connection[Any], manifest: dict[str, Any], unique_id: str
) -> dict[str, Any]:
    """What `raw` knew when the tables were built that read it for this mart.

    Where no build is on record, what it knows now.
    """
    newest = connection.execute(
        """
        select distinct on (model) model, known
        from audit.builds cross join lateral unnest(models) as built (model)
        order by model, started_at desc
        """
    )
    builds: dict[str, dict[str, Any]] = dict(newest.fetchall())
    tables = _tables_above(manifest, unique_id)
    if not tables <= builds.keys():
        return _knowledge_now(connection)
    found = {json.dumps({**builds[name], "at": None}, sort_keys=True) for name in tables}
    if len(found) > 1:
        raise PublicationError(
            "The tables that the mart is made of were built at different states of raw. Build all "
            "of them (tsur build), then publish."
        )
    known: dict[str, Any] = builds[min(tables)] if tables else _knowledge_now(connection)
    return known


def _knowledge_now(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    ((known,),) = connection.execute("select audit.knowledge()").fetchall()
    result: dict[str, Any] = known
    return result


def _tables_above(manifest: dict[str, Any], unique_id: str) -> set[str]:
    """The tables above a mart that are built of what came in, before enrichment."""
    found: set[str] = set()
    waiting, seen = deque([unique_id]), {unique_id}
    while waiting:
        for parent in manifest["parent_map"].get(waiting.popleft(), ()):
            node = manifest["nodes"].get(parent)
            if node is None or node["resource_type"] != "model" or parent in seen:
                continue
            seen.add(parent)
            waiting.append(parent)
            is_table = node["config"]["materialized"] not in ("view", "ephemeral")
            if is_table and "before_enrichment" in node["tags"]:
                found.add(node["name"])
    return found


def pack(folder: Path) -> Project:
    """The project's files as one archive, the same bytes for the same files."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not _LEFT_OUT & set(path.relative_to(folder).parts)
        and not path.name.startswith(".")
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    whole = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return Project(
        hashlib.sha256(whole.encode()).hexdigest(),
        packed.getvalue(),
        {
            Path(name).stem: digest
            for name, digest in digests.items()
            if name.startswith("seeds/") and name.endswith(".csv")
        },
    )


def _commit(folder: Path) -> tuple[str | None, bool | None]:
    """The commit that the project is of, and whether it is just that; None without a repository."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--", ".")
    return commit, None if commit is None or changed is None else not changed


def _store(
    warehouse: Warehouse,
    found: Publication,
    *,
    by: str,
    is_proven: bool,
    commit: tuple[str | None, bool | None],
) -> int:
    def version(column: str) -> str | None:
        """One for all rows, or none."""
        if column not in found.column_names:
            return None
        versions = {row[found.column_names.index(column)] for row in found.rows}
        return versions.pop() if len(versions) == 1 else None

    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute(
            "insert into audit.published_projects values (%s, %s, %s) on conflict do nothing",
            [found.project.sha256, found.project.archive, Jsonb(found.project.seed_hashes)],
        )
        ((number,),) = connection.execute(
            """
            insert into audit.publications (
                mart, region_code, period, published_by, commit_hash, is_commit_clean,
                project_sha256, nlp_model_version, metric_version, config_version, as_of, known,
                expected_loads, key_columns, column_names, row_count, is_proven
            ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            returning publication_id
            """,
            [
                *(found.mart, found.region_code, found.period.name, by, *commit),
                *(found.project.sha256, found.nlp_model_version),
                *(version("metric_version"), version("config_version")),
                *(Jsonb(found.as_of), Jsonb(found.known), Jsonb(found.expected_loads)),
                *(list(found.key_columns), list(found.column_names), len(found.rows), is_proven),
            ],
        ).fetchall()
        numbers = _numbers(_columns(connection, found.mart))
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "copy audit.published_values (publication_id, row_number, column_name,"
                " value_numeric, value_text) from stdin"
            ) as copy,
        ):
            for place, row in enumerate(found.rows, start=1):
                for name, value in zip(found.column_names, row, strict=True):
                    pair = (value, None) if name in numbers else (None, value)
                    copy.write_row((number, place, name, *pair))
    return int(number)


def _numbers(columns: Mapping[str, str]) -> set[str]:
    """The columns whose values PostgreSQL writes and reads as numeric without a change."""
    exact = {"smallint", "integer", "bigint", "numeric"}
    return {name for name, kind in columns.items() if kind in exact}


# --- reproducing ---------------------------------------------------------------------------------


def publications(auditor_url: str) -> list[dict[str, Any]]:
    """Every publication, the newest first, without its values."""
    with psycopg.connect(auditor_url, row_factory=dict_row) as connection:
        return connection.execute(
            "select publication_id, mart, region_code, period, published_at, published_by,"
            " commit_hash, is_commit_clean, metric_version, config_version, nlp_model_version,"
            " (as_of ->> region_code)::timestamptz as as_of, row_count, is_proven"
            " from audit.publications order by publication_id desc"
        ).fetchall()


def reproduce(
    warehouse: Warehouse,
    number: int,
    run_dbt: RunDbt,
    *,
    keep: bool = False,
    tell: Tell = lambda _: None,
) -> Difference | None:
    """Compute a publication again; the first cell that differs, or None when all are equal.

    `keep` leaves the scratch database, and tells its name. Raises PublicationError.
    """
    published = load(warehouse.url("transformer"), number)
    tell(f"publication {number}: {len(published.rows)} rows of {published.mart}")
    rows = rebuild(warehouse, published, run_dbt, keep=keep, tell=tell)
    difference = compare(published, rows)
    if difference is not None:
        with psycopg.connect(warehouse.url("auditor")) as connection:
            ((erased,),) = connection.execute(
                "select count(*) from ops.erasures where erased_at > %s", [published.known["at"]]
            ).fetchall()
        if erased:
            tell(f"{erased} erasures since: texts and addresses that were known are gone")
    return difference


def load(database_url: str, number: int) -> Publication:
    """A publication as it was stored."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        row = connection.execute(
            "select * from audit.publications inner join audit.published_projects"
            " using (project_sha256) where publication_id = %s",
            [number],
        ).fetchone()
        if row is None:
            raise PublicationError(f"There is no publication {number}. See: tsur publication list")
        cells = connection.execute(
            "select row_number, column_name, coalesce(value_numeric::text, value_text) as value"
            " from audit.published_values where publication_id = %s order by row_number",
            [number],
        ).fetchall()
    names = tuple(row["column_names"])
    values: dict[int, dict[str, str | None]] = {}
    for cell in cells:
        values.setdefault(cell["row_number"], {})[cell["column_name"]] = cell["value"]
    return Publication(
        mart=row["mart"],
        region_code=row["region_code"],
        period=Period.parse(row["period"]),
        project=Project(row["project_sha256"], bytes(row["archive"]), row["seed_hashes"]),
        nlp_model_version=row["nlp_model_version"],
        as_of=row["as_of"],
        known=row["known"],
        expected_loads=row["expected_loads"],
        key_columns=tuple(row["key_columns"]),
        column_names=names,
        rows=tuple(tuple(of_row.get(name) for name in names) for of_row in values.values()),
    )


def compare(published: Publication, rows: Sequence[tuple[str | None, ...]]) -> Difference | None:
    """The first cell, in the order of the publication, that the rows have otherwise."""
    reproduced = {published.key_of(row): row for row in rows}
    for row in published.rows:
        key = published.key_of(row)
        name = ", ".join(
            f"{column}={value}" for column, value in zip(published.key_columns, key, strict=True)
        )
        other = reproduced.pop(key, None)
        if other is None:
            return Difference(name, None, "row", None)
        for column, before, after in zip(published.column_names, row, other, strict=True):
            if before != after:
                return Difference(name, column, before, after)
    for key in reproduced:
        name = ", ".join(
            f"{column}={value}" for column, value in zip(published.key_columns, key, strict=True)
        )
        return Difference(name, None, None, "row")
    return None


def rebuild(
    warehouse: Warehouse,
    published: Publication,
    run_dbt: RunDbt,
    *,
    keep: bool = False,
    tell: Tell = lambda _: None,
) -> tuple[tuple[str | None, ...], ...]:
    """The rows of a publication as its project makes them of what `raw` knew then."""
    with _scratch(warehouse, keep=keep, tell=tell) as scratch:
        tell("raw as it was known then")
        _copy_knowledge(warehouse, scratch, published)
        with tempfile.TemporaryDirectory(prefix="tsur-reproduce-") as folder:
            project = Path(folder) / "project"
            with tarfile.open(fileobj=io.BytesIO(published.project.archive)) as archive:
                archive.extractall(project, filter="data")
            if pack(project).sha256 != published.project.sha256:
                raise PublicationError("The archived project is not the one that was published.")
            tell(f"dbt builds {published.mart}")
            run_dbt(
                [
                    *("build", "--select", f"+{published.mart}"),
                    *("--exclude-resource-type", "test", "unit_test"),
                    *("--vars", json.dumps({"as_of": published.as_of})),
                ],
                project,
                scratch.database,
                Path(folder) / "target",
            )
        with psycopg.connect(scratch.url("transformer")) as connection:
            columns = _columns(connection, published.mart)
            rows = _rows(
                connection,
                published.mart,
                published.column_names,
                columns,
                published.region_code,
                published.period,
            )
    return _sorted(rows, published.column_names, published.key_columns)


@contextmanager
def _scratch(warehouse: Warehouse, *, keep: bool, tell: Tell) -> Iterator[Warehouse]:
    """An empty, migrated database beside the warehouse, gone afterwards."""
    scratch = replace(warehouse, database=f"{SCRATCH_PREFIX}{secrets.token_hex(6)}")
    try:
        scratch.create_database(scratch.database, "tsur_owner")
        scratch.grant()
        upgrade(scratch.url("owner"))
        yield scratch
    finally:
        if keep:
            tell(f"kept: the database {scratch.database}")
        else:
            with psycopg.connect(warehouse.admin_url, autocommit=True) as connection:
                statement = sql.SQL("drop database if exists {} with (force)")
                connection.execute(statement.format(sql.Identifier(scratch.database)))


def _copy_knowledge(warehouse: Warehouse, scratch: Warehouse, published: Publication) -> None:
    """Fill a scratch database with what was known: records, loads, and one model's enrichments."""
    known = published.known
    with (
        psycopg.connect(warehouse.url("owner")) as source,
        psycopg.connect(scratch.url("owner")) as target,
    ):
        source.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        source.read_only = True
        for name, last_raw_id in known["tables"].items():
            target.execute("select raw.create_entity_table(%s)", [name])
            columns = list(_catalog(source, "raw", name))
            evidence = _catalog(source, "ops", "withdrawn_rows")
            query = sql.SQL(
                """
                select {columns} from raw.{name}
                where raw_id <= {last} and load_id <@ {loads}::int8multirange
                union all
                select {kept} from ops.withdrawn_rows
                where
                    table_name = {label} and withdrawn_row_id > {withdrawn}
                    and raw_id <= {last} and load_id <@ {loads}::int8multirange
                """
            ).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                kept=sql.SQL(", ").join(
                    sql.Identifier(column) if column in evidence else sql.NULL for column in columns
                ),
                name=sql.Identifier(name),
                label=sql.Literal(name),
                last=sql.Literal(last_raw_id),
                loads=sql.Literal(known["loads"]),
                withdrawn=sql.Literal(known["withdrawn"]),
            )
            _copy(source, target, query, sql.Identifier("raw", name), columns)
        loads = _catalog(source, "ops", "loads")
        query = sql.SQL("select {} from ops.loads where load_id <@ {}::int8multirange").format(
            sql.SQL(", ").join(_as_of_load(column, known["at"]) for column in loads),
            sql.Literal(known["loads"]),
        )
        _copy(source, target, query, sql.Identifier("ops", "loads"), list(loads))
        target.execute(
            "insert into ops.expected_loads"
            " select * from jsonb_populate_recordset(null::ops.expected_loads, %s)",
            [Jsonb(published.expected_loads)],
        )
    with psycopg.connect(scratch.url("owner"), autocommit=True) as target:
        for name in known["tables"]:
            target.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", name)))
    with (
        psycopg.connect(warehouse.url("transformer")) as source,
        psycopg.connect(scratch.url("transformer")) as target,
    ):
        ensure_nlp(target)
        _copy_enrichment(source, target, published.nlp_model_version, known["at"])
    with psycopg.connect(scratch.url("transformer"), autocommit=True) as target:
        target.execute("analyze")


def _as_of_load(column: str, known_at: str) -> sql.Composable:
    """A withdrawal that came later is not known yet."""
    if not column.startswith("withdrawn_"):
        return sql.Identifier(column)
    return sql.SQL("case when withdrawn_at <= {} then {} end").format(
        sql.Literal(known_at), sql.Identifier(column)
    )


def _copy_enrichment(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    version: str | None,
    known_at: str,
) -> None:
    """The rows of one model; tables that know no versions come whole.

    What a model says of a text is written once, but two old texts may be found alike at any time.
    """
    tables = [
        name
        for (name,) in target.execute(
            "select tablename from pg_tables where schemaname = 'nlp'"
            " order by tablename <> 'models', tablename"
        )
    ]
    for name in tables:
        columns = [
            column
            for column in _catalog(source, "nlp", name)
            if column in _catalog(target, "nlp", name)
        ]
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("nlp", name)
        )
        if "model_version" in columns:
            query += sql.SQL(" where model_version = {}").format(sql.Literal(version))
        if "found_at" in columns:
            query += sql.SQL(" and found_at <= {}").format(sql.Literal(known_at))
        _copy(source, target, query, sql.Identifier("nlp", name), columns)
    target.execute("update nlp.models set is_current = true where not is_current")


def _catalog(connection: psycopg.Connection[Any], schema: str, table: str) -> dict[str, str]:
    """The columns of a table that can be written, in their order, with their types."""
    return dict(
        connection.execute(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text))"
            " and attnum > 0 and not attisdropped and attgenerated = '' order by attnum",
            [schema, table],
        ).fetchall()
    )


def _copy(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    query: sql.Composable,
    table: sql.Identifier,
    columns: Sequence[str],
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with (
        source.cursor().copy(sql.SQL("copy ({}) to stdout").format(query)) as rows,
        target.cursor().copy(sql.SQL("copy {} ({}) from stdin").format(table, names)) as into,
    ):
        for block in rows:
            into.write(block)
