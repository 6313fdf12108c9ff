"""Asks every chart of every published dashboard for its data, as an official would get it.

The requests go through Superset's own API and permission checks, in this process, without a server.
Exit code 0 only when every chart answered; each that did not is named with its reason.

    PYTHONPATH=superset PYTHON -m tsur_superset.verify [--as official] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from tsur_superset import query_context  # noqa: E402
from tsur_superset.sync import Login, SyncError, read_logins  # noqa: E402


def main() -> int:
    """Entry point; prints a line a chart, or one JSON document."""
    parser = argparse.ArgumentParser(description="Does every chart of every dashboard answer?")
    parser.add_argument("--as", dest="login", default="official", help="key of the logins file")
    parser.add_argument("--json", action="store_true", help="the answers as JSON")
    arguments = parser.parse_args()
    try:
        logins = read_logins(Path(os.environ.get("TSUR_SUPERSET_LOGINS", "")))
        from superset.app import create_app

        login = next(x for x in logins if x.key == arguments.login)
        answers = ask_every_chart(create_app(), login)
    except (SyncError, StopIteration) as error:
        print(f"superset verify: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(answers, ensure_ascii=False, indent=1))
    else:
        for answer in answers:
            outcome = "ОШИБКА" if answer["error"] else "ok"
            print(f"{outcome:<6} {answer['rows']:>6} {answer['chart']} {answer['error']}")
    return 1 if not answers or any(answer["error"] for answer in answers) else 0


def verify_all(app: Any, logins: list[Login]) -> list[str]:
    """One line per chart of `app` that does not answer the official."""
    started = time.monotonic()
    answers = ask_every_chart(app, next(x for x in logins if x.key == "official"))
    print(
        f"superset: опрошено диаграмм: {len(answers)}, {time.monotonic() - started:.1f} с",
        flush=True,
    )
    if not answers:
        return ["ни на одном дашборде нет диаграмм"]
    return [f"«{a['chart']}» ({a['dashboard']}): {a['error']}" for a in answers if a["error"]]


def ask_every_chart(app: Any, login: Login) -> list[dict[str, Any]]:
    """For every chart of the published dashboards: dashboard, chart, rows, caption and error.

    Call it outside of an application context: each request needs one of its own, or the login of
    the first is taken for the others."""
    from superset.extensions import db
    from superset.models.dashboard import Dashboard

    client = app.test_client()
    token = client.post(
        "/api/v1/security/login",
        json={"username": login.username, "password": login.password, "provider": "db"},
    )
    if token.status_code != 200:
        raise SyncError(f"the login {login.username} is refused ({token.status_code})")
    headers = {"Authorization": f"Bearer {token.get_json()['access_token']}"}
    questions = []
    with app.app_context():
        for dashboard in db.session.query(Dashboard).filter(Dashboard.published.is_(True)):
            period = _default_period(dashboard)
            questions += [
                (
                    dashboard.dashboard_title,
                    chart.slice_name,
                    chart.query_context,
                    dashboard.id,
                    period,
                )
                for chart in sorted(dashboard.slices, key=lambda item: item.id)
            ]
    return [_ask(client, headers, *question) for question in questions]


def _default_period(dashboard: Any) -> str | None:
    for item in json.loads(dashboard.json_metadata or "{}").get("native_filter_configuration", []):
        if item["filterType"] == "filter_time":
            period: str | None = item["defaultDataMask"]["filterState"].get("value")
            return period
    return None


def _ask(
    client: Any,
    headers: dict[str, str],
    dashboard: str,
    chart: str,
    context: str | None,
    number: int,
    period: str | None,
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "dashboard": dashboard,
        "chart": chart,
        "rows": 0,
        "caption": "",
        "error": "",
    }
    if not context:
        return {**answer, "error": "нет запроса (query_context); выполните `tsur superset sync`"}
    question = query_context.with_period(json.loads(context), period)
    question["form_data"]["dashboardId"] = number
    response = client.post("/api/v1/chart/data", json=question, headers=headers)
    body = response.get_json(silent=True) or {}
    if response.status_code != 200:
        return {
            **answer,
            "error": f"{response.status_code}: {body or response.data[:300]!r}",
        }
    result = body["result"][0]
    if result.get("error"):
        return {**answer, "error": str(result["error"])}
    rows = result["data"]
    caption = rows[0].get("Основание", "") if rows else ""
    return {**answer, "rows": len(rows), "caption": caption}


if __name__ == "__main__":
    sys.exit(main())
