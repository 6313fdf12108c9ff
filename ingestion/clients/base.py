"""What every client yields: deliveries of pages of items."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from ingestion.errors import FetchError, RecordError
from ingestion.source import Entity, Region, Source, Window

PAGE_ITEMS = 2_000
_ENVELOPE = "tsur_item"
# Names of files that a program has open or a copy is not done with.
_PASSING = (".", "~$")
_CHUNK = 1 << 20


@dataclass(slots=True)
class Item:
    """One record as the source wrote it.

    `derived` holds what the client knows from the context of the answer (rules read it as
    `@name`). `error` marks an item that could be told apart but not read; `raw` are then its
    bytes, or those of its fields.
    """

    fields: dict[str, Any]
    row_number: int | None = None
    derived: dict[str, Any] = field(default_factory=dict)
    error: RecordError | None = None
    raw: bytes | None = None

    def packed(self) -> bytes:
        """The bytes to keep: its own, or its fields with what the client derived."""
        if self.raw is not None:
            return self.raw
        envelope = {_ENVELOPE: {"fields": self.fields, "derived": self.derived}}
        return json.dumps(envelope, sort_keys=True).encode()

    @classmethod
    def unpacked(cls, packed: bytes) -> Item | None:
        """The item of `packed`; None when the bytes are the source's own, to be read again."""
        try:
            envelope = json.loads(packed)
        except ValueError:
            return None
        if not isinstance(envelope, dict) or set(envelope) != {_ENVELOPE}:
            return None
        kept = envelope[_ENVELOPE]
        return cls(kept["fields"], derived=kept["derived"])


class Block(Protocol):
    """Items that were not told apart yet: whoever converts the page does it. Picklable."""

    def items(self) -> list[Item]: ...


@dataclass(slots=True)
class Page:
    """Some items that came together, or a block of them.

    `name` tells their answer where a delivery has many: the place of what goes to quarantine.
    `sha256` is that of the file or answer they were in. `found` is what reading it told about
    its form: encoding, separator, sheet, layout. `is_end_told` is False when nobody tells whether
    the file or answer went on: its last records may be missing, so absence says nothing.
    """

    items: list[Item]
    sha256: str | None = None
    bytes_read: int = 0
    unknown_columns: tuple[str, ...] = ()
    block: Block | None = None
    found: dict[str, str] = field(default_factory=dict)
    is_end_told: bool = True
    name: str | None = None

    def emptied(self) -> Page:
        """The page without its items."""
        return replace(self, items=[], block=None)


@dataclass(slots=True)
class Delivery:
    """What becomes one load: a file, or all answers of one window.

    `observed_at` is set only when the delivery itself tells when it was observed.
    """

    name: str
    pages: Iterator[Page]
    observed_at: datetime | None = None
    sha256: str | None = None


class Client(Protocol):
    """A protocol. One client object serves one region and one run."""

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        ...

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        """What the source gives for the window. Raises FetchError and, while pages are read,
        UnreadableAnswer with the bytes."""
        ...

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        """The same file or answer again (replay): `path` holds its bytes until the last page."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on disk with its digest."""

    path: Path
    name: str
    sha256: str
    size: int

    @classmethod
    def measure(cls, path: Path) -> LocalFile:
        digest = hashlib.sha256()
        size = 0
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return cls(path, path.name, digest.hexdigest(), size)


def chosen_names(
    present: list[str],
    source: Source,
    region: Region,
    entity: Entity,
    place: str,
    *,
    default: str = "*",
) -> list[str]:
    """Which of the files in a place hold an entity, in the order of their names.

    A delivery may hold some of the entities: none of this one is no error when there are files
    of another. Upper and lower case are the same, as people type them; what programs leave
    beside a file they have open is no file. FetchError when there is no file of any entity.
    `default` is the pattern of an entity that declares none.
    """
    patterns = {
        name: region.files.get(name) or one.files or default
        for name, one in source.entities.items()
    }
    names = sorted(name for name in present if not name.startswith(_PASSING))

    def found(pattern: str) -> list[str]:
        return [name for name in names if fnmatchcase(name.casefold(), pattern.casefold())]

    if not any(found(pattern) for pattern in patterns.values()):
        wanted = ", ".join(dict.fromkeys(patterns.values()))
        raise FetchError("folder_empty", f"Looked for {wanted} in {place}")
    return found(patterns[entity.name])


def files_of(source: Source, region: Region, entity: Entity, *, default: str = "*") -> list[Path]:
    """The files of a local endpoint that hold an entity, in the order of their names.

    In a folder that is watched, a file younger than `settle_seconds` is still being written: the
    next run takes it.
    """
    endpoint = Path(region.endpoint)
    if endpoint.is_file():
        if len(source.entities) == 1:
            return [endpoint]  # it can be nothing else, whatever it is called
        present = [endpoint]
    elif endpoint.is_dir():
        present = [path for path in endpoint.iterdir() if path.is_file()]
    else:
        raise FetchError("file_not_found", f"Expected for region {region.code}: {endpoint}")
    names = chosen_names(
        [path.name for path in present], source, region, entity, str(endpoint), default=default
    )
    folder = endpoint if endpoint.is_dir() else endpoint.parent
    settled = time.time() - source.settle_seconds
    return [
        folder / name
        for name in names
        if not source.settle_seconds or (folder / name).stat().st_mtime <= settled
    ]
