"""Backup and restore of what cannot be made again: raw, ops, vault, nlp and audit.

What dbt builds and the seeds are left out: a build makes them again, to the same numbers. The
schema is not dumped either but migrated on the server that is restored to, so a backup fits any
PostgreSQL >= 15 and any later version of the program. Each table is one compressed file of COPY,
all read from one snapshot, while loads go on.

The vault is in a folder of its own, to be kept apart (DOMAIN.md 4), and its key is in neither
unless it is asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg
from cryptography.fernet import InvalidToken
from psycopg import sql

from expectations.tables import ensure as ensure_audit
from ingestion.migrations import downgrade, upgrade
from ingestion.vault import Vault, VaultKeyError
from nlp.tables import ensure as ensure_nlp
from stack.credentials import write_secret
from stack.database import Warehouse

FORMAT = 1
MANIFEST = "manifest.json"
VAULT_FOLDER = "vault"
KEY_FILE = Path("key") / "vault.key"
_WAREHOUSE_FOLDER = "warehouse"
_VERSION_TABLE = "ops.schema_version"
# Migrations write the first, every start the second, the first build the others.
_WRITTEN_ANEW = [
    _VERSION_TABLE,
    "ops.expected_loads",
    "ops.redacted_records",
    "audit.model_states",
    "audit.model_lineage",
]
# Who owns what stands in a schema, hence reads and writes it; a table may say otherwise.
_OWNERS = {
    "access": "owner",
    "raw": "owner",
    "ops": "owner",
    "vault": "owner",
    "nlp": "transformer",
    "audit": "transformer",
}
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z_][a-z0-9_]*")
_KEY_PROBE = b"tsur backup"
_BLOCK = 1 << 20

# Files done, files in all, and the table that is being copied.
BackupProgress = Callable[[int, int, str], None]


class BackupError(RuntimeError):
    """A backup that cannot be made or restored; the message says what to do."""


@dataclass(slots=True)
class TableCopy:
    """One table in a backup. `sequences` are identity columns with their last value; `owner` is
    the role that reads and writes it."""

    name: str
    columns: dict[str, str]
    owner: str = ""
    rows: int = 0
    sha256: str = ""
    size: int = 0
    sequences: dict[str, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _TABLE_NAME.fullmatch(self.name) or self.schema not in _OWNERS:
            raise BackupError(f"The manifest names {self.name!r}, which is no table of a backup.")
        self.owner = self.owner or _OWNERS[self.schema]
        if self.owner not in _OWNERS.values():
            raise BackupError(f"The manifest gives {self.name} to {self.owner!r}, who owns none.")

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def file(self) -> str:
        """The name of its file, in `warehouse/` or in `vault/`."""
        return f"{self.name}.copy.gz"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(*self.name.split(".", 1))

    @property
    def column_list(self) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(column) for column in self.columns)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: tables, rows and bytes of the files."""

    backup_id: str
    tables: int
    rows: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


# --- backup --------------------------------------------------------------------------------------


