"""The API's answers as typed values, as far as all kinds share them; unknown fields are ignored.

Decoding is strict where a value could be misread, and lenient where BigCommerce is: null is sometimes printed as `{}`
(contract section 13). Amounts are exact decimals. A list is decoded entity by entity: see
`daemon.platforms.shared.rows`.
"""

from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Retry
from daemon.platforms.shared.rows import MISCOUNTED

T = TypeVar("T")

LARGEST_PAGE = 250
"""The most entities in one call (contract section 3)."""


class Pagination(Struct, frozen=True):
    """Counts of an offset list; `total` is the number of all matches."""

    total: int | None = None
    total_pages: int | None = None


class PageLinks(Struct, frozen=True):
    """Link to the next page of a list."""

    next: str | None = None


class CursorPagination(Struct, frozen=True):
    """Position in a list read by cursor; the next page starts after `end_cursor`."""

    count: int | None = None
    per_page: int | None = None
    end_cursor: str | None = None
    links: PageLinks | None = None


class ListMeta(Struct, frozen=True):
    """The `meta` of a v3 list."""

    pagination: Pagination | None = None
    cursor_pagination: CursorPagination | None = None


class Time(Struct, frozen=True):
    """The store's clock, in seconds since the epoch."""

    time: float


class Written(Struct, frozen=True):
    """The answer to a v3 write: the object as it is now, or as it was before its deletion."""

    data: dict[str, Any]


class Listing(Struct, Generic[T], frozen=True):
    """A v3 list."""

    data: list[T]
    meta: ListMeta | None = None

    @property
    def pagination(self) -> Pagination:
        """The counts of the list, empty if it has none."""
        return (self.meta and self.meta.pagination) or Pagination()

    def cursor(self, limit: int, this: str | None) -> str | None:
        """Return the cursor of the page after `this` one; None if it was the last. The server may have lowered `limit`.

        Raises Retry if the page contradicts itself, or if the cursor repeats.
        """
        paging = (self.meta and self.meta.cursor_pagination) or CursorPagination()
        if paging.count is not None and paging.count != len(self.data):
            raise Retry(f"BigCommerce's page has {len(self.data)} rows but counts {paging.count}", reason=MISCOUNTED)
        more = paging.links.next if paging.links else len(self.data) >= (paging.per_page or limit)
        if not more or (not self.data and not paging.links):
            return None
        if not self.data:
            raise Retry("BigCommerce's page is empty but names a next page", reason="page_empty")
        if not paging.end_cursor:
            if not paging.links:
                return None
            raise Retry("BigCommerce's page has no cursor for the next page", reason="page_without_cursor")
        if paging.end_cursor == this:
            raise Retry("BigCommerce's list repeats a cursor", reason="page_out_of_order")
        return paging.end_cursor


class Single(Struct, Generic[T], frozen=True):
    """A v3 answer about one object."""

    data: T


class Store(Struct, frozen=True):
    """The part of GET /v2/store that mapping depends on. The panel's URL is not in the contract (inferred)."""

    currency: Annotated[str, Meta(min_length=1)]
    weight_units: str
    control_panel_base_url: str | None = None
    is_price_entered_with_tax: bool = False


class Metafield(Struct, frozen=True):
    """A metafield of a product, a variant or an order."""

    resource_id: int
    key: str
    value: str
    namespace: str | None = None
    date_modified: str | None = None


RAW_LISTING = Decoder(Listing[Raw], strict=False)
RAW_SINGLE = Decoder(Single[Raw])
RAW = Decoder(Raw)
RAW_LIST = Decoder(list[Raw])
ANYTHING = Decoder(dict[str, object])
TIME = Decoder(Time)
