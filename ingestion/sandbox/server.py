"""The sandbox's HTTP side: ПОС exports, registers, GeoReport v2 and VK behind one port."""

# No postponed annotations here: FastAPI reads the dependencies that are named inside a function.

import secrets
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import Response

from ingestion.sandbox import registers, tables
from ingestion.sandbox.feed import add_feeds
from ingestion.sandbox.odnoklassniki import add_odnoklassniki
from ingestion.sandbox.open311 import add_open311
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.telegram import add_telegram
from ingestion.sandbox.vk import RateLimit, VkApi, VkError, error_envelope
from ingestion.sandbox.workbook import write_csv, write_xlsx
from ingestion.sandbox.world import World

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ENTITIES = {
    "messages": (tables.MESSAGE_COLUMNS, tables.message_rows),
    "cards": (tables.CARD_COLUMNS, tables.card_rows),
    "history": (tables.HISTORY_COLUMNS, tables.history_rows),
}
_REGISTERS = {
    "municipal_register": (tables.REGISTER_COLUMNS, tables.register_rows),
    "duty_rosters": (tables.ROSTER_COLUMNS, tables.roster_rows),
    "checked_replies": (tables.CHECKED_COLUMNS, tables.checked_rows),
    "populations": (tables.POPULATION_COLUMNS, tables.population_rows),
    **registers.TABLES,
}


def build_app(world: World, token: str) -> FastAPI:
    """The application over one world.

    ПОС wants ``token`` as a bearer, VK as ``access_token``; registers and GeoReport are open.
    """
    app = FastAPI(title="ЦУР sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    vk_api, vk_limit = VkApi(world), RateLimit()

    def authorised(request: Request) -> None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(
            value.strip().encode(), token.encode()
        ):
            raise HTTPException(401, "нужен действующий токен", {"WWW-Authenticate": "Bearer"})

    def not_forged(request: Request) -> None:
        """Open data needs no token, but a wrong one is refused."""
        if "Authorization" in request.headers:
            authorised(request)

    def known(region: str) -> str:
        if region not in REGIONS:
            raise HTTPException(404, f"нет такого региона: {region}")
        return region

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "as_of": world.as_of.isoformat(), "records": len(world.cases)}

    @app.get("/pos/{region}/export", dependencies=[Depends(authorised)])
    def pos_export(
        region: Annotated[str, Depends(known)],
        first: Annotated[date, Query(alias="from")],
        until: Annotated[date, Query(alias="to")],
        entity: Literal["messages", "cards", "history"] = "messages",
        form: Annotated[Literal["xlsx", "csv"], Query(alias="format")] = "xlsx",
    ) -> Response:
        if until < first:
            raise HTTPException(400, "конец окна раньше начала")
        columns, rows = _ENTITIES[entity]
        found = rows(world, region, first, until)
        if form == "xlsx":
            return Response(write_xlsx("Выгрузка", columns, found), media_type=XLSX_TYPE)
        return Response(write_csv(columns, found, encoding="utf-8-sig"), media_type="text/csv")

    @app.get("/registers/{region}/{name}.{form}", dependencies=[Depends(not_forged)])
    def register(name: str, form: str, region: Annotated[str, Depends(known)]) -> Response:
        if name not in _REGISTERS or form not in ("csv", "xlsx"):
            raise HTTPException(404, f"нет такого реестра: {name}.{form}")
        columns, rows = _REGISTERS[name]
        if form == "xlsx":
            sheet = "Данные" if name in registers.TABLES else "Реестр"
            return Response(write_xlsx(sheet, columns, rows(world, region)), media_type=XLSX_TYPE)
        content = write_csv(columns, rows(world, region), encoding="cp1251")
        return Response(content, headers={"Content-Type": "text/csv; charset=windows-1251"})

    add_open311(app, world, known=known, not_forged=not_forged)

    def answer_vk(method: str, params: dict[str, str]) -> dict[str, Any]:
        given = params.get("access_token", "")
        if not secrets.compare_digest(given.encode(), token.encode()):
            raise VkError(5)
        vk_limit.spend(given)
        return vk_api.call(method, params)

    @app.api_route("/vk/method/{method}", methods=["GET", "POST"])
    async def vk_method(method: str, request: Request) -> dict[str, Any]:
        params: dict[str, str] = dict(request.query_params)
        if request.method == "POST":
            form = await request.form()
            params |= {key: str(value) for key, value in form.items()}
        try:
            return answer_vk(method, params)
        except VkError as error:
            return error_envelope(error, method, params)

    add_telegram(app, world)
    add_odnoklassniki(app, world, token)
    add_feeds(app, world)
    return app
