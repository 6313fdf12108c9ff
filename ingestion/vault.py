"""Identities: replaced by keyed pseudonyms before they land, kept sealed in `vault.identities`.

The pseudonym is an HMAC, so the same person has the same key in every source and load, and nobody
can compute it without the vault key (DOMAIN.md 4). The value itself is sealed with Fernet, under a
key derived from the vault key, for the data operator.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UNIT = "\x1f"
_PSEUDONYM = re.compile(r"p_[0-9a-f]{32}")
_SPACES = re.compile(r"\s+")
_NOT_DIGITS = re.compile(r"\D+")


class VaultKeyError(ValueError):
    """The vault key is not 32 bytes in url-safe base64."""


def create_key_file(path: Path) -> None:
    """Make a new key, readable by its owner only. FileExistsError when there is one already."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii") + "\n")


def normalise(kind: str, value: str) -> str:
    """One spelling per identity: a phone by its digits, the rest without case and spaces."""
    if kind == "phone":
        digits = _NOT_DIGITS.sub("", value)
        if len(digits) == 11 and digits[0] == "8":
            digits = "7" + digits[1:]
        return digits or value.strip()
    return _SPACES.sub(" ", value).strip().casefold().replace("ё", "е")


class Vault:
    """Makes pseudonyms and seals bytes.

    `key` is the vault key: url-safe base64 of 32 bytes as text, or the path of a file with it.
    """

    def __init__(self, key: str | bytes | Path) -> None:
        if isinstance(key, Path):
            key = key.read_text(encoding="ascii")
        text = key.decode("ascii") if isinstance(key, bytes) else key
        try:
            self._key = base64.urlsafe_b64decode(text.strip())
        except (binascii.Error, ValueError) as error:
            raise VaultKeyError("the vault key is not url-safe base64") from error
        if len(self._key) != 32:
            raise VaultKeyError(f"the vault key has {len(self._key)} bytes instead of 32")
        # Sealing has its own key, so that a leaked sealing key would not yield pseudonyms.
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tsur vault seal").derive(
            self._key
        )
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))
        self._hmac = hmac.new(self._key, digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return "Vault(key hidden)"

    def __reduce__(self) -> tuple[object, ...]:
        # For the worker processes of a load: through a pipe, never through arguments or files.
        return Vault, (base64.urlsafe_b64encode(self._key),)

    def pseudonym(self, kind: str, value: str) -> str:
        """`p_` and 32 hex digits of HMAC-SHA256(vault key, kind ␟ normalised value)."""
        digest = self._hmac.copy()
        digest.update(f"{kind}{UNIT}{normalise(kind, value)}".encode("utf-8", "surrogatepass"))
        return "p_" + digest.hexdigest()[:32]

    def fingerprint(self, *parts: bytes) -> bytes:
        """A keyed digest of bytes: tells equal from different, tells nothing else."""
        digest = self._hmac.copy()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def seal(self, content: bytes) -> bytes:
        """Encrypted and signed bytes (Fernet)."""
        return self._fernet.encrypt(content)

    def unseal(self, sealed: bytes) -> bytes:
        """The bytes that were sealed; cryptography.fernet.InvalidToken for another key's."""
        return self._fernet.decrypt(sealed)


def is_pseudonym(value: object) -> bool:
    """True for a value that `Vault.pseudonym` made."""
    return isinstance(value, str) and _PSEUDONYM.fullmatch(value) is not None
