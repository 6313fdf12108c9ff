"""Corrections of Superset's Russian catalogue.

About 175 phrases of it are guesses of the translation tool («fuzzy»), and many are wrong. They are
replaced by ours from `translations/ru.json` (phrase: translation), both in the interface, which
reads a JSON pack, and in what the server says. The pack is served before login too: Superset
refuses it to a visitor, so the login page would stay English.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

OWN_CATALOGUE = Path(__file__).resolve().parents[1] / "translations" / "ru.json"
_PACK_PATH = "/superset/language_pack/ru/"


def own_phrases() -> dict[str, str]:
    """Our translations, by the English phrase."""
    phrases: dict[str, str] = json.loads(OWN_CATALOGUE.read_text("utf-8"))
    return phrases


@cache
def merged_pack() -> bytes:
    """Superset's Russian pack with our phrases over it, as the interface expects it."""
    from superset.translations.utils import get_language_pack

    shipped = get_language_pack("ru") or {}
    phrases = {**shipped["locale_data"]["superset"]}
    phrases.update({phrase: [text] for phrase, text in own_phrases().items()})
    pack = {**shipped, "locale_data": {"superset": phrases}}
    return json.dumps(pack, ensure_ascii=False).encode("utf-8")


def install_catalogue(app: Any) -> None:
    """Makes the application answer with the merged catalogue."""
    from flask import Response, request

    @app.before_request
    def answer_language_pack() -> Response | None:
        if request.path != _PACK_PATH:
            return None
        answer = Response(merged_pack(), mimetype="application/json")
        answer.headers["Cache-Control"] = "public, max-age=300"
        return answer

    @app.before_request
    def correct_server_phrases() -> None:
        from flask_babel import get_translations

        catalogue = getattr(get_translations(), "_catalog", None)
        if catalogue is not None and "\x00tsur" not in catalogue:
            catalogue.update(own_phrases())
            catalogue["\x00tsur"] = ""
