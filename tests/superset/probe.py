"""Runs inside Superset's environment and prints, as one JSON line, what the tests ask about."""

from __future__ import annotations

import copy
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import chart_sql  # noqa: E402
from superset.app import create_app  # noqa: E402
from superset.utils import date_parser  # noqa: E402
from tsur_superset import assets, query_context, sync, verify  # noqa: E402

app = create_app()
declared = assets.load()
logins = sync.read_logins(Path(os.environ["TSUR_SUPERSET_LOGINS"]))
by_key = {login.key: login for login in logins}
seen: dict[str, Any] = {}
# Before the first request: the grammar is built, and simplified already.
seen["period_parser"] = [
    date_parser.datetime_parser.cache_info().currsize,
    date_parser.datetime_parser().streamlined,
]


def state() -> dict[str, Any]:
    """Ids by UUID, rights by role, rules: everything that a second run must leave alone."""
    from superset.connectors.sqla.models import RowLevelSecurityFilter
    from superset.extensions import db, security_manager

    with app.app_context():
        found: dict[str, Any] = {
            kind: {str(item.uuid): item.id for item in db.session.query(model)}
            for kind, model in sync._models().items()
        }
        found["contexts"] = {
            str(item.uuid): item.query_context
            for item in db.session.query(sync._models()["charts"])
        }
        found["roles"] = {
            role.name: sorted(str(permission) for permission in role.permissions)
            for role in security_manager.get_all_roles()
        }
        found["rules"] = {
            rule.name: [rule.id, str(rule.filter_type), rule.clause, len(rule.tables)]
            for rule in db.session.query(RowLevelSecurityFilter)
        }
        found["users"] = {
            user.username: [user.id, [role.name for role in user.roles]]
            for user in security_manager.get_all_users()
        }
    return found


def client_of(username: str, password: str) -> tuple[Any, dict[str, str]]:
    client = app.test_client()
    token = client.post(
        "/api/v1/security/login",
        json={"username": username, "password": password, "provider": "db"},
    ).get_json()["access_token"]
    return client, {"Authorization": f"Bearer {token}"}


def rows(who: tuple[Any, dict[str, str]], context: dict[str, Any]) -> list[dict[str, Any]]:
    answer = who[0].post("/api/v1/chart/data", json=context, headers=who[1])
    return answer.get_json()["result"][0]["data"] if answer.status_code == 200 else []


before = state()
sync.synchronise(app, declared, logins)
seen["before"], seen["after"] = before, state()
seen["answers"] = verify.ask_every_chart(app, by_key["official"])

contexts = {}
with app.app_context():
    from superset.extensions import db

    for chart in db.session.query(sync._models()["charts"]):
        contexts[chart.slice_name] = json.loads(chart.query_context)
    analyst_database = (
        db.session.query(sync._models()["databases"])
        .filter_by(database_name="Хранилище (аналитик)")
        .one()
        .id
    )

official = client_of(by_key["official"].username, by_key["official"].password)
analyst = client_of(by_key["analyst"].username, by_key["analyst"].password)
PERIOD = "2025-12-01 : 2026-12-01"
rating = query_context.with_period(contexts["Рейтинг органов"], PERIOD)
seen["rating"] = rows(official, rating)
seen["rating_one_region"] = rows(
    official, query_context.with_filter(rating, "region_name", ["Псковская область"])
)
seen["rating_one_body"] = rows(
    official,
    query_context.with_filter(rating, "body_name", [seen["rating"][1]["body_name"]]),
)
seen["rating_of_2025"] = rows(
    official, query_context.with_period(contexts["Рейтинг органов"], "2025-01-01 : 2026-01-01")
)
seen["caption_of_two_months"] = rows(
    official,
    query_context.with_period(contexts["Основание: Рейтинг органов"], "2026-10-05 : 2026-11-20"),
)
sources = query_context.with_period(contexts["Данные источников"], "2025-01-01 : 2026-01-01")
seen["sources"] = rows(official, sources)
seen["sources_of_one_region"] = rows(
    official, query_context.with_filter(sources, "region_name", ["Псковская область"])
)
months = query_context.with_period(contexts["Сроки по месяцам"], PERIOD)
seen["months"] = rows(official, months)
caption = query_context.with_period(contexts["Основание: Соблюдение сроков"], PERIOD)
seen["caption"] = rows(official, caption)
seen["caption_one_channel"] = rows(
    official, query_context.with_filter(caption, "channel_name", ["Городской портал"])
)
share = query_context.with_period(contexts["Соблюдение сроков"], PERIOD)
seen["share"] = rows(official, share)
# What the list of a filter asks for.
listed = copy.deepcopy(contexts["Соблюдение сроков"])
listed["queries"][0].update(columns=["municipality_name"], metrics=[], filters=[], extras={})
seen["municipalities"] = rows(official, listed)


