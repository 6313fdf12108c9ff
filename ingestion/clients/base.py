"""What every client yields: deliveries of pages of items."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from ingestion.errors import FetchError, RecordError
from ingestion.source import Entity, Region, Source, Window

# What a page holds at most: so many items, and no further one after so many characters.
PAGE_ITEMS = 1_000
PAGE_SIZE = 2 << 20
_ENVELOPE = "tsur_item"
# Names of files that a program has open or a copy is not done with.
_PASSING = (".", "~$")
_CHUNK = 1 << 20
# Names that a message tells of a folder.
_MOST_LISTED = 20


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
    """Items that were not told apart yet: whoever converts the page does it. Picklable.

    `is_costly` tells that reading such blocks alone keeps a core busy.
    """

    @property
    def is_costly(self) -> bool: ...

    def items(self) -> Iterable[Item]: ...


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

    def records(self) -> Iterable[Item]:
        """What the page holds, told apart."""
        return self.items if self.block is None else self.block.items()

    def emptied(self) -> Page:
        """The page without its items."""
        return replace(self, items=[], block=None)


@dataclass(slots=True)
class Delivery:
    """What becomes one load: a file, or all answers of one window.

    `observed_at` is set only when the delivery itself tells when it was observed. `refusal` says
    why a file is not read at all: it has no pages, and the others of its folder are read.
    """

    name: str
    pages: Iterator[Page]
    observed_at: datetime | None = None
    sha256: str | None = None
    refusal: FetchError | None = None

    @classmethod
    def refused(cls, name: str, error: FetchError) -> Delivery:
        return cls(name, iter(()), refusal=error)


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


# The entries of a folder by name: why one of them must not be read, None for a file.
Entries = Mapping[str, FetchError | None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of the entries of a folder: the files of an entity, and what is not read and why.

    `left_aside` is told with the first entity of a source, once and not for each of them.
    """

    names: list[str]
    left_aside: list[Delivery]


def chosen_names(
    present: Entries,
    source: Source,
    region: Region,
    entity: Entity,
    place: str,
    *,
    default: str = "*",
) -> Chosen:
    """Which of the entries of a folder hold an entity, in the order of their names.

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

    wanted = ", ".join(dict.fromkeys(patterns.values()))
    if not any(found(pattern) for pattern in patterns.values()):
        there = f"; there is {_listed(names)}" if names else ""
        raise FetchError("folder_empty", f"Looked for {wanted} in {place}{there}")
    left_aside = []
    if entity.name == next(iter(source.entities)):
        # Regions may share a folder: what belongs to another one is in its place.
        shared = (one.files for one in source.regions if one.endpoint == region.endpoint)
        taken = {*patterns.values(), *(one for files in shared for one in files.values())}
        expected = {name for pattern in taken for name in found(pattern)}
        for name in names:
            reason = present[name]
            if reason is None and name not in expected:
                reason = FetchError("file_not_read", f"{name} in {place} fits none of {wanted}")
            if reason is not None:
                left_aside.append(Delivery.refused(name, reason))
    chosen = [name for name in found(patterns[entity.name]) if present[name] is None]
    return Chosen(chosen, left_aside)


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _entries(folder: Path) -> Entries:
    """What is in a folder. A link that leads out of it would be read with the loader's rights."""
    top = os.path.realpath(folder)
    found: dict[str, FetchError | None] = {}
    for path in folder.iterdir():
        error = None
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
            error = FetchError("link_refused", f"{path.name} in {folder}")
        elif not path.is_file():
            kind = "a folder" if path.is_dir() else "no regular file"
            error = FetchError("file_not_read", f"{path.name} in {folder} is {kind}")
        found[path.name] = error
    return found


def folder_of(
    source: Source, region: Region, entity: Entity, *, default: str = "*"
) -> tuple[list[Path], list[Delivery]]:
    """The files of a local endpoint that hold an entity, in the order of their names, and what
    is left aside.

    In a folder that is watched, a file younger than `settle_seconds` is still being written: the
    next run takes it.
    """
    endpoint = Path(region.endpoint)
    present: Entries
    if endpoint.is_file():
        if len(source.entities) == 1:
            return [endpoint], []  # it can be nothing else, whatever it is called
        present = {endpoint.name: None}
    elif endpoint.is_dir():
        present = _entries(endpoint)
    else:
        raise FetchError("file_not_found", f"Expected for region {region.code}: {endpoint}")
    chosen = chosen_names(present, source, region, entity, str(endpoint), default=default)
    folder = endpoint if endpoint.is_dir() else endpoint.parent
    settled = time.time() - source.settle_seconds

    def is_settled(name: str) -> bool:
        return not source.settle_seconds or (folder / name).lstat().st_mtime <= settled

    paths = [folder / name for name in chosen.names if is_settled(name)]
    return paths, [one for one in chosen.left_aside if is_settled(one.name)]


def files_of(source: Source, region: Region, entity: Entity, *, default: str = "*") -> list[Path]:
    """The files of `folder_of` alone."""
    return folder_of(source, region, entity, default=default)[0]
