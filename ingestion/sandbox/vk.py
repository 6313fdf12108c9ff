"""VK of the world: answers of wall.get, wall.getComments and newsfeed.search, v=5.199."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from ingestion.sandbox.people import Person, latin
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import Case, World

MAX_COUNT = 100
MAX_FOUND = 200
"""Posts of a search in one answer."""
REACH = 1000
"""Posts that a search hands out in all, however many there are."""
CALLS_A_SECOND = 3
_MESSAGES = {
    1: "Unknown error occurred",
    3: "Unknown method passed",
    5: "User authorization failed: invalid access_token (4).",
    6: "Too many requests per second",
    15: "Access denied",
    100: "One of the parameters specified was missing or invalid",
}


class VkError(Exception):
    """An error of the VK API; ``code`` as its documentation numbers them."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(_MESSAGES[code] + (f": {detail}" if detail else ""))
        self.code = code


def error_envelope(error: VkError, method: str, params: Mapping[str, str]) -> dict[str, Any]:
    """The body that VK sends with HTTP 200; the token is left out of the echoed parameters."""
    shown = [{"key": key, "value": value} for key, value in params.items() if key != "access_token"]
    return {
        "error": {
            "error_code": error.code,
            "error_msg": str(error),
            "request_params": [{"key": "method", "value": method}, *shown],
        }
    }


