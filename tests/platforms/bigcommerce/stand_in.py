"""The strict stand-in of BigCommerce's API without sockets, and an adapter in front of it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from daemon.entities import StoreFacts
from daemon.model import ExternalId, Kind, Lane, Secret
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import Entity
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.sandbox import BigCommerce as StandIn
from daemon.sandbox import BigCommerceOptions, Store
from daemon.sandbox.message import Match, Request, Response
from daemon.sandbox.transport import InProcess

FACTS = StoreFacts(currency="USD", weight_unit="LBS")
CARTS = [f"4217ba4f-7618-4e3b-b1af-{number:012d}" for number in range(10)]
LINES = [{"name": "Shirt", "sku": "J-S", "quantity": 2, "price": 10}]


class _Strict(StandIn):
    """The stand-in; a call that it refuses fails the test, because the adapter must send only valid calls."""

    def answer(self, request: Request, match: Match | None) -> Response:
        response = super().answer(request, match)
        assert response.status < 400 or response.status in {403, 404}, (request.path, request.query, response.body)
        return response


async def walk(shop: BigCommerce, kind: Kind, since: float | None = None, cursor: str | None = None) -> list[Entity]:
    """Enumerate to the end, from `cursor` on; return the entities in order."""
    entities: list[Entity] = []
    first = partial(shop.page, kind) if since is None else partial(shop.changed_since, kind, since)
    for _ in range(100):
        page = await first(cursor)
        entities += page.entities
        cursor = page.cursor
        if cursor is None:
            return entities
    raise AssertionError("the walk does not end")


class AdapterHarness:
    """A store with two products, its API without sockets, and the adapter."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.store = Store()
        sizes = [{"sku": f"J-{size}", "options": {"Size": size}, "stock": 3} for size in "SML"]
        self.jumper = self.store.add_product("Jumper", price=40, variants=sizes, silent=True)
        self.mug = self.store.add_product("Mug", price=7, variants=[{"sku": "MUG", "stock": 1}], silent=True)
        self.buyer = self.store.customers.add("buyer@example.com", silent=True)
        self.api = _Strict(self.store, BigCommerceOptions(), "http://shop.test", nursery)
        self.state: AdapterState = MemoryAdapterState()
        self.connect()

    def connect(self, **settings: Any) -> None:
        """Connect a new adapter with the same state, as after a restart."""
        known = BigCommerceSettings(
            api_url="http://shop.test", store_hash="sandbox", access_token=Secret(self.api.access_token), **settings
        )
        self.shop = BigCommerce(known, InProcess(self.api), state=self.state)

    def order(self, cart: str | None = None, **more: Any) -> int:
        return self.store.orders.place(self.buyer, more.pop("lines", LINES), cart_id=cart, silent=True, **more)

    async def walk(self, kind: Kind, since: float | None = None, cursor: str | None = None) -> list[str]:
        """Enumerate to the end, from `cursor` on; return the ids."""
        return [entity.external_id for entity in await walk(self.shop, kind, since, cursor)]

    async def read(self, kind: Kind, *ids: object) -> dict[str, Any]:
        wanted = [ExternalId(str(one)) for one in ids]
        found = await self.shop.read(kind, wanted, Lane.LIVE)
        return {key: self.shop.map(kind, entity, FACTS) for key, entity in found.items() if key == entity.external_id}

    def rewrite(self, path: str, change: Callable[[Any], Any]) -> None:
        """Have `change` edit the JSON of the answers at `path`, in place or by returning another value."""

        async def act(_request: Request, response: Response | None) -> Response:
            assert response is not None
            body = json.loads(response.body)
            changed = change(body)
            text = json.dumps(body if changed is None else changed)
            return Response(status=200, headers=response.headers, body=text.encode())

        self.api.faults.add(path, act, after_effect=True)

    def calls(self) -> dict[str, int]:
        found = dict(self.api.statistics.calls)
        self.api.statistics.reset()
        return found
