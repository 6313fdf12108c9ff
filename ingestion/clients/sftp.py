"""Files that a source puts on an SFTP server: listed, and fetched one at a time."""

from __future__ import annotations

import contextlib
import hashlib
import stat
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paramiko
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from ingestion.clients.base import Chosen, LocalFile, chosen_names
from ingestion.errors import FetchError
from ingestion.source import Entity, Region, Source
from ingestion.spool import nameless_file

_CHUNK = 1 << 18
_DEFAULT_PORT = 22


class SftpFolder:
    """The folder or file that `sftp://user@host:port/path` names.

    The server has to show the key that the region declares as `host_key`; nothing is trusted on
    first sight. The account is known by the source's `token` (a password) or `private_key`.
    Raises FetchError; its text holds neither of them.
    """

    def __init__(self, source: Source, region: Region) -> None:
        parts = urlsplit(region.endpoint)
        self._source = source
        self._region = region
        self._host = parts.hostname or ""
        self._port = parts.port or _DEFAULT_PORT
        self._user = unquote(parts.username or "")
        self._path = unquote(parts.path) or "/"
        self.calls = 0

    @property
    def address(self) -> str:
        """The address for logs and errors, without the account."""
        return f"sftp://{self._host}:{self._port}{self._path}"

    def files(self, entity: Entity) -> Iterator[tuple[str, LocalFile | FetchError]]:
        """The files that hold an entity, in the order of their names, each for one turn.

        What is left aside comes first; in place of it and of a file that is too large its error.
        """
        with self._session() as session:
            chosen = self._chosen(session, entity)
            for aside in chosen.left_aside:
                if aside.refusal is not None:
                    yield aside.name, aside.refusal
            for name in chosen.names:
                with nameless_file() as path:
                    yield self._fetched(session, name, path)

    @contextlib.contextmanager
    def _session(self) -> Iterator[paramiko.SFTPClient]:
        transport: paramiko.Transport | None = None
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type((OSError, EOFError)),
                stop=stop_after_attempt(self._source.attempts),
                wait=wait_exponential(max=30),
                reraise=True,
            ):
                with attempt:
                    self.calls += 1
                    transport = self._connected()
        except paramiko.BadHostKeyException:
            raise FetchError(
                "host_key_mismatch", f"{self._host} for region {self._region.code}"
            ) from None
        except paramiko.AuthenticationException:
            raise FetchError("http_unauthorised", f"{self.address} refused the account") from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            detail = f"{self.address}: {type(error).__name__}"
            raise FetchError("http_connection", detail) from None
        if transport is None:
            raise FetchError("http_connection", self.address)
        try:
            session = paramiko.SFTPClient.from_transport(transport)
            if session is None:
                raise FetchError("http_connection", f"{self.address} opens no SFTP session")
            with session:
                yield session
        except (paramiko.SSHException, EOFError) as error:
            detail = f"{self.address}: {type(error).__name__}"
            raise FetchError("http_connection", detail) from None
        finally:
            transport.close()

    def _connected(self) -> paramiko.Transport:
        transport = paramiko.Transport((self._host, self._port))
        transport.banner_timeout = transport.auth_timeout = self._source.timeout_seconds
        try:
            transport.start_client(timeout=self._source.timeout_seconds)
            self._check_key(transport.get_remote_server_key())
            key = self._source.private_key
            password = self._source.token
            if key is not None:
                transport.auth_publickey(self._user, _private_key(key.get_secret_value()))
            else:
                transport.auth_password(self._user, password.get_secret_value() if password else "")
        except BaseException:
            transport.close()
            raise
        return transport

    def _check_key(self, shown: paramiko.PKey) -> None:
        declared = (self._region.host_key or "").split()
        if [shown.get_name(), shown.get_base64()] != declared[:2]:
            raise FetchError("host_key_mismatch", f"{self._host} for region {self._region.code}")

    def _chosen(self, session: paramiko.SFTPClient, entity: Entity) -> Chosen:
        try:
            mode = session.stat(self._path).st_mode or 0
            if not stat.S_ISDIR(mode):
                return Chosen([self._path], [])
            listed = {one.filename: one for one in session.listdir_attr(self._path)}
        except OSError:
            detail = f"Expected for region {self._region.code}: {self.address}"
            raise FetchError("file_not_found", detail) from None
        present = {name: self._refusal(name, one.st_mode or 0) for name, one in listed.items()}
        chosen = chosen_names(present, self._source, self._region, entity, self.address)
        settled = time.time() - self._source.settle_seconds

        def is_settled(name: str) -> bool:
            return not self._source.settle_seconds or (listed[name].st_mtime or 0) <= settled

        folder = self._path.rstrip("/")
        names = [f"{folder}/{name}" for name in chosen.names if is_settled(name)]
        return Chosen(names, [one for one in chosen.left_aside if is_settled(one.name)])

    def _refusal(self, name: str, mode: int) -> FetchError | None:
        """Why an entry is not read. Where a link of the server leads cannot be seen from here."""
        if stat.S_ISREG(mode):
            return None
        if stat.S_ISLNK(mode):
            return FetchError("link_refused", f"{name} in {self.address}")
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        return FetchError("file_not_read", f"{name} in {self.address} is {kind}")

    def _fetched(
        self, session: paramiko.SFTPClient, name: str, path: Path
    ) -> tuple[str, LocalFile | FetchError]:
        limit = self._source.max_megabytes << 20
        told = Path(name).name
        digest = hashlib.sha256()
        size = 0
        self.calls += 1
        try:
            told_size = session.stat(name).st_size
            with session.open(name, "rb") as remote, path.open("wb") as local:
                remote.prefetch(min(told_size or 0, limit + 1))
                while chunk := remote.read(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        allowed = self._source.max_megabytes
                        error = FetchError("answer_too_large", f"{told} exceeds {allowed} MB")
                        return told, error
                    digest.update(chunk)
                    local.write(chunk)
            now = session.stat(name).st_size
        except OSError as failure:
            detail = f"{self.address}, {told}: {type(failure).__name__}"
            raise FetchError("http_connection", detail) from None
        if any(one not in (size, None) for one in (told_size, now)):
            detail = f"{told}: {told_size} bytes, {size} of them read, now {now}"
            return told, FetchError("file_changing", detail)
        return told, LocalFile(path, told, digest.hexdigest(), size)


def _private_key(text: str) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException):
            key: paramiko.PKey = kind.from_private_key(StringIO(text))
            return key
    raise FetchError("http_unauthorised", "the private key of the source cannot be read")
