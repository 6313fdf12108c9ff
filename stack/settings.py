"""The one typed settings object of the platform.

Sources, strongest first: environment variables `TSUR_*`, `.env` at the repository's root,
`home.json` in the home folder (what the first run decided and later runs keep), defaults.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from stack.credentials import Credentials

REPOSITORY = Path(__file__).resolve().parents[1]
HOME_FILE = "home.json"


class Settings(BaseSettings):
    """Every setting, its variable is `TSUR_` and the name in capitals; see `.env.example`."""

    model_config = SettingsConfigDict(env_prefix="TSUR_", extra="ignore", frozen=True)

    home: Path = Field(REPOSITORY / ".tsur", description="Folder of everything that runs")
    environments: Path = Field(
        REPOSITORY / ".tsur" / "env", description="Folder of the two Python environments"
    )
    database_url: SecretStr | None = Field(
        None, description="Administrator's URL of a PostgreSQL >= 15; empty = the embedded server"
    )
    port_base: int = Field(
        18000, ge=1024, le=65_400, description="Every port below is this number plus its own"
    )
    postgres_port: int = Field(0, description="Embedded PostgreSQL (base + 54)")
    airflow_port: int = Field(0, description="Airflow api-server (base + 80)")
    superset_port: int = Field(0, description="Superset (base + 88)")
    pages_port: int = Field(0, description="Quality report and data dictionary (base + 90)")
    sandbox_port: int = Field(0, description="Sandbox sources (base + 31)")
    recorded_vk_port: int = Field(0, description="Recorded VK answers (base + 32)")

    sandbox_cases: int = Field(30_000, gt=0, description="Cases that the sandbox makes")
    sandbox_full: bool = Field(False, description="Every source of the sandbox, not the demo's few")
    sandbox_seed: int = Field(20260101, description="Seed of the sandbox")
    as_of: dict[str, datetime] = Field(
        default_factory=dict, description='Region code or "*" to the moment reports are drawn for'
    )
    data: Path | None = Field(None, description="Folder of real data (make demo-real DATA=…)")
    log_days: int = Field(14, gt=0, description="Days that logs and run metadata are kept")
    text_retention_days: int | None = Field(
        None, gt=0, description="Days that texts are kept after a case was closed; empty = for ever"
    )
    quarantine_retention_days: int | None = Field(
        None, gt=0, description="Days that bytes of refused records are kept; empty = for ever"
    )
    vault_retention_days: int | None = Field(
        None, gt=0, description="Days that an identity is kept after its last use; empty = for ever"
    )
    withdrawal_days: int = Field(
        90, gt=0, description="Days that a load can be withdrawn without those after it"
    )

    @field_validator("home", "environments", "data")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @field_validator(
        "text_retention_days", "quarantine_retention_days", "vault_retention_days", mode="before"
    )
    @classmethod
    def _empty_is_for_ever(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("as_of")
    @classmethod
    def _zoned(cls, value: dict[str, datetime]) -> dict[str, datetime]:
        for region, moment in value.items():
            if moment.tzinfo is None:
                raise ValueError(f"as_of of {region} has no UTC offset: write it, e.g. +03:00")
        return value

    def model_post_init(self, context: Any, /) -> None:
        for name, offset in _PORT_OFFSETS.items():
            if not getattr(self, name):
                # The model is frozen for its users; defaults that depend on others are set once.
                object.__setattr__(self, name, self.port_base + offset)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        dotenv = DotEnvSettingsSource(settings_cls, env_file=REPOSITORY / ".env")
        named = {**dotenv(), **env_settings(), **init_settings()}
        home = Path(named.get("home", cls.model_fields["home"].default)).expanduser()
        kept = InitSettingsSource(settings_cls, _read_home_file(home.resolve()))
        return init_settings, env_settings, dotenv, kept

    @cached_property
    def credentials(self) -> Credentials:
        """Passwords and keys of this home, made at the first call."""
        return Credentials.load_or_create(self.home / "secrets")

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def superset_url(self) -> str:
        return f"http://127.0.0.1:{self.superset_port}"

    @property
    def pages_url(self) -> str:
        return f"http://127.0.0.1:{self.pages_port}"

    @property
    def pages_folder(self) -> Path:
        """What the pages server shows: `quality/` and `dictionary/`."""
        return self.home / "pages"

    @property
    def dbt_project(self) -> Path:
        return REPOSITORY / "dbt_project"

    @property
    def dbt_target(self) -> Path:
        return self.home / "dbt" / "target"

    @property
    def platform_python(self) -> Path:
        return self.environments / "platform" / "bin" / "python"

    @property
    def superset_python(self) -> Path:
        return self.environments / "superset" / "bin" / "python"

    def keep(self, **decided: Any) -> None:
        """Write what this run decided (e.g. `as_of`) into the home, for all later runs."""
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / HOME_FILE
        kept = {**_read_home_file(self.home), **decided}
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(kept, indent=2, default=str) + "\n")
        temporary.replace(path)

    @property
    def is_started(self) -> bool:
        """True when something has been started in this home before."""
        return (self.home / HOME_FILE).exists()

    @property
    def moved_ports(self) -> dict[str, int]:
        """The ports that were set one by one."""
        return {
            name: getattr(self, name)
            for name, offset in _PORT_OFFSETS.items()
            if getattr(self, name) != self.port_base + offset
        }

    @property
    def as_of_variable(self) -> dict[str, str]:
        """The dbt variable `as_of`: region code or `*` to an ISO 8601 moment with offset."""
        return {region: moment.isoformat() for region, moment in self.as_of.items()}


_PORT_OFFSETS = {
    "sandbox_port": 31,
    "recorded_vk_port": 32,
    "postgres_port": 54,
    "airflow_port": 80,
    "superset_port": 88,
    "pages_port": 90,
}


def _read_home_file(home: Path) -> dict[str, Any]:
    path = home / HOME_FILE
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def get_settings() -> Settings:
    """The settings of this process. Read anew at each call: a home can change between two."""
    return Settings()


def temporary_folder(settings: Settings) -> Path:
    """Where the home's processes put what they need for a moment."""
    folder = settings.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that make a child process see the same home, without any secret."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "TMPDIR": str(temporary_folder(settings)),
        "TSUR_HOME": str(settings.home),
        "TSUR_ENVIRONMENTS": str(settings.environments),
    }
