"""The embedded server: starts after a power cut, asks for a password, says which port is taken."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack.postgres import (
    OUTGOING_PORTS,
    PostgresError,
    PostgresServer,
    free_port,
    free_ports,
    is_port_busy,
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="tsur-test-"))
    # As strict as a home folder may be.
    folder.chmod(0o700)
    server = PostgresServer(folder, free_port(), "first-password")
    server.start()
    yield server
    server.remove()
    shutil.rmtree(folder)


def test_a_home_of_mode_0700_is_no_obstacle(server: PostgresServer) -> None:
    assert server.is_healthy()


def test_it_starts_after_a_power_cut_with_its_data(server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create table if not exists survived as select 42 as answer")
    postmaster = server.process()
    assert postmaster is not None
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.kill()
    postmaster.wait(30)
    assert (server.data_directory / "postmaster.pid").exists()
    server.start()
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("select answer from survived").fetchone() == (42,)


def test_a_pid_file_that_names_a_strange_process_does_not_stop_it(server: PostgresServer) -> None:
    server.stop()
    (server.data_directory / "postmaster.pid").write_text("1\n")
    server.start()
    assert server.is_healthy()


def test_starting_twice_keeps_the_server(server: PostgresServer) -> None:
    before = server.process()
    server.start()
    assert server.process() == before


def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    stranger = PostgresServer(server.home, server.port, "another-password")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger.url())


def test_a_taken_port_is_named_with_the_setting_that_moves_it(server: PostgresServer) -> None:
    assert is_port_busy(server.port)
    folder = Path(tempfile.mkdtemp(prefix="tsur-test-"))
    second = PostgresServer(folder, server.port, "x")
    try:
        with pytest.raises(PostgresError, match=rf"{server.port}.*TSUR_POSTGRES_PORT"):
            second.start()
    finally:
        second.remove()
        shutil.rmtree(folder)


def test_russian_letters_change_their_case_and_are_found(server: PostgresServer) -> None:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("select upper('ёж'), lower('ЩИ'), 'Дорога' ilike 'дорог%'")
        assert row.fetchone() == ("ЁЖ", "щи", True)


@pytest.mark.skipif(not OUTGOING_PORTS.exists(), reason=f"no {OUTGOING_PORTS} on this system")
def test_a_free_port_can_not_become_the_near_end_of_somebodys_connection() -> None:
    first_outgoing = int(OUTGOING_PORTS.read_text(encoding="ascii").split()[0])
    assert all(free_port() < first_outgoing for _ in range(200))


def test_every_port_of_a_free_range_can_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    held = free_port()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", held))
        offered = iter([held, held - 7, held - 100])
        monkeypatch.setattr("random.randrange", lambda *_: next(offered))
        assert free_ports(0, 7) == held - 100
