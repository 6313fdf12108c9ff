"""``python -m ingestion.sandbox``: serve the sandbox, write its exports and its truth."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from ingestion.sandbox.exports import write_exports
from ingestion.sandbox.recorded_vk import build_recorded_app
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.server import build_app
from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import World, build_world

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

Seed = Annotated[int, typer.Option(help="Seed of the generator: the same seed, the same bytes.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="Time up to which the world exists, ISO 8601; without offset it is UTC."),
]
Cases = Annotated[int, typer.Option(min=1, help="About how many case records to make.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on the loopback interface.")]
TokenFile = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="File that holds the token of all APIs.")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


def _parse_as_of(value: str | None) -> datetime:
    if value is None:
        return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"--as-of is no ISO 8601 time: {value}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _read_token(path: Path) -> str:
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise typer.BadParameter(f"the token file is empty: {path}")
    return token


def _build(seed: int, as_of: str | None, cases: int) -> World:
    started = time.monotonic()
    world = build_world(seed=seed, as_of=_parse_as_of(as_of), cases=cases)
    typer.echo(
        f"{len(world.cases)} records up to {world.as_of.isoformat()}, seed {seed}, "
        f"in {time.monotonic() - started:.1f} s",
        err=True,
    )
    return world


def _run(application: FastAPI, host: str, port: int) -> None:
    uvicorn.run(application, host=host, port=port, log_level="warning", access_log=False)


@app.command()
def serve(
    port: Port,
    token_file: TokenFile,
    seed: Seed = 1,
    as_of: AsOf = None,
    cases: Cases = 30_000,
    host: Host = "127.0.0.1",
) -> None:
    """Serves all sources. Example: serve --port 8090 --token-file token --cases 3000"""
    token = _read_token(token_file)
    _run(build_app(_build(seed, as_of, cases), token), host, port)


@app.command()
def truth(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the JSON Lines files.")],
    seed: Seed = 1,
    as_of: AsOf = None,
    cases: Cases = 30_000,
) -> None:
    """Writes what the generator made; prints the counts as JSON. Example: truth --output truth"""
    told = write_truth(_build(seed, as_of, cases), output)
    typer.echo(json.dumps(told["total"], ensure_ascii=False))


@app.command()
def files(
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for the exports.")],
    region: Annotated[str | None, typer.Option(help="One region; otherwise all.")] = None,
    seed: Seed = 1,
    as_of: AsOf = None,
    cases: Cases = 30_000,
) -> None:
    """Writes exports that people bring; prints the variables. Example: files --output exports"""
    if region is not None and region not in REGIONS:
        raise typer.BadParameter(f"no region '{region}'; there are {', '.join(REGIONS)}")
    written = write_exports(_build(seed, as_of, cases), output, [region] if region else REGIONS)
    for one in written:
        typer.echo(f"{one.records:7} {one.path}", err=True)
    for variable, folder in sorted({(one.variable, one.folder) for one in written}):
        typer.echo(f"{variable}={folder}")


@app.command("recorded-vk")
def recorded_vk(
    port: Port,
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of recorded answers.")
    ],
    token_file: TokenFile,
    host: Host = "127.0.0.1",
) -> None:
    """Serves recorded VK answers. Example: recorded-vk --port 8091 --data DIR --token-file F"""
    _run(build_recorded_app(data, _read_token(token_file)), host, port)


if __name__ == "__main__":
    app()
