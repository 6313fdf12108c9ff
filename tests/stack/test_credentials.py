"""Secrets of a home: random, kept, readable by their owner only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from stack.credentials import Credentials


def test_the_second_call_gives_the_same_secrets(tmp_path: Path) -> None:
    assert Credentials.load_or_create(tmp_path) == Credentials.load_or_create(tmp_path)


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    first, second = (
        json.loads(Credentials.load_or_create(tmp_path / name).model_dump_json())
        for name in ("one", "two")
    )
    assert set(_leaves(first)) & set(_leaves(second)) == {"admin", "analyst", "official"}


def test_only_the_owner_can_read_a_file_of_secrets(tmp_path: Path) -> None:
    Credentials.load_or_create(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_a_mode_that_was_loosened_is_set_again(tmp_path: Path) -> None:
    Credentials.load_or_create(tmp_path)
    (tmp_path / "credentials.json").chmod(0o644)
    Credentials.load_or_create(tmp_path)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_a_secret_that_a_later_version_needs_is_added_and_the_others_stay(tmp_path: Path) -> None:
    before = Credentials.load_or_create(tmp_path)
    path = tmp_path / "credentials.json"
    content = json.loads(path.read_text())
    del content["sandbox_token"]
    path.write_text(json.dumps(content))
    after = Credentials.load_or_create(tmp_path)
    assert after.sandbox_token
    assert after.vault_key == before.vault_key
    assert Credentials.load_or_create(tmp_path) == after


@pytest.mark.parametrize("name", ["vault_key", "airflow_fernet_key"])
def test_keys_are_of_the_form_that_fernet_takes(tmp_path: Path, name: str) -> None:
    key = getattr(Credentials.load_or_create(tmp_path), name)
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"text")) == b"text"


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [str(value)]
