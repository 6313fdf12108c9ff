"""How the text of a file is encoded: declared, told by a byte order mark, or detected."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from charset_normalizer import from_bytes

from ingestion.formats.delivered import DeliveredFile
from ingestion.source import Format

_SAMPLE = 256 << 10
# What Russian offices write; anything else has to be declared.
_CANDIDATES = ["utf_8", "cp1251", "koi8_r", "cp866", "utf_16"]
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The name of a codec, and who told it: `declared`, `marked` or `detected`."""

    name: str
    told: str

    @property
    def found(self) -> dict[str, str]:
        """For the ledger: what nobody had declared."""
        return {} if self.told == "declared" else {"encoding": f"{self.name} ({self.told})"}

    @property
    def is_utf8(self) -> bool:
        return codecs.lookup(self.name).name in ("utf-8", "utf-8-sig")


def encoding_of(file: DeliveredFile, declared: Format) -> Encoding:
    """A byte order mark speaks for itself, whatever is declared."""
    with file.path.open("rb") as binary:
        start = binary.read(_SAMPLE)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return Encoding(name, "marked")
    if declared.encoding != "detect":
        return Encoding(declared.encoding, "declared")
    if len(start) == _SAMPLE:
        start = start[: start.rfind(b"\n") + 1] or start
    with contextlib.suppress(UnicodeDecodeError):
        start.decode("utf-8")
        return Encoding("utf-8", "detected")
    best = from_bytes(start, cp_isolation=_CANDIDATES).best()
    if best is None:
        raise file.refused("encoding_mismatch", "its encoding could not be detected")
    return Encoding(best.encoding, "detected")


@contextlib.contextmanager
def transcoded(path: Path, encoding: Encoding) -> Iterator[BinaryIO]:
    """The file as UTF-8 bytes without a mark. UnicodeDecodeError for bytes that are not so."""
    with path.open("rb") as binary:
        if encoding.is_utf8:
            if binary.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                binary.seek(0)
            yield binary
        else:
            recoder = codecs.EncodedFile(binary, "utf-8", encoding.name)
            yield cast(BinaryIO, recoder)
