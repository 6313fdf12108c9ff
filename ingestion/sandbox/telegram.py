"""Telegram of the sandbox: preview pages of public channels, and exports of channels and groups.

`/tme/s/NAME` is what t.me/s/NAME shows without JavaScript: twenty messages, the newest last, and a
link to older ones (`?before=`). A name without a preview leads to its card, as Telegram does it.
`/telegram/REGION/NAME/result.json` is what Telegram Desktop exports: a channel of a body, or the
public group of a city community.
"""

# No postponed annotations here: FastAPI reads the dependencies that are named inside a function.

from html import escape
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ingestion.sandbox.publications import Publication, account, publications
from ingestion.sandbox.regions import REGIONS, Wall
from ingestion.sandbox.world import World

PAGE = 20
ROBOTS = "User-agent: *\nDisallow: /tme/s/closed\nDisallow: /media/closed\nCrawl-delay: 0.2\n"


def channel_id(wall: Wall) -> int:
    """The number of a channel in exports."""
    return 1_000_000_000 + abs(wall.owner_id)


class Channels:
    """The first two walls of every region as Telegram channels of the same short names."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found = {
            wall.screen_name: (region, wall)
            for region in REGIONS.values()
            for wall in region.walls[:2]
        }

    def messages(self, name: str) -> list[Publication]:
        """The messages of a channel, the oldest first; KeyError for an unknown one."""
        region, wall = self._found[name]
        return publications(self._world, region.code, f"telegram {name}", is_body=wall.is_body)

    def page(self, name: str, before: int | None) -> str:
        """A preview page; KeyError for an unknown channel."""
        region, wall = self._found[name]
        earlier = [one for one in self.messages(name) if before is None or one.number < before]
        shown = earlier[-PAGE:]
        parts = []
        if len(earlier) > len(shown):
            oldest = shown[0].number
            parts.append(
                f'<div class="tgme_widget_message_centered js-messages_more_wrap">'
                f'<a href="/s/{name}?before={oldest}" class="tme_messages_more js-messages_more"'
                f' data-before="{oldest}"></a></div>'
            )
        elif shown:
            parts.append(_service(name))
        for one in shown:
            moment = one.at.replace(tzinfo=region.zone).isoformat()
            parts.append(_message(name, wall, one, moment))
        return (
            '<!DOCTYPE html><html><head><meta charset="utf-8">'
            f"<title>{escape(wall.name)} – Telegram</title></head><body>"
            f'<div class="tgme_channel_info"><div class="tgme_channel_info_header_title">'
            f'<span dir="auto">{escape(wall.name)}</span></div></div>'
            f'<section class="tgme_channel_history js-message_history">{"".join(parts)}</section>'
            "</body></html>"
        )

    def export(self, region_code: str, name: str) -> dict[str, Any]:
        """An export; KeyError for an unknown channel or one of another region."""
        region, wall = self._found[name]
        if region.code != region_code:
            raise KeyError(name)
        number = channel_id(wall)
        owner = f"channel{number}"
        messages: list[dict[str, Any]] = [
            {"id": 1, "type": "service", "actor": wall.name, "actor_id": owner, "text": ""}
            | {"action": "create_channel" if wall.is_body else "migrate_from_group"}
        ]
        for one in self.messages(name):
            unixtime = int(one.at.replace(tzinfo=region.zone).timestamp())
            user = f"user{account('telegram', one.account)}"
            message: dict[str, Any] = {
                "id": one.number,
                "type": "message",
                "date": one.at.isoformat(),
                "date_unixtime": str(unixtime),
                "from": one.person.full_name if one.person else wall.name,
                "from_id": user if one.person else owner,
                "text": [one.text[:5], {"type": "bold", "text": one.text[5:]}],
                "text_entities": [
                    {"type": "plain", "text": one.text[:5]},
                    {"type": "bold", "text": one.text[5:]},
                ],
            }
            if one.is_edited:
                message["edited_unixtime"] = str(unixtime + 120)
            if one.is_forwarded:
                message["forwarded_from"] = "Соседний двор"
            messages.append(message)
        kind = "public_channel" if wall.is_body else "public_supergroup"
        return {"name": wall.name, "type": kind, "id": number, "messages": messages}


def _service(name: str) -> str:
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        '<div class="tgme_widget_message text_not_supported_wrap service_message js-widget_message"'
        f' data-post="{name}/1"><div class="tgme_widget_message_text js-message_text">'
        "Channel created</div></div></div>"
    )


def _message(name: str, wall: Wall, one: Publication, moment: str) -> str:
    link = f"https://t.me/{name}/{one.number}"
    forwarded = (
        '<div class="tgme_widget_message_forwarded_from accent_color">Forwarded from '
        '<a class="tgme_widget_message_forwarded_from_name" href="https://t.me/sosedi/5">'
        '<span dir="auto">Соседний двор</span></a></div>'
        if one.is_forwarded
        else ""
    )
    text = escape(one.text).replace(". ", ".<br/>", 1)
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        f'<div class="tgme_widget_message js-widget_message" data-post="{name}/{one.number}">'
        '<div class="tgme_widget_message_bubble"><div class="tgme_widget_message_author">'
        f'<a class="tgme_widget_message_owner_name" href="https://t.me/{name}">'
        f'<span dir="auto">{escape(wall.name)}</span></a></div>{forwarded}'
        f'<div class="tgme_widget_message_text js-message_text" dir="auto">{text}</div>'
        '<div class="tgme_widget_message_footer compact js-message_footer">'
        '<div class="tgme_widget_message_info short js-message_info">'
        f'<span class="tgme_widget_message_views">{200 + one.number % 900}</span>'
        '<span class="copyonly"> views</span><span class="tgme_widget_message_meta">'
        f"{'edited &nbsp;' if one.is_edited else ''}"
        f'<a class="tgme_widget_message_date" href="{link}"><time datetime="{moment}"'
        ' class="time">12:00</time></a></span></div></div></div></div></div>'
    )


def add_telegram(app: FastAPI, world: World) -> None:
    """Adds the pages, the exports and the robots.txt of the host."""
    channels = Channels(world)

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response(ROBOTS, media_type="text/plain")

    @app.get("/tme/s/{name}")
    def preview(name: str, before: int | None = None) -> Response:
        try:
            return HTMLResponse(channels.page(name, before))
        except KeyError:
            return RedirectResponse(f"/tme/{name}", status_code=302)

    @app.get("/telegram/{region}/{name}/result.json")
    def export(region: str, name: str) -> Response:
        try:
            return JSONResponse(channels.export(region, name))
        except KeyError:
            raise HTTPException(404, f"нет такого канала: {name}") from None
