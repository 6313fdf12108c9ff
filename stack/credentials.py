"""Random passwords and keys of one home, in a file of mode 0600."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stack.database import APPLICATION_ROLES, ROLES

FILE_NAME = "credentials.json"


def _password() -> str:
    return secrets.token_urlsafe(18)


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


class Login(BaseModel):
    """A person's or a program's login on a web application."""

    username: str
    password: str = Field(default_factory=_password)


class Credentials(BaseModel):
    """What must stay secret. Lives in `secrets/credentials.json` of the home.

    `vault_key` is the only one that cannot be made anew: without it pseudonyms cannot be
    continued and sealed values cannot be read.
    """

    model_config = ConfigDict(extra="forbid")

    postgres_admin: str = Field(default_factory=_password)
    database_roles: dict[str, str] = Field(
        default_factory=lambda: {role: _password() for role in (*ROLES, *APPLICATION_ROLES)}
    )
    vault_key: str = Field(default_factory=_key)
    sandbox_token: str = Field(default_factory=_password)
    airflow_fernet_key: str = Field(default_factory=_key)
    airflow_jwt_secret: str = Field(default_factory=_key)
    airflow_session_key: str = Field(default_factory=_key)
    superset_secret_key: str = Field(default_factory=_key)
    airflow: dict[str, Login] = Field(
        default_factory=lambda: {"admin": Login(username="admin")},
    )
    superset: dict[str, Login] = Field(
        default_factory=lambda: {
            "admin": Login(username="admin"),
            "analyst": Login(username="analyst"),
            "official": Login(username="official"),
        },
    )

    @field_validator("database_roles")
    @classmethod
    def _every_role(cls, given: dict[str, str]) -> dict[str, str]:
        """A home of before a role was added gets a password for it."""
        return {role: _password() for role in (*ROLES, *APPLICATION_ROLES)} | given

    @classmethod
    def load_or_create(cls, folder: Path) -> Credentials:
        """Read the file; make it, complete it and set its mode where need be."""
        path = folder / FILE_NAME
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = path.read_text(encoding="utf-8") if path.exists() else "{}"
        credentials = cls.model_validate_json(before)
        unchanged = json.loads(before) == credentials.model_dump()
        write_secret(path, before if unchanged else credentials.model_dump_json(indent=2) + "\n")
        # Superset runs in another environment, which reads just its own logins.
        write_secret(
            folder / "superset_logins.json",
            json.dumps({name: login.model_dump() for name, login in credentials.superset.items()}),
        )
        write_secret(folder / "sandbox_token", credentials.sandbox_token)
        return credentials


def keep_vault_key(folder: Path, vault_key: str) -> None:
    """Make a key that came with a backup the home's; only before anything was sealed."""
    credentials = Credentials.load_or_create(folder)
    kept = credentials.model_copy(update={"vault_key": vault_key})
    write_secret(folder / FILE_NAME, kept.model_dump_json(indent=2) + "\n")


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all or nothing."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        path.chmod(0o600)
        return
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
