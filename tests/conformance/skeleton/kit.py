"""The skeleton's kit: a stand-in of its API, as small as it is strict, and the merchant's edits."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from attrs import define, evolve, field

from daemon.model import ExternalId, Kind, Secret
from daemon.transport.http import Transport
from tests.conformance.kit import Kit
from tests.conformance.skeleton.adapter import MOST, PLATFORM, SkeletonSettings

URL, TOKEN = "http://localhost", "the-token-of-the-shop"
Row = dict[str, Any]


@define(eq=False, slots=False)
class Stand:
    """One store. What each method is for is said by `tests.conformance.kit.Stand`."""

    now: float = 1_790_000_000.0
    secrets: Sequence[str] = (TOKEN,)
    spellings: Sequence[str] = (URL,)
    token: str = TOKEN
    items: dict[int, Row] = field(factory=dict)
    shop: Row = field(factory=lambda: {"currency": "GBP", "unit": "kg", "control_panel": "http://localhost/admin"})
    last: int = 0

    def __attrs_post_init__(self) -> None:
        """Open the API."""
        self.transport: Transport = httpx.MockTransport(self._answer)
        self.settings: Any = SkeletonSettings(url=URL, token=Secret(TOKEN))
        self.other_settings: Any = evolve(self.settings, webhook_secret=Secret("another"))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"error": "unknown token"})
        _, name, *rest = request.url.path.split("/")
        if name == "shop":
            return httpx.Response(200, json=self.shop)
        if rest:
            item = self.items.get(int(rest[0]))
            missing = httpx.Response(404, content=json.dumps({"error": "no such item"}))
            return missing if item is None else httpx.Response(200, json=item)
        query = request.url.params
        limit = int(query["limit"])
        assert limit <= MOST, "the API refuses longer pages"
        wanted = {int(text) for text in query["ids"].split(",")} if "ids" in query else self.items.keys()
        after, since = int(query.get("after", "0")), float(query.get("since", "0"))
        rows = [self.items[id_] for id_ in sorted(self.items) if id_ in wanted and id_ > after]
        return httpx.Response(200, json=[row for row in rows if row["changed"] >= since][:limit])

    def add(self, kind: Kind, count: int) -> list[ExternalId]:
        """Add items."""
        assert kind is Kind.PRODUCTS
        new = range(self.last + 1, self.last + count + 1)
        for id_ in new:
            named = {"name": f"Item {id_}", "code": f"CODE-{id_}", "price": "9.50", "stock": 3}
            self.items[id_] = {"id": id_, **named, "changed": self.now}
        self.last += count
        return [ExternalId(str(id_)) for id_ in new]

    def edit(self, kind: Kind, external_id: ExternalId) -> None:
        """Rename an item, or change the store's currency."""
        if kind is Kind.STORE:
            self.shop["currency"] = "EUR" if self.shop["currency"] == "GBP" else "GBP"
        else:
            item = self.items[int(external_id)]
            item |= {"name": f"{item['name']}!", "changed": self.now}

    def spoil(self, kind: Kind, external_id: ExternalId) -> None:
        """Take away an item's code, or weigh in stones."""
        if kind is Kind.STORE:
            self.shop["unit"] = "stone"
        else:
            self.items[int(external_id)] |= {"code": "", "changed": self.now}

    def delete(self, kind: Kind, external_id: ExternalId) -> None:
        """Delete an item."""
        assert kind is Kind.PRODUCTS
        del self.items[int(external_id)]

    def revoke(self) -> None:
        """Make the token void, or valid again."""
        self.token = "another" if self.token == TOKEN else TOKEN


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Any]:
    """Open a store."""
    yield Stand()


KIT = Kit(
    platform=PLATFORM,
    open=opened,
    page={Kind.PRODUCTS: MOST, Kind.STORE: 1},
    dated=frozenset({Kind.PRODUCTS}),
    refusal=lambda words: {"status": 422, "message": words},
    registers_together=True,
    unseen=frozenset(),
    shrinking=frozenset(),
    signs_time=False,
)
