"""Local media of the sandbox: in each region an RSS feed in windows-1251 and an Atom feed."""

# No postponed annotations here: FastAPI reads the dependencies that are named inside a function.

from email.utils import format_datetime
from html import escape

from fastapi import FastAPI, HTTPException
from fastapi.responses import Response

from ingestion.sandbox.publications import Publication, publications
from ingestion.sandbox.regions import REGIONS, Region
from ingestion.sandbox.world import World

LISTED = 15
"""Articles in a feed: the newest ones only."""
_AUTHOR = "Отдел новостей"


def _newest(world: World, region: Region, outlet: str) -> list[Publication]:
    found = publications(world, region.code, f"media {outlet}", is_body=True)
    return found[::-1][:LISTED]


def _title(one: Publication) -> str:
    return one.text.partition(". ")[0]


def rss(world: World, region: Region) -> bytes:
    """RSS 2.0 with its description as escaped HTML."""
    items = "".join(
        f"<item><title>{escape(_title(one))}</title>"
        f"<link>https://vesti.example/{region.code}/{one.number}</link>"
        f'<guid isPermaLink="false">{one.number}</guid>'
        f"<pubDate>{format_datetime(one.at.replace(tzinfo=region.zone))}</pubDate>"
        f"<dc:creator>{_AUTHOR}</dc:creator><category>Общество</category>"
        f"<description>&lt;p&gt;{escape(escape(one.text))}&lt;/p&gt;</description></item>"
        for one in _newest(world, region, "vesti")
    )
    text = (
        '<?xml version="1.0" encoding="windows-1251"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        f"<title>Вести. {escape(region.name)}</title>"
        f"<link>https://vesti.example/{region.code}</link>{items}</channel></rss>\n"
    )
    return text.encode("cp1251", "xmlcharrefreplace")


def atom(world: World, region: Region) -> bytes:
    """Atom 1.0 with times of change."""
    entries = "".join(
        f"<entry><id>tag:gorod.example,2020:{region.code}/{one.number}</id>"
        f"<title>{escape(_title(one))}</title>"
        f'<link href="https://gorod.example/{region.code}/{one.number}"/>'
        f"<published>{one.at.replace(tzinfo=region.zone).isoformat()}</published>"
        f"<updated>{one.at.replace(tzinfo=region.zone).isoformat()}</updated>"
        f"<author><name>{_AUTHOR}</name></author>"
        f'<content type="html">&lt;p&gt;{escape(escape(one.text))}&lt;/p&gt;</content></entry>'
        for one in _newest(world, region, "gorod")
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>tag:gorod.example,2020:{region.code}</id><title>Город. {escape(region.name)}</title>"
        f"<updated>{world.as_of.isoformat()}</updated>{entries}</feed>\n"
    ).encode()


def add_feeds(app: FastAPI, world: World) -> None:
    """Adds the two feeds of every region."""

    @app.get("/media/{region}/{name}")
    def media(region: str, name: str) -> Response:
        if region not in REGIONS or name not in ("vesti.rss", "gorod.atom"):
            raise HTTPException(404, f"нет такой ленты: {region}/{name}")
        if name == "vesti.rss":
            return Response(rss(world, REGIONS[region]), media_type="application/rss+xml")
        return Response(atom(world, REGIONS[region]), media_type="application/atom+xml")
