"""One run of `dbt build` in this process; what each node did is kept in `audit.dbt_results`.

dbt prints every node with its status and seconds as it goes. A run that fails raises with the names
of the nodes, what PostgreSQL said and what to do.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from ingestion.mapping import form_shown

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunResult

logger = logging.getLogger(__name__)

FAILED = ("error", "fail", "runtime error")
# Held while a build runs.
_BUILD = "hashtextextended('tsur.build', 0)"
_MOST_TOLD = 10
_LONGEST_MESSAGE = 1200
_INDENT = "\n    "


class BuildFailed(RuntimeError):
    """Nodes failed, or dbt came to none of them; the message names them and says what to do."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What one run did with one node. `seconds` are 0 and `started_at` None where it was skipped.

    `rows_affected` of a test are those that break it. `message` is dbt's, with the words of
    PostgreSQL in it; `path` is the compiled SQL, if any.
    """

    unique_id: str
    name: str
    resource_type: str
    status: str
    started_at: datetime | None
    seconds: Decimal
    rows_affected: int | None
    message: str | None
    compiled_sha256: str | None
    path: str | None

    @classmethod
    def of(cls, result: RunResult) -> NodeResult:
        node: Any = result.node
        compiled = getattr(node, "compiled_code", None)
        begun = [step.started_at for step in result.timing if step.started_at is not None]
        # What a test asks is one row; what matters is how many it found.
        is_test = result.failures is not None
        affected = result.failures if is_test else result.adapter_response.get("rows_affected")
        return cls(
            unique_id=node.unique_id,
            name=node.name,
            resource_type=str(node.resource_type),
            status=str(result.status),
            # dbt's moments are of UTC and do not say so.
            started_at=min(begun).replace(tzinfo=UTC) if begun else None,
            seconds=Decimal(str(round(result.execution_time, 3))),
            rows_affected=affected if isinstance(affected, int) and affected >= 0 else None,
            message=result.message or None,
            compiled_sha256=hashlib.sha256(compiled.encode()).hexdigest() if compiled else None,
            path=getattr(node, "compiled_path", None),
        )


def build(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    database_url: str,
    airflow_run_id: str | None = None,
) -> dict[str, int]:
    """Run `dbt build` with these arguments; how many nodes ended in which status.

    `environment` is what `dbt_project/profiles.yml` reads and where dbt writes; `database_url` the
    transformer's. Every node lands in `audit.dbt_results`, of a failed run too. Not for several
    threads: dbt reads the environment of its process. Raises BuildFailed.
    """
    started_at = datetime.now(UTC)
    with _alone(database_url), _surroundings(environment):
        from dbt.adapters.factory import reset_adapters
        from dbt.cli.main import dbtRunner
        from dbt_common.invocation import get_invocation_id

        done = dbtRunner().invoke(["build", *arguments])
        # A task of Airflow ends at once, and the locks that dbt still held would be told as errors.
        reset_adapters()
        gc.collect()
    if done.exception is not None and not isinstance(done.exception, Exception):
        # Somebody stops this process; dbt keeps what it catches.
        raise done.exception
    nodes = [NodeResult.of(result) for result in getattr(done.result, "results", ())]
    failure = None if done.success else BuildFailed(_told(arguments, nodes, done.exception))
    try:
        _keep(database_url, get_invocation_id(), airflow_run_id, started_at, nodes)
    except psycopg.Error as error:
        if failure is None:
            raise
        # A server that failed the build may not take its record either.
        raise failure from error
    if failure is not None:
        raise failure
    return dict(Counter(node.status for node in nodes))


@contextmanager
def _alone(database_url: str) -> Iterator[None]:
    """One build of a warehouse at a time; the others wait. What one has taken in another would
    otherwise note as its own (`audit.model_states`)."""
    with ExitStack() as stack:
        connection = None
        # Without a server dbt says what is wrong with it.
        with suppress(psycopg.OperationalError):
            connection = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        if connection is not None:
            ((is_free,),) = connection.execute(f"select pg_try_advisory_lock({_BUILD})").fetchall()
            if not is_free:
                logger.warning("another build of this warehouse is under way; this one waits")
                connection.execute(f"select pg_advisory_lock({_BUILD})")
        yield


@contextmanager
def _surroundings(environment: Mapping[str, str]) -> Iterator[None]:
    """dbt takes its settings from the process, and leaves other ones and another folder behind."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.chdir(folder)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


