"""Calls one store's API: one method for each type of call, each through the store's throttle.

A refusal names the OAuth scope that the call needs (contract section 1). Every unexpected answer becomes a failure of
`daemon.errors`. A truncated 200, or one without JSON, is a Retry: it comes from a proxy or a broken connection, and
both pass.
"""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec.json import Decoder

from daemon.errors import Failure, Retry, Side
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.refusal import refusal
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shared.client import StoreClient
from daemon.platforms.shared.rows import decode
from daemon.transport.client import Observe
from daemon.transport.http import Answer, Api, Transport, shortly
from daemon.transport.throttle import Limiter, WindowPolicy

T = TypeVar("T")

API = "bigcommerce"
NO_CONTENT = 204
DONE = Decoder(schema.Written)

_SCOPES = (
    ("/v3/catalog/", "store_v2_products_read_only"),
    ("/v3/inventory/locations", "store_locations_read_only"),
    ("/v3/inventory/", "store_inventory_read_only"),
    ("/v3/customers", "store_v2_customers_read_only"),
    ("/v2/customer_groups", "store_v2_customers_read_only"),
    ("/v3/orders", "store_v2_orders_read_only"),
    ("/v2/orders", "store_v2_orders_read_only"),
    ("/v2/store", "store_v2_information_read_only"),
)
"""Prefixes of paths, the narrower before the wider, and the scope for reading there."""


class Client(StoreClient):
    """Calls below `{api_url}/stores/{store_hash}`. Paths start with `/v2` or `/v3`."""

    narrowing = ("id", "id:in", "product_id:in", "customer_id:in", "resource_id:in", "max_id")

    def __init__(self, settings: BigCommerceSettings, transport: Transport | None, observe: Observe) -> None:
        self._secrets = settings.secrets
        api = Api(
            f"{settings.api_url}/stores/{settings.store_hash}",
            headers={"X-Auth-Token": settings.access_token.reveal(), "Accept": "application/json"},
            transport=transport,
        )
        super().__init__(API, api, Limiter(api=API, side=Side.PLATFORM, policy=WindowPolicy()), observe)

    async def probe(self) -> None:
        """Ask BigCommerce for the time."""
        await self.get("/v2/time", schema.TIME, lane=Lane.LIVE)

    def refusal(self, answer: Answer, path: str) -> Failure:
        """Return the failure that an answer (not 2xx) means."""
        return refusal(answer, self._secrets, scope_needed(path))

    async def get(self, path: str, decoder: Decoder[T], *, lane: Lane, query: Mapping[str, str] | None = None) -> T:
        """Read and decode one answer. A 204, which v2 sends for an empty list, is read as an empty list."""
        return _decoded(await self.read("GET", path, lane, query), decoder)

    async def every(
        self,
        path: str,
        decoder: Decoder[schema.Listing[T]],
        *,
        lane: Lane,
        limit: int,
        query: Mapping[str, str] | None = None,
    ) -> list[T]:
        """Read a short v3 list whole. The server may lower `limit`, so its own count of pages decides.

        Raises Retry if the list has fewer rows than the server counts, until `ShortAnswers` believes it.
        """
        rows: list[T] = []
        page = 1
        while True:
            asked = {**(query or {}), "limit": str(limit), "page": str(page)}
            listing = await self.get(path, decoder, lane=lane, query=asked)
            rows += listing.data
            pages = listing.pagination.total_pages
            more = page < pages if pages is not None else len(listing.data) >= limit
            if not listing.data or not more:
                break
            page += 1
        # The ids in a list's filter differ from call to call, so all answers of a path count together.
        narrowed = {name: value for name, value in (query or {}).items() if not name.endswith(":in")}
        counted = int((listing.pagination.total or 0) > len(rows))
        doubt = self._short_answers.about(0, f"{path} {narrowed}", counted, 0)
        if doubt is not None:
            raise Retry(f"BigCommerce lists fewer rows at {path} than it counts", reason=doubt.reason)
        return rows

    async def by_cursor(
        self,
        path: str,
        decoder: Decoder[schema.Listing[T]],
        *,
        lane: Lane,
        limit: int,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[list[T]]:
        """Read a v3 list page by page with its cursor. Raises Retry if the cursor repeats."""
        cursor: str | None = None
        while True:
            asked = {**(query or {}), "limit": str(limit)} | ({"after": cursor} if cursor else {})
            listing = await shortly(partial(self.get, path, decoder, lane=lane, query=asked))
            cursor = listing.cursor(limit, cursor)
            yield listing.data
            if cursor is None:
                return

    async def pages(self, path: str, decoder: Decoder[list[T]], *, lane: Lane, limit: int) -> list[T]:
        """Read a short v2 list whole. It has no metadata, so the first page that is not full is the last."""
        found: list[T] = []
        page = 1
        while True:
            asked = {"limit": str(limit), "page": str(page)}
            rows = await shortly(partial(self.get, path, decoder, lane=lane, query=asked))
            found += rows
            if len(rows) < limit:
                return found
            page += 1

    async def write(self, method: str, path: str, *, lane: Lane, body: Mapping[str, Any] | None = None) -> None:
        """Make one call that changes something; only success or failure of the answer matters."""
        answer = await self._api.send(method, path, lane, body=None if body is None else msgspec.json.encode(body))
        if not answer.ok:
            raise self.refusal(answer, path)
        if answer.status != NO_CONTENT:
            _decoded(answer, DONE)


def scope_needed(path: str) -> str:
    """Return the scope that `path` needs; empty if every account may read it."""
    return next((scope for start, scope in _SCOPES if path.startswith(start)), "")


def _decoded(answer: Answer, decoder: Decoder[T]) -> T:
    if answer.is_html:
        raise Retry("BigCommerce's answer is a web page", reason="not_json")
    try:
        return decode(b"[]" if answer.status == NO_CONTENT else answer.body, decoder)
    except msgspec.ValidationError as error:
        message = f"BigCommerce's answer has an unexpected shape: {error}"
        raise Retry(message, reason="unexpected_shape") from None
    except (ValueError, RecursionError):
        raise Retry("BigCommerce's answer is not JSON", reason="not_json") from None
