"""Recorded VK answers of a folder, served by method: for parsers, not for browsing.

A file's method comes from its name: the part before the first ``__`` and what follows it, matched
against VK's own method names whatever the case, the longest match first; failing that, from the
shape of its content. A method's answers go out one a call in the order of their names, as the
bytes that were recorded; after the last comes an empty answer.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from ingestion.sandbox.vk import VkError, error_envelope

METHODS = (
    "board.getComments",
    "groups.getById",
    "newsfeed.get",
    "newsfeed.getComments",
    "newsfeed.getMentions",
    "newsfeed.getRecommended",
    "newsfeed.search",
    "photos.getComments",
    "users.get",
    "video.getComments",
    "wall.get",
    "wall.getById",
    "wall.getComment",
    "wall.getComments",
    "wall.getReposts",
    "wall.post",
    "wall.repost",
    "wall.search",
)
UNKNOWN = "unknown"
_LETTERS = re.compile(r"[^a-z]")


def _only_letters(text: str) -> str:
    return _LETTERS.sub("", text.lower())


def method_of_name(name: str) -> str | None:
    """The method that a file name tells, or None.

    ``Wall__GetComments802.json`` → ``wall.getComments``.
    """
    section, mark, rest = Path(name).stem.partition("__")
    candidates = []
    for method in METHODS:
        group, _, verb = method.partition(".")
        if mark and _only_letters(section) == group.lower():
            if _only_letters(rest.split("_")[0]).startswith(verb.lower()):
                candidates.append(method)
        elif _only_letters(Path(name).stem).startswith(_only_letters(method)):
            candidates.append(method)
    return max(candidates, key=len, default=None)


def method_of_content(content: bytes, section: str = "") -> str:
    """The method that the shape of an answer tells; ``unknown`` where it tells nothing.

    ``section`` is what the file name says of it ("wall"), where posts could be of either.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        return UNKNOWN
    response: Any = answer.get("response") if isinstance(answer, dict) else answer
    if isinstance(response, list):
        return "wall.getById"
    if not isinstance(response, dict):
        return UNKNOWN
    if "reposts_count" in response:
        return "wall.repost"
    items = response.get("items")
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, dict):
        return "wall.get" if isinstance(items, list) else UNKNOWN
    if "current_level_count" in response or "parents_stack" in first or "thread" in first:
        return "wall.getComments"
    if "post_id" in first and "source_id" not in first:
        return "wall.getComments"
    if "source_id" in first:
        return "newsfeed.get"
    if "next_from" in response and section != "wall":
        return "newsfeed.search"
    return "wall.get"


def read_recordings(folder: Path) -> dict[str, list[bytes]]:
    """Method to its recorded answers in the order of file names.

    Raises ``FileNotFoundError`` when the folder is not there.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder of recorded VK answers: {folder}")
    found: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(folder.glob("*.json"), key=lambda path: path.name):
        content = path.read_bytes()
        section = _only_letters(path.name.partition("__")[0])
        found[method_of_name(path.name) or method_of_content(content, section)].append(content)
    return dict(found)


def build_recorded_app(folder: Path, token: str) -> FastAPI:
    """The application over one folder: one answer a call, an empty one after the last.

    With ``offset`` the call gets the answer of that number; without, the next one, and after the
    empty answer they begin again.
    """
    recordings = read_recordings(folder)
    served: dict[str, int] = defaultdict(int)
    app = FastAPI(title="Recorded VK", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "recordings": sum(map(len, recordings.values()))}

    @app.get("/recorded/methods")
    def methods() -> dict[str, int]:
        return {method: len(answers) for method, answers in sorted(recordings.items())}

    @app.api_route("/vk/method/{method}", methods=["GET", "POST"])
    async def answer(method: str, request: Request) -> Response:
        params: dict[str, str] = dict(request.query_params)
        if request.method == "POST":
            form = await request.form()
            params |= {key: str(value) for key, value in form.items()}
        if not secrets.compare_digest(params.get("access_token", "").encode(), token.encode()):
            return JSONResponse(error_envelope(VkError(5), method, params))
        answers = recordings.get(method, [])
        if params.get("offset", "").isdigit():
            # A client that counts the answers it has may read them again and gets the same.
            number = int(params["offset"])
        else:
            number = served[method]
            served[method] = number + 1 if number < len(answers) else 0
        if number >= len(answers):
            return JSONResponse({"response": {"count": 0, "items": []}})
        return Response(answers[number], media_type="application/json; charset=utf-8")

    return app
