"""Brings Superset to what the files declare: metadata schema, roles, logins, assets, row security.

One process does it all, since each start of Superset costs seconds. Running it again changes
nothing: objects are found by UUID (roles and rules by name) and keep their ids. What is no longer
declared is removed, as far as it came from here; what people made themselves is left alone.

    PYTHONPATH=superset PYTHON -m tsur_superset.sync [--verify]
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.exc import SAWarning

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from tsur_superset import assets as asset_files  # noqa: E402
from tsur_superset import contracts, query_context  # noqa: E402
from tsur_superset.identity import login_option  # noqa: E402

ACCESS = HERE.parent / "access"
MANAGED = "Заведено из файлов репозитория"
# The login of a key in the logins file gets the role declared under this key.
ROLE_OF_LOGIN = {"admin": "Admin", "official": "tsur_official", "analyst": "tsur_analyst"}
ADDRESS_VARIABLES = {
    "Витрины ЦУР": "TSUR_SUPERSET_OFFICIAL_DATABASE_URL",
    "Хранилище (аналитик)": "TSUR_SUPERSET_ANALYST_DATABASE_URL",
}
MONTHS_SHOWN = 12


class SyncError(Exception):
    """Something the operator has to put right; the message says what and how."""


@dataclass(frozen=True)
class Login:
    """One entry of the logins file."""

    key: str
    username: str
    password: str


def main() -> int:
    """Entry point; 0 when Superset is as declared (and, with `--verify`, every chart answers)."""
    warnings.filterwarnings("ignore", category=SAWarning)
    parser = argparse.ArgumentParser(
        description="Superset: schema, roles, logins, assets, row security."
    )
    parser.add_argument(
        "--assets", type=Path, default=asset_files.ASSETS, help="folder of the assets"
    )
    parser.add_argument("--verify", action="store_true", help="then ask every chart for its data")
    parser.add_argument("--check-only", action="store_true", help="check the files and stop")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        declared = asset_files.load(arguments.assets)
        asset_files.check(declared, _contracts())
        _say(
            f"файлы проверены: диаграмм {len(declared.charts)},"
            f" наборов данных {len(declared.datasets)}"
        )
        if arguments.check_only:
            return 0
        logins = read_logins(Path(_required("TSUR_SUPERSET_LOGINS")))
        with _step("запуск Superset"):
            from superset.app import create_app

            app = create_app()
        synchronise(app, declared, logins)
        if arguments.verify:
            from tsur_superset.verify import verify_all

            faults = verify_all(app, logins)
            if faults:
                print("superset sync: диаграммы не отвечают:", *faults, sep="\n", file=sys.stderr)
                return 1
    except (SyncError, asset_files.AssetError) as error:
        print(f"superset sync: {error}", file=sys.stderr)
        return 1
    _say(f"готово за {time.monotonic() - started:.1f} с")
    return 0


def read_logins(path: Path) -> list[Login]:
    """Logins from the JSON file `{"official": {"username": …, "password": …}, …}`, which may also
    stand under the key `superset`.

    Raises `SyncError` when the file can be read by others or has an unknown key."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SyncError(f"logins file {path} cannot be read: {error!r}") from None
    content = content.get("superset", content)
    if mode & 0o077:
        raise SyncError(f"logins file {path} has mode {mode:04o}; run chmod 600 on it")
    unknown = set(content) - set(ROLE_OF_LOGIN)
    if unknown:
        raise SyncError(f"logins file {path}: unknown key {', '.join(sorted(unknown))}")
    return [Login(key, entry["username"], entry["password"]) for key, entry in content.items()]


def synchronise(app: Any, declared: asset_files.Assets, logins: list[Login]) -> None:
    """Brings the metadata behind `app` to what is declared; see the module's text.

    Raises `SyncError` or `AssetError`; nothing of the assets is then half imported."""
    with app.app_context():
        with _step("схема метаданных"):
            _migrate()
        from superset.extensions import db, security_manager

        with _step("права и роли"):
            _create_permissions(app)
            roles = _declared_roles()
            for role in roles.values():
                if security_manager.find_role(role["name"]) is None:
                    security_manager.add_role(role["name"])
        with _step("учётные записи"):
            for login in logins:
                _ensure_login(login, roles)
            db.session.commit()
        with _step("диаграммы и дашборды"):
            addresses = {
                key: _address(config["database_name"]) for key, config in declared.databases.items()
            }
            official = next(
                addresses[key]
                for key, config in declared.databases.items()
                if config["database_name"] == "Витрины ЦУР"
            )
            period = default_period(official, login=_named(logins, "official"))
            complete = asset_files.complete(declared, default_period=period)
            _import(complete, addresses, admin=_named(logins, "admin"))
            _prune(complete)
            _write_query_contexts(complete)
            db.session.commit()
        with _step("доступ к данным"):
            _grant(roles, declared)
            _row_level_security(roles, declared)
            db.session.commit()
        with _step("журнал и кэш"):
            _prune_logs(int(app.config["LOG_RETENTION_DAYS"]))
            db.session.commit()
            from superset.extensions import cache_manager

            cache_manager.data_cache.clear()
            cache_manager.cache.clear()


