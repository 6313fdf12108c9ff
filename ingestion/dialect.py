"""How one GeoReport v2 server differs from the next, as a few lines of a source's YAML.

Every default is what the standard says or, where it says nothing (pages), what most servers do:
GeoReport v2, "GET Service Requests", and the list of extensions met in the field.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_PAGE_NAMES = {"page": ("page", "page_size"), "offset": ("offset", "limit")}


class Dialect(BaseModel):
    """What a server is asked, and how it answers.

    A source declares it for all its regions; `dialect` of a region changes single fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: Literal["json", "xml"] | None = Field(
        None, description="Format that is asked for; otherwise what discovery offers, or JSON"
    )
    parameters: dict[str, str] = Field(
        default_factory=dict, description="Sent with every request, such as jurisdiction_id"
    )
    paging: Literal["page", "offset", "none"] = "page"
    page_size: int = Field(100, gt=0)
    first_page: int = Field(1, ge=0, le=1)
    page_parameter: str | None = Field(None, description="Name of the number of the page")
    size_parameter: str | None = Field(None, description="Name of its size; '' sends none")
    last_page: Literal["short", "empty"] = Field(
        "short", description="`empty`: the server may give less than asked for before the end"
    )
    max_rows: int = Field(1000, gt=0, description="Rows that the source gives per request at most")
    max_window_days: int = Field(90, gt=0)
    window_parameters: tuple[str, str] | Literal["none"] = Field(
        ("start_date", "end_date"), description="`none`: the server cannot be asked for a period"
    )
    window_times: Literal["offset", "utc", "local"] = "offset"
    empty_status: Literal[404] | None = Field(
        None, description="Status with which the server says that nothing was found"
    )
    lists: tuple[str, ...] = Field(
        (), description="XML: elements that are lists even when there is only one of them"
    )

    @field_validator("parameters", mode="before")
    @classmethod
    def _as_sent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: str(given).lower() if isinstance(given, bool) else str(given)
            for name, given in value.items()
        }

    @model_validator(mode="after")
    def _pages(self) -> Dialect:
        paged = {"first_page", "page_parameter", "size_parameter", "last_page"}
        vain = sorted(paged & self.model_fields_set)
        if vain and self.paging == "none":
            raise ValueError(f"{', '.join(vain)}: with paging: none there are no pages")
        if self.paging == "offset" and "first_page" in self.model_fields_set:
            raise ValueError("first_page: with paging: offset the first record is number 0")
        return self

    @property
    def page_names(self) -> tuple[str, str]:
        """Names of the parameters for the place and the size of a page."""
        place, size = _PAGE_NAMES.get(self.paging, ("", ""))
        return (
            place if self.page_parameter is None else self.page_parameter,
            size if self.size_parameter is None else self.size_parameter,
        )

    def changed_by(self, other: Dialect | None) -> Dialect:
        """This dialect with the fields that the other one declares."""
        mine = {name: getattr(self, name) for name in Dialect.model_fields}
        given = {} if other is None else {n: getattr(other, n) for n in other.model_fields_set}
        return Dialect.model_construct(_fields_set=set(), **{**mine, **given})


class Discovery(BaseModel):
    """A discovery document that tells the endpoint (Open311 Service Discovery).

    The endpoint must be at the host of the document, or at one of `hosts`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^(https?://|\$\{)")
    type: Literal["production", "test"] = "production"
    hosts: tuple[str, ...] = ()