def sql_of(context: dict[str, Any]) -> str:
    asked = {**context, "result_type": "query"}
    answer = official[0].post("/api/v1/chart/data", json=asked, headers=official[1])
    return str(answer.get_json()["result"][0]["query"])


seen["chart_sql"] = list(chart_sql.of_every_chart(declared, contexts, sql_of))


def sql_lab(who: tuple[Any, dict[str, str]], statement: str) -> list[Any]:
    token = who[0].get("/api/v1/security/csrf_token/", headers=who[1]).get_json()["result"]
    answer = who[0].post(
        "/api/v1/sqllab/execute/",
        json={
            "database_id": analyst_database,
            "sql": statement,
            "runAsync": False,
            "client_id": f"probe{len(statement)}",
            "schema": "marts",
        },
        headers={**who[1], "X-CSRFToken": token, "Referer": "http://localhost/"},
    )
    body = answer.get_json(silent=True) or {}
    return [answer.status_code, body.get("data"), answer.get_data(as_text=True)[:2000]]


seen["official_sql_lab"] = sql_lab(official, "select 1 as one")
seen["official_pages"] = {
    path: official[0].get(path, headers=official[1]).status_code
    for path in (
        "/api/v1/database/",
        "/api/v1/sqllab/",
        "/api/v1/query/",
        "/api/v1/log/",
        "/api/v1/security/users/",
        "/api/v1/rowlevelsecurity/",
        "/api/v1/dashboard/overview",
    )
}
seen["analyst_marts"] = sql_lab(analyst, "select count(*) as n from marts.mart_block_workload")
seen["analyst_raw"] = sql_lab(analyst, "select * from raw.pos_messages")

# Somebody with an official's rights whom no rule of row security names.
with app.app_context():
    from superset.extensions import security_manager

    role = security_manager.add_role("Посторонний")
    role.permissions = list(security_manager.find_role("Должностное лицо").permissions)
    security_manager.add_user("stranger", "A", "B", "stranger@tsur.invalid", role, "stranger-1")
    db.session.commit()
seen["stranger_rows"] = len(rows(client_of("stranger", "stranger-1"), rating))

# The official of one block, who asks what somebody else has just been answered.
with app.app_context():
    official_role = security_manager.find_role("Должностное лицо")
    for name in ("physician", "without a block"):
        mail = f"{name.replace(' ', '.')}@tsur.invalid"
        security_manager.add_user(name, "A", "B", mail, official_role, f"{name}-1")
    db.session.commit()
physician = client_of("physician", "physician-1")
seen["physician_rating"] = rows(physician, rating)
seen["physician_months"] = rows(physician, months)
seen["physician_sources"] = len(rows(physician, sources))
seen["without_a_block"] = len(rows(client_of("without a block", "without a block-1"), rating))

# One chart less in the files, and one that an analyst made himself.
less = copy.deepcopy(declared)
gone = next(
    key for key, chart in less.charts.items() if chart["slice_name"] == "Дней на разбор остатка"
)
del less.charts[gone]
for dashboard in less.dashboards.values():
    position = dashboard["position"]
    for key, node in list(position.items()):
        if isinstance(node, dict) and node.get("meta", {}).get("uuid") == gone:
            position[node["parents"][-1]]["children"].remove(key)
            del position[key]
with app.app_context():
    chart_model, dataset_model = sync._models()["charts"], sync._models()["datasets"]
    own = chart_model(
        slice_name="Моя диаграмма", viz_type="table", params="{}", datasource_type="table",
        datasource_id=db.session.query(dataset_model).first().id,
    )  # fmt: skip
    db.session.add(own)
    db.session.commit()
    seen["own"] = str(own.uuid)
sync.synchronise(app, less, logins)
seen["gone"] = [gone, assets.caption_uuid(gone)]
seen["after_removal"] = state()

visitor = app.test_client()
login_page = visitor.get("/login/")
seen["csp"] = login_page.headers["Content-Security-Policy"]
seen["login_page"] = login_page.get_data(as_text=True)
pack = visitor.get("/superset/language_pack/ru/").get_json()["locale_data"]["superset"]
seen["phrases"] = {key: pack[key][0] for key in ("Filters and controls", "Retry", "N/A")}
seen["scripts_with_telemetry"] = [
    path.name
    for path in (Path(app.static_folder) / "assets").glob("*.js")
    if b"gateway.scarf.sh" in path.read_bytes()
    and b"gateway.scarf.sh" in visitor.get(f"/static/assets/{path.name}").data
]
attempts = [
    visitor.post(
        "/api/v1/security/login",
        json={"username": "official", "password": f"guess {number}", "provider": "db"},
    )
    for number in range(7)
]
seen["guesses"] = [answer.status_code for answer in attempts]
seen["refusal"] = attempts[-1].get_data(as_text=True)
print(json.dumps(seen, ensure_ascii=False, default=str))
sys.stdout.flush()
