"""Price lists (sparklayer.md section 4): made, listed and changed; slug and source never change."""

from attrs import define, field

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.query import Parameters
from daemon.sandbox.router import route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.problems import invalid, problem
from daemon.sandbox.sparklayer.record import Record

MOST_PER_PAGE = 250


@define(eq=False)
class PriceLists:
    """The price lists of the site by slug, and their routes."""

    lists: dict[str, Record] = field(factory=dict)

    def existing(self, slug: str) -> Record:
        """Return a list. Raises Refused with 404."""
        if slug not in self.lists:
            raise problem(404, f"There is no price list {slug}")
        return self.lists[slug]

    @route("GET", "/api/v1/price-lists")
    def _all(self, _request: Request) -> Response:
        return json(list(self.lists.values()))

    @route("GET", "/api/v2/price-lists")
    def page(self, request: Request) -> Response:
        """Answer a page of lists."""
        query = Parameters(request.query, invalid)
        page = query.number("page", least=1) or 1
        size = query.number("page_size", least=1, most=MOST_PER_PAGE) or 50
        source = query.text("source")
        query.text("order_by")
        query.finish()
        kept = [found for found in self.lists.values() if source in {None, found.source}]
        pages = {"current_page": page, "total_pages": max(1, -(-len(kept) // size))}
        return json({"data": kept[(page - 1) * size : page * size], "pagination": pages})

    @route("POST", "/api/v1/price-lists")
    def _create(self, request: Request) -> Response:
        """Create a list, that shows no tax until it is changed; 400 for a slug that is taken."""
        written = decode(request, "createPriceList")
        if written.slug in self.lists:
            raise problem(400, f"slug {written.slug} is already in use")
        self.lists[written.slug] = Record({"source": "integration"} | written)
        return json(self.lists[written.slug])

    @route("GET", "/api/v1/price-lists/{slug}")
    def _get(self, _request: Request, slug: str) -> Response:
        return json(self.existing(slug))

    @route("PATCH", "/api/v1/price-lists/{slug}")
    def _update(self, request: Request, slug: str) -> Response:
        """Change the fields sent; a body with slug or source is refused."""
        written = decode(request, "updatePriceList")
        self.lists[slug] = Record(self.existing(slug) | written)
        return json(self.lists[slug])
