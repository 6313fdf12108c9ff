"""Pseudonyms and sealing."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from ingestion.vault import Vault, VaultKeyError, create_key_file, is_pseudonym

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


def test_a_pseudonym_is_the_hmac_that_the_contract_names() -> None:
    expected = hmac.new(
        bytes(range(32)), "person\x1fиванова мария".encode(), hashlib.sha256
    ).hexdigest()[:32]
    assert Vault(KEY).pseudonym("person", "Иванова Мария") == f"p_{expected}"


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("person", "Иванова  Мария ", "ИВАНОВА МАРИЯ"),
        ("person", "Семёнов Пётр", "Семенов Петр"),
        ("phone", "8 (912) 345-67-89", "+79123456789"),
        ("email", "Petrova@Mail.ru", "petrova@mail.ru"),
    ],
)
def test_one_person_has_one_pseudonym_however_written(kind: str, one: str, other: str) -> None:
    vault = Vault(KEY)
    assert vault.pseudonym(kind, one) == vault.pseudonym(kind, other)


def test_another_key_gives_another_pseudonym() -> None:
    other = base64.urlsafe_b64encode(bytes(32)).decode()
    assert Vault(KEY).pseudonym("person", "x") != Vault(other).pseudonym("person", "x")


def test_a_kind_keeps_its_own_pseudonyms() -> None:
    vault = Vault(KEY)
    assert vault.pseudonym("account", "42") != vault.pseudonym("person", "42")


def test_what_is_sealed_opens_with_the_same_key_only() -> None:
    sealed = Vault(KEY).seal("Иванова".encode())
    assert "Иванова".encode() not in sealed
    assert Vault(KEY).unseal(sealed).decode() == "Иванова"
    with pytest.raises(InvalidToken):
        Vault(base64.urlsafe_b64encode(bytes(32))).unseal(sealed)


def test_a_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    create_key_file(path)
    assert path.stat().st_mode & 0o077 == 0
    assert is_pseudonym(Vault(path).pseudonym("person", "x"))
    with pytest.raises(FileExistsError):
        create_key_file(path)


@pytest.mark.parametrize("key", ["not base64 at all", "c2hvcnQ=", ""])
def test_a_wrong_key_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(VaultKeyError) as caught:
        Vault(key)
    assert not key or key not in str(caught.value)


def test_a_vault_does_not_print_its_key() -> None:
    assert KEY not in repr(Vault(KEY))
