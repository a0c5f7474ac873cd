"""Price lists (sparklayer.md section 4): made, listed and changed; slug and source never change."""

from typing import Annotated, Literal

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Currency, Text, Written, decode
from daemon.sandbox.sparklayer.problems import problem
from daemon.sandbox.sparklayer.query import Query

Source = Literal["custom", "platform", "integration"]
Slug = Annotated[str, Meta(min_length=1, max_length=30)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
MOST_PER_PAGE = 250


class _Rule(Written):
    source_price_list_slug: Text
    adjustment_percentage: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    adjustment_direction: Literal["plus", "minus"] | UnsetType = UNSET
    currency_exchange_rate: float | UnsetType = UNSET


class PriceList(Written):
    """A price list as it is stored and answered."""

    slug: Slug
    name: Name
    currency_code: Currency
    source: Source = "integration"
    tax_inclusive_display: bool | UnsetType = UNSET
    rules: list[_Rule] | UnsetType = UNSET


class _New(Written):
    slug: Slug
    name: Name
    currency_code: Currency
    source: Source = "integration"
    rules: list[_Rule] | UnsetType = UNSET


class _Patch(Written):
    name: Name | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    tax_inclusive_display: bool | UnsetType = UNSET
    rules: list[_Rule] | UnsetType = UNSET


@define(eq=False)
class PriceLists:
    """The price lists of the site by slug, and their routes."""

    lists: dict[str, PriceList] = field(factory=dict)

    def route(self, router: Router) -> None:
        """Add the routes."""
        router.add("GET", "/api/v1/price-lists", self.all)
        router.add("GET", "/api/v2/price-lists", self.page)
        router.add("POST", "/api/v1/price-lists", self.create)
        router.add("GET", "/api/v1/price-lists/{slug}", self.get)
        router.add("PATCH", "/api/v1/price-lists/{slug}", self.update)

    def existing(self, slug: str) -> PriceList:
        """Return a list. Raises Refused with 404."""
        if slug not in self.lists:
            raise problem(404, f"There is no price list {slug}")
        return self.lists[slug]

    def all(self, _request: Request) -> Response:
        """Answer every list."""
        return json(list(self.lists.values()))

    def page(self, request: Request) -> Response:
        """Answer a page of lists."""
        query = Query(request)
        page = query.number("page", 1, least=1)
        size = query.number("page_size", 50, least=1, most=MOST_PER_PAGE)
        source = query.text("source")
        query.text("order_by")
        query.finish()
        kept = [found for found in self.lists.values() if source in {None, found.source}]
        pages = {"current_page": page, "total_pages": max(1, -(-len(kept) // size))}
        return json({"data": kept[(page - 1) * size : page * size], "pagination": pages})

    def create(self, request: Request) -> Response:
        """Create a list, that shows no tax until it is changed; 400 for a slug that is taken."""
        written = decode(request, _New)
        if written.slug in self.lists:
            raise problem(400, f"slug {written.slug} is already in use")
        made = PriceList(**{name: getattr(written, name) for name in _New.__struct_fields__})
        self.lists[made.slug] = made
        return json(made)

    def get(self, _request: Request, slug: str) -> Response:
        """Answer one list."""
        return json(self.existing(slug))

    def update(self, request: Request, slug: str) -> Response:
        """Change the fields sent; a body with slug or source is refused."""
        written, old = decode(request, _Patch), self.existing(slug)
        given = {name: value for name in _Patch.__struct_fields__ if (value := getattr(written, name)) is not UNSET}
        self.lists[slug] = msgspec.structs.replace(old, **given)
        return json(self.lists[slug])
