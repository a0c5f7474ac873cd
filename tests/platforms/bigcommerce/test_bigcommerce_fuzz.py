"""Answers with odd types and missing keys, by seed: they cause failures, but never silently remove data."""

import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.entities import Customer, Order, Product
from daemon.errors import Failure
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import MemoryAdapterState
from daemon.platforms.base import Entity
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.sandbox.message import Request, Response
from daemon.sandbox.message import json as respond
from daemon.sandbox.server import answered
from daemon.sandbox.transport import Exchange
from tests.conformance.bigcommerce_kit import Stand
from tests.each import each

pytestmark = pytest.mark.holds("C6")

SEEDS = range(60)
ODD: tuple[Any, ...] = (None, {}, [], "", "abc", [None], {"a": None}, True, 1.5, "\u200b", 10**30)
"""Values that fields of an answer are not documented to have, with some exceptions."""
LEGITIMATE = (
    "is_visible",
    "is_deleted",
    "sku",
    "email",
    "option_values",
    "availability",
    "enabled",
    "namespace",
    "key",
)
"""Fields in which another value of the documented type may legitimately remove data."""
KINDS = (Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS)

Path = tuple[str | int, ...]


def _paths(node: Any, at: Path = ()) -> Iterator[Path]:
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in rows:
        yield (*at, key)
        yield from _paths(value, (*at, key))


def _spoil(document: Any, draw: random.Random) -> None:
    """Change or remove one field of an answer."""
    every = [path for path in _paths(document) if path[-1] not in LEGITIMATE]
    if not every:
        return
    *way, last = draw.choice(every)
    node = document
    for key in way:
        node = node[key]
    if isinstance(node, dict) and draw.random() < 0.2:
        del node[last]
    elif type(value := draw.choice(ODD)) is not type(node[last]):
        node[last] = value


def _had(value: Product | Customer | Order) -> set[str]:
    """Return the parts of an entity that must not be lost: variants, stock, prices, RRPs, options, addresses, lines."""
    if isinstance(value, Product):
        kept = {f"variant {one.external_id}" for one in value.variants}
        kept |= {f"option {one.external_id} {place}" for one in value.variants for place, _ in enumerate(one.options)}
        kept |= {f"rrp {one.external_id}" for one in value.variants if one.rrp}
        return kept | {f"stock {sku}" for sku in value.stock} | {f"price {sku}" for sku in value.prices}
    if isinstance(value, Customer):
        return {f"address {one}" for one in value.addresses}
    return {f"line {line.external_id}" for package in value.packages for line in package.lines}


class _Store:
    """A store that can be switched to spoil its answers."""

    def __init__(self, nursery: trio.Nursery, draw: random.Random) -> None:
        self.stand, self._draw, self.spoils = Stand(nursery), draw, False
        self.ids = {kind: self.stand.add(kind, 2) for kind in KINDS}
        store = self.stand.store
        store.metafields.set("product", int(self.ids[Kind.PRODUCTS][0]), "rrp", "5", silent=True)
        store.orders.ship(int(self.ids[Kind.ORDERS][0]), tracking_number="T", silent=True)
        self.shop = BigCommerce(self.stand.settings, Exchange(self._answer), state=MemoryAdapterState())

    async def _answer(self, request: Request) -> Response:
        response = await answered(self.stand.api, request)
        if not self.spoils or response.status != 200 or self._draw.random() < 0.5:
            return response
        document = json.loads(response.body)
        _spoil(document, self._draw)
        return respond(document)

    async def read(self, kind: Kind) -> list[Entity]:
        """Read a kind in every way."""
        found: list[Entity] = []
        for first in (partial(self.shop.page, kind), partial(self.shop.changed_since, kind, 0.0)):
            try:
                found += (await first(None)).entities
            except Failure:
                continue
        named = [ExternalId(f"metafields:product:{one}") for one in self.ids[Kind.PRODUCTS]]
        try:
            ids = [*self.ids[kind], *(named if kind is Kind.PRODUCTS else ())]
            found += [
                one for key, one in (await self.shop.read(kind, ids, Lane.LIVE)).items() if key == one.external_id
            ]
        except Failure:
            pass
        for one in self.ids[kind]:
            try:
                entity = await self.shop.read_one(kind, one, Lane.LIVE)
            except Failure:
                continue
            assert entity is not None, "it is there"
            found.append(entity)
        return found


@each("seed", [*SEEDS])
async def test_spoilt_answers_take_nothing_away_in_silence(seed: int, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        store = _Store(nursery, random.Random(seed))
        facts = await store.shop.facts()
        whole = {
            (kind, one.external_id): _had(store.shop.map(kind, one, facts).value)  # type: ignore[arg-type]
            for kind in KINDS
            for one in (await store.shop.page(kind, None)).entities
        }
        store.spoils = True
        for kind in KINDS:
            for entity in await store.read(kind):
                try:
                    mapped = store.shop.map(kind, entity, facts)
                except Failure:
                    continue
                if (kind, entity.external_id) not in whole or mapped.issues:
                    continue
                assert mapped.value is not None, (kind, entity)
                assert whole[kind, entity.external_id] - _had(mapped.value) == set(), (kind, entity)
        await store.shop.aclose()
        nursery.cancel_scope.cancel()