# --- what is kept --------------------------------------------------------------------------------


def _keep(
    database_url: str,
    invocation_id: str,
    airflow_run_id: str | None,
    run_started_at: datetime,
    nodes: Sequence[NodeResult],
) -> None:
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into audit.dbt_results (
                invocation_id, airflow_run_id, run_started_at, unique_id, name, resource_type,
                status, started_at, seconds, rows_affected, message, compiled_sha256
            ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    *(invocation_id, airflow_run_id, run_started_at),
                    *(node.unique_id, node.name, node.resource_type, node.status),
                    *(node.started_at, node.seconds, node.rows_affected),
                    *(without_values(node.message), node.compiled_sha256),
                )
                for node in nodes
            ],
        )


_VALUE = re.compile(r'(?<=: )"(.*)"|(?<=value )"(.*?)"')
_OF_ROWS = re.compile(r"^\s*(DETAIL|CONTEXT|HINT|QUERY|WHERE):.*$", re.MULTILINE)


def without_values(message: str | None) -> str | None:
    """A message without what PostgreSQL quotes of the data: analysts read the table.

    Of a value stays its form; lines with whole rows or keys go. Names of columns stay.
    """
    if message is None:
        return None
    quoted = _VALUE.sub(lambda found: f'"{form_shown(found[1] or found[2] or "")}"', message)
    lines = _OF_ROWS.sub("", quoted).splitlines()
    return "\n".join(line for line in lines if line.strip())


def last_run(database_url: str) -> list[dict[str, Any]]:
    """Every node of the newest run: what went wrong first, then the slowest first."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(
            """
            select
                invocation_id, airflow_run_id, run_started_at, name, resource_type, status,
                started_at, seconds, rows_affected, message, unique_id, compiled_sha256
            from audit.dbt_results
            where invocation_id = (
                select invocation_id from audit.dbt_results
                order by run_started_at desc, dbt_result_id desc limit 1
            )
            order by
                array_position(
                    array['error', 'runtime error', 'fail', 'partial success', 'warn', 'skipped'],
                    status
                ),
                seconds desc, unique_id
            """
        ).fetchall()


def forget_results(database_url: str, before: datetime) -> int:
    """Delete what older runs did, node by node; how many rows."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "delete from audit.dbt_results where run_started_at < %s", [before]
        ).rowcount


# --- what is told --------------------------------------------------------------------------------


def _told(
    arguments: Sequence[str], nodes: Sequence[NodeResult], exception: BaseException | None
) -> str:
    """What an engineer needs at night: which nodes, what PostgreSQL said, what to do."""
    command = " ".join(["dbt build", *arguments])
    failed = [node for node in nodes if node.status in FAILED]
    if not failed:
        return (
            f"{command} came to no node: {exception or 'see its output above'}\n"
            "Mend the cause and run it again: a repetition is safe."
        )
    skipped = sum(node.status == "skipped" for node in nodes)
    lines = [f"{command}: {len(failed)} of {len(nodes)} nodes failed, {skipped} behind them wait."]
    for node in failed[:_MOST_TOLD]:
        message = (node.message or "no message")[:_LONGEST_MESSAGE]
        lines.append(f"{node.resource_type} {node.name}:")
        lines.append(_INDENT[1:] + _INDENT.join(message.strip().splitlines()))
        if node.path and node.path not in message:
            lines.append(f"{_INDENT[1:]}its SQL: {node.path}")
    if len(failed) > _MOST_TOLD:
        lines.append(f"… and {len(failed) - _MOST_TOLD} more.")
    lines.append(
        "All of them: ./tsur build --last. A model: mend its SQL or what it reads. A test: its SQL "
        "gives the rows that break the rule; mend the source, its YAML or the model. Then run the "
        "same again (in Airflow: clear the task); a repetition is safe."
    )
    return "\n".join(lines)
