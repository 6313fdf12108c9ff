"""Files from an SFTP server that really speaks the protocol, and from a folder that is watched."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
PASSWORD = "correct horse battery"


class _Accounts(paramiko.ServerInterface):
    def __init__(self, allowed: paramiko.PKey) -> None:
        self._allowed = allowed

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        is_known = (username, password) == ("reader", PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        is_known = username == "reader" and key == self._allowed
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Folder(paramiko.SFTPServerInterface):
    """Serves one folder, for reading."""

    root: Path

    def _path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def list_folder(self, path: str) -> Any:
        return [
            paramiko.SFTPAttributes.from_stat(one.lstat(), one.name)
            for one in self._path(path).iterdir()
        ]

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = self._path(path).open("rb")
        return handle


class SftpServer:
    """A server on loopback that ends with its object."""

    def __init__(self, root: Path) -> None:
        self.key = paramiko.ECDSAKey.generate()
        self.account_key = paramiko.ECDSAKey.generate()
        self._folder = type("Folder", (_Folder,), {"root": root})
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def host_key(self) -> str:
        return f"{self.key.get_name()} {self.key.get_base64()}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self._folder)
            self._transports.append(transport)
            try:
                transport.start_server(server=_Accounts(self.account_key))
            except (paramiko.SSHException, EOFError):
                transport.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for transport in self._transports:
            transport.close()
        self._thread.join(5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "outbox"
    path.mkdir()
    (path / "october.csv").write_text("id,text\n1,Яма\n2,Снег\n", encoding="utf-8")
    (path / "november.csv").write_text("id,text\n3,Свет\n", encoding="utf-8")
    (path / ".november.csv.part").write_text("id,te", encoding="utf-8")
    (path / "readme.txt").write_text("не таблица", encoding="utf-8")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[SftpServer]:
    one = SftpServer(folder)
    yield one
    one.close()


def sftp_source(
    make_source: MakeSource, code: str, server: SftpServer, host_key: str, **secrets: str
) -> Source:
    lines = [f"{name}: ${{{name.upper()}}}" for name in secrets]
    return make_source(
        code,
        "\n".join(lines)
        + f"""
kind: register
deadline: none
attempts: 1
regions:
  - code: pskov
    time_zone: Europe/Moscow
    endpoint: sftp://reader@127.0.0.1:{server.port}/
    host_key: {host_key}
entities:
  rows: {{table: {code}, role: case, kind: appeal, key: id, files: "*.csv", record: {{text: text}}}}
