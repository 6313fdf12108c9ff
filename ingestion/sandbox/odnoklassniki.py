"""Одноклассники of the sandbox: signed calls of stream.get and discussions.getComments.

`/ok/fb.do` answers as api.ok.ru does: errors come as HTTP 200 with `error_code`, pages by anchor.
Token and session secret are the sandbox's one token; the application's key is ``APPLICATION_KEY``.
"""

# No postponed annotations here: FastAPI reads the dependencies that are named inside a function.

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request

from ingestion.sandbox.publications import Publication, account, publications
from ingestion.sandbox.regions import REGIONS, Region, Wall
from ingestion.sandbox.world import World

APPLICATION_KEY = "CSANDBOXKEY"
MAX_COUNT = 100
_MESSAGES = {
    3: "METHOD : Method does not exist.",
    100: "PARAM : Missed required parameter",
    101: "PARAM_API_KEY : Application not exist",
    103: "PARAM_SESSION_KEY : Invalid session key",
    104: "PARAM_SIGNATURE : Invalid signature",
    160: "PARAM_GROUP_ID : Invalid group_id",
    300: "NOT_FOUND : Not found",
}


class OkError(Exception):
    """An error of the API; ``code`` as its documentation numbers them."""

    def __init__(self, code: int) -> None:
        super().__init__(_MESSAGES[code])
        self.code = code

    def envelope(self) -> dict[str, Any]:
        """The body that goes out with HTTP 200."""
        return {"error_code": self.code, "error_msg": str(self), "error_data": None}


def group_id(wall: Wall) -> str:
    """The number of a group."""
    return str(70_000_000_000_000 + abs(wall.owner_id))


def topic_id(wall: Wall, one: Publication) -> str:
    """The number of a topic."""
    return f"15{abs(wall.owner_id)}{one.number:05d}"


def signature(parameters: Mapping[str, str], secret: str) -> str:
    """What `sig` has to be for the parameters of a call."""
    signed = sorted(
        (name, value)
        for name, value in parameters.items()
        if name not in ("sig", "access_token", "session_key")
    )
    text = "".join(f"{name}={value}" for name, value in signed) + secret
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class OkApi:
    """The first two walls of every region as groups."""

    def __init__(self, world: World, token: str) -> None:
        self._token = token
        self._groups: dict[str, tuple[Region, Wall, list[Publication]]] = {
            group_id(wall): (
                region,
                wall,
                publications(world, region.code, f"ok {wall.screen_name}", is_body=wall.is_body),
            )
            for region in REGIONS.values()
            for wall in region.walls[:2]
        }
        self._topics = {
            topic_id(wall, one): (region, wall, one)
            for region, wall, found in self._groups.values()
            for one in found
        }

    def call(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer of a call, or ``OkError``."""
        if parameters.get("application_key") != APPLICATION_KEY:
            raise OkError(101)
        if not secrets.compare_digest(
            parameters.get("access_token", "").encode(), self._token.encode()
        ):
            raise OkError(103)
        if not secrets.compare_digest(
            parameters.get("sig", ""), signature(parameters, self._token)
        ):
            raise OkError(104)
        if parameters.get("method") == "stream.get":
            return self._stream(parameters)
        if parameters.get("method") == "discussions.getComments":
            return self._comments(parameters)
        raise OkError(3)

    def _page(
        self, parameters: Mapping[str, str], total: int, default: int
    ) -> tuple[int, int, str | None]:
        """First, last and the anchor of what follows, which names the number of the first."""
        count = parameters.get("count", str(default))
        anchor = parameters.get("anchor", "")
        if not count.isdecimal() or int(count) > MAX_COUNT:
            raise OkError(100)
        start = int(anchor[1:], 16) if anchor[:1] == "A" else 0
        end = min(start + int(count), total)
        return start, end, f"A{end:x}" if end < total else None

    def _stream(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        if parameters.get("gid", "") not in self._groups:
            raise OkError(160)
        region, wall, found = self._groups[parameters["gid"]]
        newest = found[::-1]
        start, end, anchor = self._page(parameters, len(newest), 20)
        if start >= len(newest):
            return {"anchor": parameters.get("anchor", "")}
        feeds, topics = [], []
        for one in newest[start:end]:
            number = topic_id(wall, one)
            created = int(one.at.replace(tzinfo=region.zone).timestamp()) * 1000
            author = (
                f"user:{account('ok', one.account)}" if one.person else f"group:{parameters['gid']}"
            )
            summary = {
                "discussion_id": number,
                "discussion_type": "GROUP_TOPIC",
                "comments_count": len(one.answers),
            }
            feeds.append(
                {
                    "pattern": "POST",
                    "type": "GROUP_TOPIC",
                    "date_ms": created,
                    "message": f"{{media_topic:{number}}}{one.text[:40]}{{media_topic}}",
                    "target_refs": [f"media_topic:{number}"],
                    "author_refs": [author],
                    "owner_refs": [f"group:{parameters['gid']}"],
                    "discussion_summary": summary,
                    "feed_stat_info": f"{start:x}-{created:x}",
                }
            )
            media: list[dict[str, Any]] = [{"type": "text", "text": one.text}]
            if one.is_forwarded:
                media.append({"type": "topic", "topic_refs": ["media_topic:149999999999999"]})
            topics.append(
                {
                    "id": number,
                    "ref": f"media_topic:{number}",
                    "media": media,
                    "created_ms": created,
                    "author_ref": author,
                    "owner_ref": f"group:{parameters['gid']}",
                    "discussion_summary": summary,
                    "like_summary": {"count": one.number % 40, "self": False},
                    "reshare_summary": {"count": one.number % 5, "self": False},
                }
            )
        answer: dict[str, Any] = {"feeds": feeds, "entities": {"media_topics": topics}}
        return answer if anchor is None else answer | {"anchor": anchor}

    def _comments(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        number = parameters.get("discussionId", "")
        if number not in self._topics:
            raise OkError(300)
        region, wall, topic = self._topics[number]
        newest = topic.answers[::-1]
        start, end, anchor = self._page(parameters, len(newest), 20)
        comments: list[dict[str, Any]] = []
        for one in newest[start:end]:
            created = int(one.at.replace(tzinfo=region.zone).timestamp()) * 1000
            comment: dict[str, Any] = {
                "id": f"{number}-{one.number}",
                "text": one.text,
                "created_ms": created,
                "type": "ACTIVE_MESSAGE",
                "like_count": one.number % 7,
            }
            if one.person:
                comment["author_id"] = str(account("ok", one.account))
                comment["author_name"] = f"{one.person.name} {one.person.surname}"
            else:
                comment |= {"author_id": group_id(wall), "author_type": "GROUP"}
            if one.answered is not None:
                comment["reply_to_comment_id"] = f"{number}-{one.answered}"
            comments.append(comment)
        return {
            "comments": comments,
            "has_more": anchor is not None,
            "anchor": anchor or parameters.get("anchor", ""),
            "discussionId": number,
            "discussionType": "GROUP_TOPIC",
        }


def add_odnoklassniki(app: FastAPI, world: World, token: str) -> None:
    """Adds the address of the API."""
    api = OkApi(world, token)

    @app.api_route("/ok/fb.do", methods=["GET", "POST"])
    async def call(request: Request) -> dict[str, Any]:
        parameters: dict[str, str] = dict(request.query_params)
        if request.method == "POST":
            form = await request.form()
            parameters |= {key: str(value) for key, value in form.items()}
        try:
            return api.call(parameters)
        except OkError as error:
            return error.envelope()