def _named(logins: list[Login], key: str) -> str:
    return next(login.username for login in logins if login.key == key)


def default_period(address: str, *, login: str) -> str | None:
    """The twelve months up to the month of the report, `FIRST : DAY AFTER THE LAST`.

    Taken from the deadline mart as `login` sees it, so that a warehouse of past years opens on its
    own last year. None when the mart is missing or empty: the dashboard then has no period."""
    import psycopg2
    from sqlalchemy.engine import make_url

    dsn = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with (
            psycopg2.connect(dsn, connect_timeout=10, options=login_option(login)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "select max(month_date)::date from marts.mart_deadline_compliance"
                " where due_cohort > 0"
            )
            row = cursor.fetchone()
    except psycopg2.errors.UndefinedTable:
        return None
    except psycopg2.Error as error:
        raise SyncError(f"the warehouse does not answer the official's role: {error}") from None
    last: date | None = row[0] if row else None
    return None if last is None else period_ending(last)


def period_ending(last_month: date) -> str:
    """The time range of the twelve months that end with `last_month` (the first day of a month)."""
    ordinal = last_month.year * 12 + last_month.month - 1
    first, after = ordinal - MONTHS_SHOWN + 1, ordinal + 1
    return " : ".join(f"{n // 12:04d}-{n % 12 + 1:02d}-01" for n in (first, after))


def _migrate() -> None:
    import logging

    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from flask_migrate import upgrade
    from superset.extensions import db

    import superset

    folder = Path(superset.__file__).parent / "migrations"
    scripts = ScriptDirectory(str(folder))
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    if set(current) == set(scripts.get_heads()):
        return
    logging.disable(logging.INFO)
    try:
        upgrade(directory=str(folder))
    finally:
        logging.disable(logging.NOTSET)


def _create_permissions(app: Any) -> None:
    """What `superset init` does, only when the installed version has not been initialised yet."""
    from superset.extensions import appbuilder, db, security_manager

    if security_manager.find_role("Admin") is None or not _has_all_declared_permissions():
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()
    else:
        security_manager.create_missing_perms()


def _declared_roles() -> dict[str, dict[str, Any]]:
    roles: dict[str, dict[str, Any]] = yaml.safe_load((ACCESS / "roles.yml").read_text("utf-8"))
    for role in roles.values():
        inherited = roles[role["extends"]]["permissions"] if "extends" in role else []
        role["all_permissions"] = [tuple(pair) for pair in [*inherited, *role["permissions"]]]
    return roles


def _has_all_declared_permissions() -> bool:
    from superset.extensions import security_manager

    return all(
        security_manager.find_permission_view_menu(*pair)
        for role in _declared_roles().values()
        for pair in role["all_permissions"]
    )


def _ensure_login(login: Login, roles: dict[str, dict[str, Any]]) -> None:
    from superset.extensions import security_manager
    from werkzeug.security import check_password_hash

    key = ROLE_OF_LOGIN[login.key]
    role = security_manager.find_role(roles[key]["name"] if key in roles else key)
    first_name = roles[key]["name"] if key in roles else "Администратор"
    user = security_manager.find_user(username=login.username)
    if user is None:
        user = security_manager.add_user(
            login.username,
            first_name,
            "ЦУР",
            f"{login.username}@tsur.invalid",
            role,
            login.password,
        )
        if not user:
            raise SyncError(f"the login {login.username} could not be created; see the log above")
        return
    if [item.name for item in user.roles] != [role.name]:
        user.roles = [role]
    if not check_password_hash(user.password, login.password):
        security_manager.reset_password(user.id, login.password)


def _address(database_name: str) -> str:
    from sqlalchemy.engine import make_url

    try:
        variable = ADDRESS_VARIABLES[database_name]
    except KeyError:
        raise SyncError(
            f"no variable gives the address of the database «{database_name}»"
        ) from None
    url = make_url(_required(variable)).set(drivername="postgresql+psycopg2")
    return str(url.render_as_string(hide_password=False))


def _import(declared: asset_files.Assets, addresses: dict[str, str], *, admin: str) -> None:
    from superset.commands.exceptions import CommandInvalidError, ImportFailedError
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.extensions import security_manager
    from superset.utils.core import override_user

    with override_user(security_manager.find_user(username=admin)):
        try:
            ImportAssetsCommand(asset_files.bundle(declared, addresses)).run()
        except CommandInvalidError as error:
            raise SyncError(f"assets refused: {error.normalized_messages()}") from None
        except ImportFailedError as error:
            raise SyncError(f"assets not imported: {error.__cause__ or error!r}") from None


def _models() -> dict[str, Any]:
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    return {"dashboards": Dashboard, "charts": Slice, "datasets": SqlaTable, "databases": Database}


def _prune(declared: asset_files.Assets) -> None:
    from superset.extensions import db

    for kind, model in _models().items():
        for item in db.session.query(model).filter(model.is_managed_externally.is_(True)):
            if str(item.uuid) not in declared.kind(kind):
                _say(f"удалено: {kind} {item.uuid} «{item}»")
                db.session.delete(item)
        db.session.flush()


def _write_query_contexts(declared: asset_files.Assets) -> None:
    from superset.extensions import db

    model = _models()["charts"]
    for item in db.session.query(model).filter(model.uuid.in_(list(declared.charts))):
        context = query_context.build(
            json.loads(item.params), dataset_id=item.datasource_id, chart_id=item.id
        )
        text = json.dumps(context, ensure_ascii=False, sort_keys=True)
        if item.query_context != text:
            item.query_context = text


def _grant(roles: dict[str, dict[str, Any]], declared: asset_files.Assets) -> None:
    from superset.extensions import db, security_manager

    models = _models()
    datasets = db.session.query(models["datasets"]).filter(
        models["datasets"].uuid.in_(list(declared.datasets))
    )
    databases = {item.database_name: item for item in db.session.query(models["databases"])}
    everything = [("datasource_access", item.get_perm()) for item in datasets]
    for key, role in roles.items():
        pairs = [*role["all_permissions"]]
        if role["datasets"] == "all":
            pairs += everything
        pairs += [("database_access", databases[name].perm) for name in role["databases"]]
        wanted = []
        for pair in pairs:
            found = security_manager.find_permission_view_menu(*pair)
            if found is None and pair[0] != "datasource_access":
                raise SyncError(
                    f"access/roles.yml: {key}: Superset has no permission {pair[0]} on {pair[1]}"
                )
            wanted.append(found or security_manager.add_permission_view_menu(*pair))
        target = security_manager.find_role(role["name"])
        if {item.id for item in target.permissions} != {item.id for item in wanted}:
            target.permissions = wanted


def _row_level_security(roles: dict[str, dict[str, Any]], declared: asset_files.Assets) -> None:
    from superset.connectors.sqla.models import RowLevelSecurityFilter, SqlaTable
    from superset.extensions import db, security_manager

    rules = yaml.safe_load((ACCESS / "row_level_security.yml").read_text("utf-8"))
    tables = db.session.query(SqlaTable).filter(SqlaTable.uuid.in_(list(declared.datasets))).all()

    def role_named(key: str) -> Any:
        found = security_manager.find_role(roles[key]["name"] if key in roles else key)
        if found is None:
            raise SyncError(f"access/row_level_security.yml: no role {key}")
        return found

    by_key = {rule["role"]: role_named(rule["role"]) for rule in rules["roles"]}
    wanted = [(rules["base"], "Base", list(by_key.values()), tables)]
    wanted += [
        (rule, "Regular", [by_key[rule["role"]]], covered)
        for rule in rules["roles"]
        if (covered := [table for table in tables if _is_of(rule, table)])
    ]
    # The base rule does not hold for these roles: without a rule of its own all would be seen.
    for key in by_key:
        bare = [
            table.table_name
            for table in tables
            if not any(rule["role"] == key and _is_of(rule, table) for rule in rules["roles"])
        ]
        if bare:
            raise SyncError(
                f"access/row_level_security.yml: {key} has no rule for {', '.join(sorted(bare))}"
            )
    existing = {item.name: item for item in db.session.query(RowLevelSecurityFilter)}
    for rule, kind, rule_roles, covered in wanted:
        item = existing.pop(rule["name"], None)
        if item is None:
            item = RowLevelSecurityFilter(name=rule["name"])
            db.session.add(item)
        item.description, item.filter_type = MANAGED, kind
        item.clause, item.group_key = rule["clause"], None
        if {role.id for role in item.roles} != {role.id for role in rule_roles}:
            item.roles = rule_roles
        if {table.id for table in item.tables} != {table.id for table in covered}:
            item.tables = covered
    for name, item in existing.items():
        if item.description == MANAGED:
            _say(f"удалено: правило доступа «{name}»")
            db.session.delete(item)


def _is_of(rule: dict[str, Any], table: Any) -> bool:
    """A rule may speak of the datasets with some columns only, or without some."""
    columns = {column.column_name for column in table.columns}
    has, lacks = set(rule.get("with", [])), set(rule.get("without", []))
    return has <= columns and not lacks & columns


def _prune_logs(days: int) -> None:
    """The action log grows by three rows a request; the query log by one a chart."""
    from superset.extensions import db
    from superset.models.core import Log
    from superset.models.sql_lab import Query

    border = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    db.session.query(Log).filter(Log.dttm < border).delete(synchronize_session=False)
    db.session.query(Query).filter(Query.changed_on < border).delete(synchronize_session=False)


def _contracts() -> dict[str, set[str]] | None:
    manifest = os.environ.get("TSUR_DBT_MANIFEST", "")
    if not manifest:
        return None
    if not Path(manifest).is_file():
        raise SyncError(
            f"TSUR_DBT_MANIFEST names {manifest}, which is not there: run `tsur build` first"
        )
    return contracts.from_manifest(Path(manifest))


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SyncError(f"{name} is not set; see superset/README.md")
    return value


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    _say(f"{name}: {time.monotonic() - started:.1f} с")


def _say(text: str) -> None:
    print(f"superset: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
