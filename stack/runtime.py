"""The one-machine stack of a home: what runs, in which order it starts, what is healthy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import filelock
from rich.console import Console

from stack import pipeline
from stack.airflow_services import (
    airflow_services,
    prepare_airflow,
)
from stack.postgres import PostgresServer
from stack.services import Service, reap
from stack.settings import REPOSITORY, Settings, environment_of
from stack.superset_services import run_superset_step, superset_service

START_SECONDS = 180


class HomeError(RuntimeError):
    """This home cannot do what was asked, now or at all; the message says what to do."""


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """One starting, stopping or loading command at a time in a home."""
    folder = settings.home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "owner"
    try:
        with filelock.FileLock(folder / "lock", timeout=0):
            owner.write_text(f"process {os.getpid()}, since {datetime.now().astimezone():%H:%M:%S}")
            yield
            owner.unlink(missing_ok=True)
    except filelock.Timeout:
        who = owner.read_text() if owner.exists() else "another process"
        raise HomeError(
            f"{settings.home} is being used by another tsur command ({who}). "
            "Wait until it has ended, or set TSUR_HOME and TSUR_PORT_BASE for a second home."
        ) from None


def decide(settings: Settings) -> Settings:
    """Keep what the first run of a home decides: ports, seed, size, `as_of`.

    `as_of` is the day of the first run, 06:00 in Moscow, so that the sandbox's bytes and every
    number of the home stay the same on the following days.
    """
    moscow = ZoneInfo("Europe/Moscow")
    as_of = settings.as_of_variable
    if settings.data is None and "*" not in as_of:
        today = datetime.now(moscow)
        as_of["*"] = datetime(today.year, today.month, today.day, 6, tzinfo=moscow).isoformat()
    settings.keep(
        port_base=settings.port_base,
        sandbox_cases=settings.sandbox_cases,
        sandbox_seed=settings.sandbox_seed,
        as_of=as_of,
        **settings.moved_ports,
        **({"data": str(settings.data)} if settings.data else {}),
    )
    return Settings(home=settings.home)


def postgres_of(settings: Settings) -> PostgresServer | None:
    """The embedded server, or None when an external one is set."""
    if settings.database_url is not None:
        return None
    return PostgresServer(
        settings.home, settings.postgres_port, settings.credentials.postgres_admin
    )


def source_services(settings: Settings) -> list[Service]:
    """The sandbox, or in a home of real files the server of recorded VK answers."""
    token = settings.home / "secrets" / "sandbox_token"
    module = [str(settings.platform_python), "-m", "ingestion.sandbox"]
    if settings.data is not None:
        name, port, setting = "recorded-vk", settings.recorded_vk_port, "TSUR_RECORDED_VK_PORT"
        answers = settings.data / pipeline.RECORDED_VK
        command = [*module, "recorded-vk", "--data", str(answers)]
    else:
        name, port, setting = "sandbox", settings.sandbox_port, "TSUR_SANDBOX_PORT"
        command = [*module, "serve", *sandbox_arguments(settings)]
    return [
        Service(
            name=name,
            home=settings.home,
            command=[*command, "--port", str(port), "--token-file", str(token)],
            environment={**environment_of(settings), "PYTHONPATH": str(REPOSITORY)},
            folder=settings.home,
            ports={port: setting},
            health_url=f"http://127.0.0.1:{port}/health",
        )
    ]


def sandbox_arguments(settings: Settings) -> list[str]:
    """What fixes every byte of the sandbox: seed, moment, size."""
    if "*" not in settings.as_of:
        raise HomeError(
            f"{settings.home} has no sandbox yet: its moment is fixed by the first 'tsur up'."
        )
    return [
        *("--seed", str(settings.sandbox_seed)),
        *("--as-of", settings.as_of["*"].isoformat()),
        *("--cases", str(settings.sandbox_cases)),
    ]


def pages_service(settings: Settings) -> Service:
    """Quality report and data dictionary, over HTTP on loopback."""
    return Service(
        name="pages",
        home=settings.home,
        command=[
            *(str(settings.platform_python), "-m", "http.server", str(settings.pages_port)),
            *("--bind", "127.0.0.1", "--directory", str(settings.pages_folder)),
        ],
        environment=environment_of(settings),
        folder=settings.home,
        ports={settings.pages_port: "TSUR_PAGES_PORT"},
        health_url=f"{settings.pages_url}/",
    )


def all_services(settings: Settings) -> list[Service]:
    """Everything but PostgreSQL, in the order of starting."""
    return [
        *source_services(settings),
        pages_service(settings),
        *airflow_services(settings),
        superset_service(settings),
    ]


def start(settings: Settings, console: Console) -> Settings:
    """Start what does not run and wait until all is healthy. Starting twice is harmless."""
    settings = decide(settings)
    settings.pages_folder.mkdir(parents=True, exist_ok=True)
    services = all_services(settings)
    postgres = postgres_of(settings)
    if postgres is not None and not postgres.is_healthy():
        with step(console, "PostgreSQL"):
            postgres.start()
    if all(service.is_healthy() for service in services):
        console.print("[green]✓[/] everything runs already")
        return settings
    for service in services:
        service.check_ports()
    # The sources take their time to come up, so they start first and are awaited last.
    for service in source_services(settings):
        service.start()
    with step(console, "roles, schemas and migrations of the warehouse"):
        pipeline.prepare_warehouse(settings)

    def prepare_dashboards() -> None:
        # The datasets are held against the contracts of the models.
        pipeline.run_dbt(settings, "parse")
        run_superset_step(settings, "sync")

    # Neither needs the other, and each is one process for most of its time.
    side_by_side(
        console,
        {
            "dbt and Superset: models, roles, dashboards": prepare_dashboards,
            "Airflow: metadata and logins": lambda: prepare_airflow(settings),
        },
    )
    for service in services:
        service.start()
    for service in services:
        with step(console, f"{service.name}: waiting until it answers"):
            service.wait(START_SECONDS)
    return settings


def side_by_side(console: Console, works: dict[str, Callable[[], None]]) -> None:
    """Run several steps at once; the first failure is raised when all have ended."""
    with (
        ThreadPoolExecutor(len(works)) as pool,
        console.status(" · ".join(f"{title} …" for title in works)),
    ):
        if not console.is_terminal:
            for title in works:
                console.print(f"· {title} …")
        started = time.monotonic()
        running = {pool.submit(work): title for title, work in works.items()}
        for future in as_completed(running):
            mark = "[green]✓[/]" if future.exception() is None else "[red]✗[/]"
            seconds = time.monotonic() - started
            console.print(f"{mark} {running[future]} [dim]{seconds:.1f} s[/]")
    for future in running:
        future.result()


def stop(settings: Settings, console: Console, *, remove: bool = False) -> None:
    """Stop all that runs in this home; with `remove`, delete the database as well."""
    if settings.data is None and "*" not in settings.as_of:
        settings = decide(settings)
    for service in reversed(all_services(settings)):
        if service.stop():
            console.print(f"[green]✓[/] {service.name} stopped")
    reap()
    postgres = postgres_of(settings)
    if postgres is None:
        return
    if postgres.process() is not None:
        postgres.stop()
        console.print("[green]✓[/] PostgreSQL stopped")
    if remove:
        postgres.remove()
        console.print(f"[green]✓[/] {postgres.location} deleted")


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """A line of progress: what runs now, and how long it took."""
    started = datetime.now()
    with console.status(f"{title} …"):
        if not console.is_terminal:
            console.print(f"· {title} …")
        try:
            yield
        except Exception:
            console.print(f"[red]✗[/] {title}")
            raise
    seconds = (datetime.now() - started).total_seconds()
    console.print(f"[green]✓[/] {title} [dim]{seconds:.1f} s[/]")


def state(settings: Settings) -> list[dict[str, object]]:
    """Each part of the stack: name, whether it is healthy, its process number, its log."""
    rows: list[dict[str, object]] = []
    postgres = postgres_of(settings)
    if postgres is not None:
        process = postgres.process()
        rows.append(
            {
                "service": "postgresql",
                "is_healthy": process is not None and postgres.is_healthy(),
                "pid": process.pid if process else None,
                "log": str(postgres.log_file),
            }
        )
    for service in all_services(settings) if settings.as_of or settings.data else []:
        process = service.process()
        rows.append(
            {
                "service": service.name,
                "is_healthy": service.is_healthy(),
                "pid": process.pid if process else None,
                "log": str(service.log_file),
            }
        )
    return rows