class RateLimit:
    """At most three calls in any second for one token; ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def spend(self, token: str) -> None:
        """Counts a call, or raises error 6."""
        now = self._clock()
        calls = self._calls[token]
        while calls and now - calls[0] >= 1.0:
            calls.popleft()
        if len(calls) >= CALLS_A_SECOND:
            raise VkError(6)
        calls.append(now)


def user_id(applicant_id: str) -> int:
    """The account of a citizen; not the key that other channels use."""
    digest = hashlib.sha256(f"vk|{applicant_id}".encode()).hexdigest()
    return 100_000_000 + int(digest[:8], 16) % 700_000_000


def _integer(params: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = params.get(name, "")
    if value == "" and default is not None:
        return default
    try:
        return int(value)
    except ValueError:
        raise VkError(100, f"{name} is {'undefined' if not value else 'invalid'}") from None


class VkApi:
    """Answers the methods from the world's walls."""

    def __init__(self, world: World) -> None:
        self._zones = {
            wall.owner_id: region.zone for region in REGIONS.values() for wall in region.walls
        }
        self._groups = {wall.owner_id: wall for region in REGIONS.values() for wall in region.walls}
        self._posts: dict[int, list[Case]] = {owner: [] for owner in self._zones}
        self._comments: dict[tuple[int, int], list[Case]] = defaultdict(list)
        self._threads: dict[tuple[int, int], list[Case]] = defaultdict(list)
        self._ids: dict[int, set[int]] = defaultdict(set)
        for region_code in REGIONS:
            for case in world.of(region_code, "vk"):
                if case.kind == "post":
                    self._posts[case.wall_id].append(case)
                    self._ids[case.wall_id].add(case.post_id)
                elif case.thread_of:
                    self._threads[case.wall_id, case.thread_of].append(case)
                else:
                    self._comments[case.wall_id, case.parent_id].append(case)
        for posts in self._posts.values():
            posts.sort(key=lambda case: (case.received_at, case.post_id), reverse=True)

    def call(self, method: str, params: Mapping[str, str]) -> dict[str, Any]:
        """The whole answer of a method, or ``VkError``."""
        if not params.get("v"):
            raise VkError(100, "v (version) is undefined")
        if method == "wall.get":
            return {"response": self._wall(params)}
        if method == "wall.getComments":
            return {"response": self._wall_comments(params)}
        if method == "newsfeed.search":
            return {"response": self._search(params)}
        raise VkError(3)

    def _page(self, params: Mapping[str, str], default: int) -> tuple[int, int]:
        count = _integer(params, "count", default)
        offset = _integer(params, "offset", 0)
        if not 0 <= count <= MAX_COUNT:
            raise VkError(100, "count should be less or equal to 100")
        if offset < 0:
            raise VkError(100, "offset should be greater or equal to 0")
        return count, offset

    def _wall(self, params: Mapping[str, str]) -> dict[str, Any]:
        owner = _integer(params, "owner_id")
        if owner not in self._posts:
            raise VkError(15)
        count, offset = self._page(params, 20)
        posts = self._posts[owner]
        chosen = posts[offset : offset + count]
        answer: dict[str, Any] = {
            "count": len(posts),
            "items": [self._post(case) for case in chosen],
        }
        return self._extend(answer, chosen, owner, params)

    def _wall_comments(self, params: Mapping[str, str]) -> dict[str, Any]:
        owner = _integer(params, "owner_id")
        if owner not in self._posts:
            raise VkError(15)
        post = _integer(params, "post_id")
        if post not in self._ids[owner]:
            raise VkError(15)
        count, offset = self._page(params, 10)
        inside = _integer(params, "thread_items_count", 0)
        if not 0 <= inside <= 10:
            raise VkError(100, "thread_items_count should be less or equal to 10")
        if params.get("comment_id"):
            return self._thread(params, owner, _integer(params, "comment_id"), count, offset)
        comments = self._comments[owner, post]
        answers = sum(len(self._threads[owner, case.post_id]) for case in comments)
        chosen = comments[offset : offset + count]
        seen = list(chosen)
        items = []
        for case in chosen:
            thread = self._threads[owner, case.post_id]
            seen.extend(thread[:inside])
            items.append(
                self._comment(case)
                | {
                    "thread": {
                        "count": len(thread),
                        "items": [self._comment(reply) for reply in thread[:inside]],
                        "can_post": True,
                        "show_reply_button": True,
                        "groups_can_post": True,
                    }
                }
            )
        answer: dict[str, Any] = {
            "count": len(comments) + answers,
            "items": items,
            "current_level_count": len(comments),
            "can_post": True,
            "show_reply_button": True,
            "groups_can_post": True,
        }
        return self._extend(answer, seen, owner, params)

    def _thread(
        self, params: Mapping[str, str], owner: int, comment: int, count: int, offset: int
    ) -> dict[str, Any]:
        thread = self._threads[owner, comment]
        chosen = thread[offset : offset + count]
        answer: dict[str, Any] = {
            "count": len(thread),
            "items": [self._comment(case) for case in chosen],
            "current_level_count": len(thread),
        }
        return self._extend(answer, chosen, owner, params)

    def _search(self, params: Mapping[str, str]) -> dict[str, Any]:
        """Posts of all walls that hold every word of the query, the newest first."""
        count = _integer(params, "count", 30)
        if not 0 <= count <= MAX_FOUND:
            raise VkError(100, "count should be less or equal to 200")
        # Other endings are found too, as VK does it for Russian words.
        words = [w[:-1] if len(w) > 5 else w for w in params.get("q", "").lower().split()]
        if not words:
            raise VkError(100, "q is undefined")
        first = _integer(params, "start_time", 0)
        last = _integer(params, "end_time", 1 << 62)
        found = sorted(
            (
                (self._moment(case), case.post_id, case)
                for posts in self._posts.values()
                for case in posts
                if all(word in case.text.lower() for word in words)
            ),
            key=lambda one: one[:2],
            reverse=True,
        )
        found = [one for one in found if first <= one[0] <= last]
        offset = int(params.get("start_from", "0").partition("/")[0] or 0)
        chosen = [case for _moment, _number, case in found[:REACH][offset : offset + count]]
        answer: dict[str, Any] = {
            "items": [self._post(case) for case in chosen],
            "count": min(len(found), REACH),
            "total_count": len(found),
        }
        following = offset + len(chosen)
        if chosen and following < min(len(found), REACH):
            answer["next_from"] = f"{following}/{chosen[-1].wall_id}_{chosen[-1].post_id}"
        return answer

    def _author(self, case: Case) -> int:
        return user_id(case.applicant_id) if case.applicant_id else case.wall_id

    def _moment(self, case: Case) -> int:
        return int(case.received_at.replace(tzinfo=self._zones[case.wall_id]).timestamp())

    def _post(self, case: Case) -> dict[str, Any]:
        comments = self._comments.get((case.wall_id, case.post_id), [])
        answers = sum(len(self._threads[case.wall_id, one.post_id]) for one in comments)
        spread = int(hashlib.sha256(case.native_id.encode()).hexdigest()[:4], 16)
        return {
            "id": case.post_id,
            "owner_id": case.wall_id,
            "from_id": self._author(case),
            "date": self._moment(case),
            "text": case.text,
            "post_type": "post",
            "type": "post",
            "marked_as_ads": 0,
            "attachments": [],
            "comments": {"count": len(comments) + answers, "can_post": 1, "groups_can_post": True},
            "likes": {"count": spread % 60, "can_like": 1, "user_likes": 0},
            "reposts": {"count": spread % 7, "user_reposted": 0},
            "views": {"count": 200 + spread % 5000},
            "post_source": {"type": "vk"},
            "is_favorite": False,
        }

    def _comment(self, case: Case) -> dict[str, Any]:
        comment: dict[str, Any] = {
            "id": case.post_id,
            "from_id": 0 if case.is_deleted else self._author(case),
            "date": self._moment(case),
            "text": case.text,
            "post_id": case.parent_id,
            "owner_id": case.wall_id,
            "parents_stack": [case.thread_of] if case.thread_of else [],
        }
        if case.is_deleted:
            comment["deleted"] = True
        elif case.thread_of:
            comment["reply_to_comment"] = case.thread_of
        return comment

    def _extend(
        self, answer: dict[str, Any], cases: list[Case], owner: int, params: Mapping[str, str]
    ) -> dict[str, Any]:
        if params.get("extended") not in ("1", "true"):
            return answer
        people: dict[int, Person] = {
            self._author(case): case.person
            for case in cases
            if case.applicant_id and not case.is_deleted
        }
        answer["profiles"] = [
            {
                "id": number,
                "first_name": person.name,
                "last_name": person.surname,
                "screen_name": f"{latin(person.name)}.{latin(person.surname)}{number % 1000}",
                "sex": 1 if person.is_female else 2,
                "can_access_closed": True,
                "is_closed": False,
            }
            for number, person in sorted(people.items())
        ]
        wall = self._groups[owner]
        answer["groups"] = [
            {
                "id": -wall.owner_id,
                "name": wall.name,
                "screen_name": wall.screen_name,
                "is_closed": 0,
                "type": "page" if wall.is_body else "group",
            }
        ]
        return answer
