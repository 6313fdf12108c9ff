"""Superset's configuration: every value that differs between machines comes from the environment.

The variables are listed in README.md. The module is found because `PYTHONPATH` names this folder;
the repository root must not be on the path, the folder would shadow the package `superset`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from tsur_superset.catalogue import install_catalogue
from tsur_superset.identity import login_option
from tsur_superset.interface import install_corrections
from tsur_superset.login_throttle import LoginThrottle
from tsur_superset.periods import prepare_period_parser


def _required(name: str, meaning: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise RuntimeError(f"{name} is not set: {meaning}. See superset/README.md.")
    return value


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    try:
        return int(value) if value else default
    except ValueError:
        raise RuntimeError(f"{name}={value!r} is not a whole number.") from None


# --- where things are -----------------------------------------------------------------------------
SECRET_KEY = _required("TSUR_SUPERSET_SECRET_KEY", "it signs sessions and seals stored passwords")
if len(SECRET_KEY) < 32:
    raise RuntimeError("TSUR_SUPERSET_SECRET_KEY is shorter than 32 characters.")
# The platform speaks psycopg 3, this environment psycopg 2: only the driver part is replaced.
SQLALCHEMY_DATABASE_URI = (
    make_url(_required("TSUR_SUPERSET_DATABASE_URL", "Superset keeps its own metadata there"))
    .set(drivername="postgresql+psycopg2")
    .render_as_string(hide_password=False)
)
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 5, "max_overflow": 10, "pool_pre_ping": True}
SUPERSET_WEBSERVER_PORT = _number("TSUR_SUPERSET_PORT", 8088)
SUPERSET_WEBSERVER_TIMEOUT = 60

# --- language and numbers -------------------------------------------------------------------------
BABEL_DEFAULT_LOCALE = "ru"
LANGUAGES = {"ru": {"flag": "ru", "name": "Русский"}}
_NO_BREAK_SPACE = "\u00a0"
D3_FORMAT = {
    "decimal": ",",
    "thousands": _NO_BREAK_SPACE,
    "grouping": [3],
    "currency": ["", f"{_NO_BREAK_SPACE}₽"],
    "percent": f"{_NO_BREAK_SPACE}%",
    "minus": "−",
}
D3_TIME_FORMAT = {
    "dateTime": "%d.%m.%Y %H:%M",
    "date": "%d.%m.%Y",
    "time": "%H:%M:%S",
    "periods": ["", ""],
    "days": [
        "воскресенье", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота",
    ],
    "shortDays": ["вс", "пн", "вт", "ср", "чт", "пт", "сб"],
    "months": [
        "январь", "февраль", "март", "апрель", "май", "июнь",
        "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
    ],
    "shortMonths": [
        "янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек",
    ],
}  # fmt: skip

# --- appearance -----------------------------------------------------------------------------------
APP_NAME = "ЦУР"
_LOGO = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='150' height='48'%3E"
    "%3Ctext x='0' y='35' font-family='sans-serif' font-size='34' font-weight='700'"
    " fill='%231f4e79'%3EЦУР%3C/text%3E%3C/svg%3E"
)
_SPINNER = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40' width='40' height='40'>"
    "<circle cx='20' cy='20' r='16' fill='none' stroke='#1f6fae' stroke-width='4'"
    " stroke-dasharray='70 30'><animateTransform attributeName='transform' type='rotate'"
    " from='0 20 20' to='360 20 20' dur='1s' repeatCount='indefinite'/></circle></svg>"
)
THEME_DEFAULT: dict[str, Any] = {
    "token": {
        "brandAppName": APP_NAME,
        "brandLogoAlt": "Центр управления регионом",
        "brandLogoUrl": _LOGO,
        "brandLogoMargin": "18px 0",
        "brandLogoHref": "/",
        "brandLogoHeight": "24px",
        "brandSpinnerUrl": None,
        # Superset looks for its own in a source folder that the wheel does not have.
        "brandSpinnerSvg": _SPINNER,
        "colorPrimary": "#1f6fae",
        "colorLink": "#1f6fae",
        "colorError": "#b3261e",
        "colorWarning": "#d98e04",
        "colorSuccess": "#2e7d4f",
        "colorInfo": "#5b8fb9",
        # No font is fetched: the CSP forbids it, and a closed network has none to give.
        "fontUrls": [],
        "fontFamily": "Inter, 'PT Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif",
        "fontFamilyCode": "'IBM Plex Mono', 'DejaVu Sans Mono', monospace",
        "transitionTiming": 0.3,
        "brandIconMaxWidth": 80,
        "fontSizeXS": "8",
        "fontSizeXXL": "28",
        "fontWeightNormal": "400",
        "fontWeightLight": "300",
        "fontWeightStrong": "500",
        "fontWeightBold": "700",
        "colorEditorSelection": "#fff5cf",
    },
    "algorithm": "default",
}
THEME_DARK = None
ENABLE_UI_THEME_ADMINISTRATION = False
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []
THEME_FONTS_MAX_URLS = 0
FAVICONS = [{"href": "/static/assets/images/favicon.png"}]
# A scheme belongs to one chart: at dashboard level it would repaint the others.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "tsur_deadlines",
        "label": "ЦУР: сроки",
        "description": "В срок, с опозданием, просрочено",
        "colors": ["#2e7d4f", "#e0a100", "#b3261e", "#7a8794"],
    },
    {
        "id": "tsur_flows",
        "label": "ЦУР: потоки",
        "description": "Поступило, закрыто",
        "colors": ["#1f6fae", "#2e7d4f", "#7a8794"],
    },
    {
        "id": "tsur_single",
        "label": "ЦУР: один ряд",
        "description": "Один показатель",
        "colors": ["#1f6fae"],
    },
    {
        "id": "tsur_overdue",
        "label": "ЦУР: просрочено",
        "description": "Просроченные и открытые",
        "colors": ["#b3261e"],
    },
    {
        "id": "tsur_dimensions",
        "label": "ЦУР: измерения рейтинга",
        "description": "Слагаемые балла",
        "colors": ["#1f6fae", "#5fa777", "#e0a100", "#8a6fb0", "#b5651d"],
    },
]

# --- what is on and off ---------------------------------------------------------------------------
FEATURE_FLAGS = {
    "RLS_IN_SQLLAB": True,
    # The period filter reaches into the datasets that show the last finished week or quarter of it.
    "ENABLE_TEMPLATE_PROCESSING": True,
    "DASHBOARD_VIRTUALIZATION": False,
    "EMBEDDABLE_CHARTS": False,
    "DRILL_BY": False,
    "DRILL_TO_DETAIL": False,
    "ESCAPE_MARKDOWN_HTML": True,
    "THUMBNAILS": False,
    "ALERT_REPORTS": False,
    "CSS_TEMPLATES": False,
}
FAB_API_SWAGGER_UI = False
CELERY_CONFIG = None
ROW_LIMIT = 10_000
SQL_MAX_ROW = 50_000
SQLLAB_TIMEOUT = 30
NATIVE_FILTER_DEFAULT_ROW_LIMIT = 5_000
PREVENT_UNSAFE_DB_CONNECTIONS = True
DATASET_IMPORT_ALLOWED_DATA_URLS: list[str] = []
MAPBOX_API_KEY = ""
# No map of ours asks a tile server. An empty list breaks the interface at its start.
DECKGL_BASE_MAP = [["none", "Без подложки"]]
ENABLE_CORS = False

# --- cache ----------------------------------------------------------------------------------------
_CACHE_DIRECTORY = os.environ.get("TSUR_SUPERSET_CACHE_DIR", "")


def _cache(name: str, seconds: int) -> dict[str, Any]:
    """Files shared by the workers when a folder is given; otherwise memory of each worker.

    `sync` empties the shared one, so that a new build is seen at once."""
    config: dict[str, Any] = {
        "CACHE_DEFAULT_TIMEOUT": seconds,
        "CACHE_KEY_PREFIX": f"tsur_{name}_",
        "CACHE_THRESHOLD": 2_000,
    }
    if not _CACHE_DIRECTORY:
        return {**config, "CACHE_TYPE": "SimpleCache"}
    folder = Path(_CACHE_DIRECTORY) / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {**config, "CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder)}


CACHE_CONFIG = _cache("metadata", 300)
DATA_CACHE_CONFIG = _cache("data", 300)

# --- access ---------------------------------------------------------------------------------------
AUTH_TYPE = 1  # logins in the metadata database
AUTH_USER_REGISTRATION = False
PUBLIC_ROLE_LIKE = None
WTF_CSRF_ENABLED = True
SESSION_COOKIE_NAME = f"tsur_superset_{SUPERSET_WEBSERVER_PORT}"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = os.environ.get("TSUR_SUPERSET_HTTPS", "") == "1"
PERMANENT_SESSION_LIFETIME = 12 * 3600
ENABLE_PROXY_FIX = SESSION_COOKIE_SECURE
GUEST_TOKEN_JWT_SECRET = SECRET_KEY
GLOBAL_ASYNC_QUERIES_JWT_SECRET = SECRET_KEY
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "frame-ancestors": ["'self'"],
        "form-action": ["'self'"],
        # The interface sets styles inline; fonts and sheets come from here only.
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "referrer_policy": "same-origin",
    "force_https": False,
    "session_cookie_secure": SESSION_COOKIE_SECURE,
}

# --- logs -----------------------------------------------------------------------------------------
LOG_LEVEL = "WARNING"
LOG_RETENTION_DAYS = _number("TSUR_SUPERSET_LOG_DAYS", 30)
SILENCE_FAB = True

_throttle = LoginThrottle(
    failures_per_login=_number("TSUR_SUPERSET_LOGIN_FAILURES", 5),
    failures_per_address=_number("TSUR_SUPERSET_LOGIN_FAILURES_PER_ADDRESS", 30),
    window_seconds=_number("TSUR_SUPERSET_LOGIN_WINDOW_SECONDS", 300),
)


def DB_CONNECTION_MUTATOR(
    uri: Any, params: dict[str, Any], username: str | None, security_manager: Any, source: Any
) -> tuple[Any, dict[str, Any]]:
    """Tells the warehouse who asks: all officials come with one login of the database, and its
    policies show each the rows of his own blocks (`access.official_blocks`)."""
    arguments = params.setdefault("connect_args", {})
    arguments["options"] = login_option(username or "")
    return uri, params


def FLASK_APP_MUTATOR(app: Any) -> None:
    """Our corrections of the Russian catalogue, no telemetry, a limit on failed logins, a parser
    that threads can share."""
    install_catalogue(app)
    install_corrections(app)
    _throttle.install(app)
    prepare_period_parser()