""",
        **{name.upper(): value for name, value in secrets.items()},
    )


def test_every_file_of_the_folder_lands_with_its_digest(
    platform: Platform, make_source: MakeSource, server: SftpServer, folder: Path
) -> None:
    source = sftp_source(make_source, "fetched", server, server.host_key, token=PASSWORD)
    loads = platform.ingest(source)
    assert [(load.file_name, load.rows_landed, load.error_class) for load in loads] == [
        ("readme.txt", 0, "file_not_read"),
        ("november.csv", 1, None),
        ("october.csv", 2, None),
    ]
    # The first one opened the session.
    assert [load.calls for load in loads] == [1, 1, 1]
    assert {record["text"] for record in platform.records("fetched")} == {"Яма", "Снег", "Свет"}
    assert sum(load.rows_landed for load in platform.ingest(source)) == 0
    assert PASSWORD not in platform.stored_text("fetched")


def test_an_account_may_be_known_by_a_key(
    platform: Platform, make_source: MakeSource, server: SftpServer
) -> None:
    written = io.StringIO()
    server.account_key.write_private_key(written)
    source = sftp_source(
        make_source, "by_key", server, server.host_key, private_key=written.getvalue()
    )
    assert sum(load.rows_landed for load in platform.ingest(source)) == 3


def test_a_server_with_another_key_is_given_no_password(
    platform: Platform, make_source: MakeSource, server: SftpServer
) -> None:
    other = paramiko.ECDSAKey.generate()
    host_key = f"{other.get_name()} {other.get_base64()}"
    source = sftp_source(make_source, "other_key", server, host_key, token=PASSWORD)
    (load,) = platform.ingest(source)
    assert load.error_class == "host_key_mismatch"


def test_a_refused_account_is_told_without_its_password(
    platform: Platform, make_source: MakeSource, server: SftpServer
) -> None:
    source = sftp_source(make_source, "refused", server, server.host_key, token="wrong-secret")
    (load,) = platform.ingest(source)
    assert (load.error_class, load.calls) == ("http_unauthorised", 1)
    assert "wrong-secret" not in str(load.error_message)


def test_a_file_over_the_limit_is_named_and_the_others_land(
    platform: Platform, make_source: MakeSource, server: SftpServer, folder: Path
) -> None:
    (folder / "big.csv").write_bytes(b"id,text\n" + b"0,x\n" * 300_000)
    source = sftp_source(make_source, "too_big", server, server.host_key, token=PASSWORD)
    loads = platform.ingest(source.model_copy(update={"max_megabytes": 1}))
    assert {load.file_name: load.error_class for load in loads} == {
        "readme.txt": "file_not_read",
        "big.csv": "answer_too_large",
        "november.csv": None,
        "october.csv": None,
    }
    assert {record["native_id"] for record in platform.records("too_big")} == {"1", "2", "3"}


def test_a_link_on_the_server_is_named_and_not_followed(
    platform: Platform, make_source: MakeSource, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id,text\n9,Тайна\n", encoding="utf-8")
    (folder / "link.csv").symlink_to(secret)
    source = sftp_source(make_source, "linked", server, server.host_key, token=PASSWORD)
    loads = platform.ingest(source)
    assert {load.file_name for load in loads if load.error_class == "link_refused"} == {"link.csv"}
    assert "Тайна" not in platform.stored_text("linked")


@pytest.mark.parametrize("more", [-3, 3])
def test_a_file_of_another_size_than_the_server_tells_ends_the_load(
    platform: Platform,
    make_source: MakeSource,
    server: SftpServer,
    monkeypatch: pytest.MonkeyPatch,
    more: int,
) -> None:
    told = _Folder.stat

    def other(self: _Folder, path: str) -> Any:
        found = told(self, path)
        if path.endswith(".csv"):
            found.st_size += more
        return found

    monkeypatch.setattr(_Folder, "stat", other)
    source = sftp_source(make_source, f"sized_{more + 3}", server, server.host_key, token=PASSWORD)
    loads = platform.ingest(source)
    assert {load.file_name: (load.error_class, load.rows_read) for load in loads} == {
        "readme.txt": ("file_not_read", 0),
        "november.csv": ("file_changing", 0),
        "october.csv": ("file_changing", 0),
    }


def test_a_file_that_was_just_put_on_the_server_is_left_to_the_next_run(
    platform: Platform, make_source: MakeSource, server: SftpServer, folder: Path
) -> None:
    source = sftp_source(make_source, "settling", server, server.host_key, token=PASSWORD)
    source = source.model_copy(update={"settle_seconds": 60})
    settled = (folder / "october.csv").stat().st_mtime - 120
    os.utime(folder / "october.csv", (settled, settled))
    assert [load.file_name for load in platform.ingest(source)] == ["october.csv"]


def test_a_source_without_a_declared_key_is_no_source(
    make_source: MakeSource, server: SftpServer
) -> None:
    with pytest.raises(Exception, match="host_key"):
        sftp_source(make_source, "no_key", server, "''", token=PASSWORD)


def test_a_watched_folder_leaves_what_is_still_being_written(
    platform: Platform, make_source: MakeSource, folder: Path
) -> None:
    source = make_source(
        "watched",
        f"""
        kind: register
        deadline: none
        settle_seconds: 60
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}"}}]
        entities:
          rows:
            table: watched
            role: case
            kind: appeal
            key: id
            files: "*.csv"
            record: {{text: text}}
        """,
    )
    assert platform.ingest(source) == []
    settled = (folder / "october.csv").stat().st_mtime - 120
    os.utime(folder / "october.csv", (settled, settled))
    assert [load.file_name for load in platform.ingest(source)] == ["october.csv"]