def backup(
    warehouse: Warehouse,
    folder: Path,
    *,
    vault_key: str,
    with_key: bool = False,
    home: dict[str, Any] | None = None,
    progress: BackupProgress | None = None,
) -> Copied:
    """Write everything that cannot be made again into `folder`, which must be new or empty.

    `with_key` puts the vault key beside it, in a file of mode 0600. `home` are settings that the
    numbers depend on (`as_of`); `restore` hands them back. The manifest is written last: a folder
    without one is no backup. Raises BackupError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} is not empty. Name a new folder for every backup.")
    for one in (folder, folder / _WAREHOUSE_FOLDER, folder / VAULT_FOLDER):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        one.chmod(0o700)
    with ExitStack() as stack:
        connections = _one_snapshot(warehouse, stack)
        revision = _revision(connections["owner"])
        tables = _tables(connections)
        for number, table in enumerate(tables):
            if progress is not None:
                progress(number, len(tables), table.name)
            place = VAULT_FOLDER if table.schema == "vault" else _WAREHOUSE_FOLDER
            _write(connections[table.owner], table, folder / place)
    if progress is not None:
        progress(len(tables), len(tables), "")
    backup_id = str(uuid.uuid4())
    common = {
        "format": FORMAT,
        "backup_id": backup_id,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision,
        # A keyed digest of a fixed text: tells this key from another, and nothing else.
        "key_check": Vault(vault_key).fingerprint(_KEY_PROBE).hex(),
        "home": home or {},
    }
    if with_key:
        (folder / KEY_FILE).parent.mkdir(mode=0o700)
        write_secret(folder / KEY_FILE, vault_key + "\n")
    for is_vault, part in ((True, folder / VAULT_FOLDER), (False, folder)):
        chosen = [table.as_dict() for table in tables if (table.schema == "vault") == is_vault]
        text = json.dumps({**common, "tables": chosen}, indent=1, default=str)
        (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return Copied(
        backup_id,
        len(tables),
        sum(table.rows for table in tables),
        sum(table.size for table in tables),
    )


def _one_snapshot(warehouse: Warehouse, stack: ExitStack) -> dict[str, psycopg.Connection[Any]]:
    """A connection of each owner; both see the same moment."""
    connections: dict[str, psycopg.Connection[Any]] = {}
    snapshot = None
    for role in dict.fromkeys(_OWNERS.values()):
        connection = stack.enter_context(psycopg.connect(warehouse.url(role)))
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if snapshot is None:
            row = connection.execute("select pg_export_snapshot()").fetchone()
            snapshot = None if row is None else row[0]
        else:
            connection.execute(sql.SQL("set transaction snapshot {}").format(snapshot))
        connections[role] = connection
    return connections


def _revision(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("select version_num from ops.schema_version").fetchone()
    if row is None:
        raise BackupError("The warehouse has no schema yet: there is nothing to back up.")
    return str(row[0])


def _tables(connections: dict[str, psycopg.Connection[Any]]) -> list[TableCopy]:
    """Every table, those that others refer to first."""
    connection = connections["owner"]
    found = connection.execute(
        """
        select n.nspname || '.' || c.relname,
            array_agg(a.attname::text order by a.attnum),
            array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum),
            array_agg(a.attname::text order by a.attnum) filter (where a.attidentity <> ''),
            pg_get_userbyid(min(c.relowner))
        from pg_class as c
        inner join pg_namespace as n on n.oid = c.relnamespace
        inner join pg_attribute as a on a.attrelid = c.oid
        where c.relkind = 'r' and n.nspname = any(%s) and a.attnum > 0 and not a.attisdropped
            and a.attgenerated = '' and n.nspname || '.' || c.relname <> all(%s)
        group by n.nspname, c.relname
        order by 1
        """,
        [list(_OWNERS), _WRITTEN_ANEW],
    ).fetchall()
    referred: dict[str, set[str]] = {name: set() for name, *_ in found}
    for name, other in connection.execute(
        """
        select rn.nspname || '.' || r.relname, fn.nspname || '.' || f.relname
        from pg_constraint as k
        inner join pg_class as r on r.oid = k.conrelid
        inner join pg_namespace as rn on rn.oid = r.relnamespace
        inner join pg_class as f on f.oid = k.confrelid
        inner join pg_namespace as fn on fn.oid = f.relnamespace
        where k.contype = 'f'
        """
    ):
        if name in referred and other in referred and name != other:
            referred[name].add(other)
    tables = {}
    for name, columns, types, identities, owner in found:
        fields = dict(zip(columns, types, strict=True))
        table = TableCopy(name, fields, owner.removeprefix("tsur_"))
        for column in identities or ():
            table.sequences[column] = _last_value(connections[table.owner], name, column)
        tables[name] = table
    ordered: list[TableCopy] = []
    while tables:
        ready = [name for name in tables if not referred[name] & tables.keys()]
        if not ready:
            raise BackupError(f"Tables refer to each other in a ring: {', '.join(tables)}")
        ordered += [tables.pop(name) for name in ready]
    return ordered


def _last_value(connection: psycopg.Connection[Any], table: str, column: str) -> int | None:
    """The last number that an identity column gave; None when it gave none."""
    row = connection.execute("select pg_get_serial_sequence(%s, %s)", [table, column]).fetchone()
    if row is None or row[0] is None:
        return None
    value = connection.execute(
        sql.SQL("select case when is_called then last_value end from {}").format(
            sql.SQL(cast(Any, row[0]))
        )
    ).fetchone()
    return None if value is None else value[0]


def _write(connection: psycopg.Connection[Any], table: TableCopy, folder: Path) -> None:
    path = folder / table.file
    with path.open("xb") as file:
        path.chmod(0o600)
        measured = _Measured(file)
        with (
            # Level 1 keeps up with the server; a stronger one would be the bottleneck.
            gzip.GzipFile(
                "", "wb", compresslevel=1, fileobj=cast(BinaryIO, measured), mtime=0
            ) as packed,
            connection.cursor() as cursor,
        ):
            with cursor.copy(
                sql.SQL("copy {} ({}) to stdout").format(table.identifier, table.column_list)
            ) as copy:
                for block in copy:
                    packed.write(block)
            table.rows = cursor.rowcount
    table.sha256 = measured.digest.hexdigest()
    table.size = measured.size


class _Measured:
    """A file that counts and digests what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.size += len(block)
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


# --- restore -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was found whole: every file is there and has its digest."""

    backup_id: str
    made_at: str
    revision: str
    key_check: str
    home: dict[str, Any]
    tables: tuple[TableCopy, ...]
    files: dict[str, Path]

    def opens_with(self, vault_key: str) -> bool:
        """True when this is the key that the vault was sealed with."""
        try:
            return Vault(vault_key).fingerprint(_KEY_PROBE).hex() == self.key_check
        except VaultKeyError:
            return False


def read(folder: Path, *, vault_folder: Path | None = None) -> Backup:
    """Read and verify a backup. `vault_folder` is where its vault is kept, if not in it.

    Raises BackupError that names what is missing or damaged.
    """
    apart = vault_folder or folder / VAULT_FOLDER
    manifest, vault_manifest = _manifest(folder), _manifest(apart)
    if manifest["backup_id"] != vault_manifest["backup_id"]:
        raise BackupError(
            f"{apart} is the vault of another backup ({vault_manifest['made_at']}). Name the one "
            f"of {manifest['made_at']} with --vault."
        )
    tables: list[TableCopy] = []
    files: dict[str, Path] = {}
    for place, content in ((folder / _WAREHOUSE_FOLDER, manifest), (apart, vault_manifest)):
        for entry in content["tables"]:
            table = TableCopy(**entry)
            path = place / table.file
            _verify(path, table)
            tables.append(table)
            files[table.name] = path
    return Backup(
        manifest["backup_id"],
        manifest["made_at"],
        manifest["revision"],
        manifest["key_check"],
        manifest["home"],
        tuple(tables),
        files,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        hint = (
            "Name the folder where the vault is kept with --vault."
            if folder.name == VAULT_FOLDER
            else "It is no backup, or one that was not finished."
        )
        raise BackupError(f"{path} cannot be read ({type(error).__name__}). {hint}") from None
    if content.get("format") != FORMAT:
        raise BackupError(
            f"{path} is of format {content.get('format')}; this program reads {FORMAT}."
        )
    return content


def _verify(path: Path, table: TableCopy) -> None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        raise BackupError(f"{path} is missing: the backup is not whole.") from None
    if digest.hexdigest() != table.sha256:
        raise BackupError(f"{path} is damaged: its sha256 is not the one in the manifest.")


def restore(
    warehouse: Warehouse,
    source: Backup,
    *,
    vault_key: str | None,
    before_filling: Callable[[], None] | None = None,
    progress: BackupProgress | None = None,
) -> Copied:
    """Fill an empty warehouse from a backup; all of it or nothing.

    The database and its schema are made, at the revision of the backup and then brought up to
    this program's. `vault_key` None skips the proof that the vault can be read. `before_filling`
    is called when the warehouse was found to be empty. The marts are made by the next build.

    Raises BackupError: the warehouse is not empty, the backup is of a later program, a count
    differs, or the key does not open the vault.
    """
    warehouse.create_roles()
    warehouse.create_database(warehouse.database, "tsur_owner")
    warehouse.grant()
    _refuse_content(warehouse)
    _bring_to(warehouse, source.revision)
    if before_filling is not None:
        before_filling()
    rows = 0
    with (
        psycopg.connect(warehouse.url("owner")) as owner,
        psycopg.connect(warehouse.url("transformer")) as transformer,
    ):
        connections = {"owner": owner, "transformer": transformer}
        ensure_nlp(transformer)
        ensure_audit(transformer)
        for number, table in enumerate(source.tables):
            if progress is not None:
                progress(number, len(source.tables), table.name)
            rows += _fill(connections[table.owner], table, source.files[table.name])
        if vault_key is not None:
            _prove(owner, vault_key)
    if progress is not None:
        progress(len(source.tables), len(source.tables), "")
    upgrade(warehouse.url("owner"))
    for role, connection_url in ((role, warehouse.url(role)) for role in connections):
        with psycopg.connect(connection_url, autocommit=True) as connection:
            for table in source.tables:
                if table.owner == role:
                    connection.execute(sql.SQL("analyze {}").format(table.identifier))
    size = sum(table.size for table in source.tables)
    return Copied(source.backup_id, len(source.tables), rows, size)


def _existing(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """The tables of the role that is connected."""
    for schema, name in connection.execute(
        "select schemaname, tablename from pg_tables"
        " where schemaname = any(%s) and tableowner = current_user order by 1, 2",
        [list(_OWNERS)],
    ).fetchall():
        if f"{schema}.{name}" not in _WRITTEN_ANEW:
            yield f"{schema}.{name}"


def _refuse_content(warehouse: Warehouse) -> None:
    for role in dict.fromkeys(_OWNERS.values()):
        with psycopg.connect(warehouse.url(role)) as connection:
            for name in _existing(connection):
                query = sql.SQL("select exists (select 1 from {})")
                row = connection.execute(
                    query.format(sql.Identifier(*name.split(".", 1)))
                ).fetchone()
                if row is not None and row[0]:
                    raise BackupError(
                        f"The warehouse is not empty ({name} has rows). A backup is restored "
                        "into a new home: set TSUR_HOME and TSUR_PORT_BASE."
                    )


def _bring_to(warehouse: Warehouse, revision: str) -> None:
    """The empty schema as it was when the backup was made."""
    from alembic.util import CommandError

    url = warehouse.url("owner")
    with psycopg.connect(url) as connection:
        row = connection.execute("select to_regclass(%s)", [_VERSION_TABLE]).fetchone()
        current = _revision(connection) if row is not None and row[0] is not None else None
    try:
        if current is not None and current != revision:
            downgrade(url, "base")
        upgrade(url, revision)
    except CommandError:
        raise BackupError(
            f"The backup has the schema {revision}, which this program does not know: it was made "
            "by a later version. Restore it with that one."
        ) from None


def _fill(connection: psycopg.Connection[Any], table: TableCopy, path: Path) -> int:
    if table.schema == "raw":
        connection.execute("select raw.create_entity_table(%s)", [table.name.split(".", 1)[1]])
    else:
        row = connection.execute("select to_regclass(%s)", [table.name]).fetchone()
        if row is None or row[0] is None:
            _create(connection, table)
    with connection.cursor() as cursor:
        statement = sql.SQL("copy {} ({}) from stdin").format(table.identifier, table.column_list)
        with gzip.open(path, "rb") as packed, cursor.copy(statement) as copy:
            while block := packed.read(_BLOCK):
                copy.write(block)
        rows = cursor.rowcount
    if rows != table.rows:
        raise BackupError(f"{table.name}: {rows} rows restored, the backup has {table.rows}.")
    for column, value in table.sequences.items():
        if value is not None:
            connection.execute(
                "select setval(pg_get_serial_sequence(%s, %s), %s)", [table.name, column, value]
            )
    return rows


def _create(connection: psycopg.Connection[Any], table: TableCopy) -> None:
    """A table that nobody migrates, such as those in which dbt keeps what failed its tests."""
    for kind in table.columns.values():
        row = connection.execute("select to_regtype(%s)", [kind]).fetchone()
        if row is None or row[0] is None:
            raise BackupError(f"{table.name} has a column of the type {kind}, which is not here.")
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(cast(Any, kind)))
        for name, kind in table.columns.items()
    )
    connection.execute(sql.SQL("create table {} ({})").format(table.identifier, columns))


def _prove(connection: psycopg.Connection[Any], vault_key: str) -> None:
    """One sealed value opens with the key."""
    row = connection.execute(
        "select value_sealed from vault.identities where value_sealed is not null limit 1"
    ).fetchone()
    if row is None:
        return
    try:
        Vault(vault_key).unseal(bytes(row[0]))
    except InvalidToken:
        raise BackupError(
            "The key does not open the vault of this backup; nothing was restored. Give the key "
            "of the home that was backed up with --key."
        ) from None
