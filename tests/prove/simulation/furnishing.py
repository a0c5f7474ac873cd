"""Additions to an ordinary store, so that the daemon uses each operation of both sides.

    furnish_all(world)              # before the daemon starts
    await use_all(world)            # amid live changes
    operations(world)               # every operation that must have been used then, by side and name

An operation that is new in a stand-in is in `operations` by itself: it gets a use here, or a place in `UNUSED`.
"""

from collections.abc import Mapping
from typing import cast

import msgspec
import trio

from daemon.platforms.bigcommerce.webhooks import REGISTERED
from daemon.sandbox import BigCommerce
from daemon.sandbox.bigcommerce.catalogue import Location
from daemon.sandbox.bigcommerce.webhooks import Hook
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.message import Request, Router
from tests.prove.simulation.faults import SHOP, SITE
from tests.prove.simulation.life import PUBLIC_URL
from tests.prove.simulation.stores.base import DEFAULT
from tests.prove.simulation.words import PERSONAL
from tests.prove.simulation.world import World

UNUSED: Mapping[str, frozenset[str]] = {
    SHOP: frozenset(
        {
            "GET /v3/hooks/{hook_id}",
            "POST /oauth2/token",
        }
    ),
    SITE: frozenset(
        {
            "DELETE /api/v1/price-lists/{slug}",
            "DELETE /api/v1/price-lists/{slug}/pricing",
            "DELETE /api/v1/stock-locations/{location_id}",
            "DELETE /api/v1/purchases/{lookup}/{identifier}",
            "GET /api/v1/price-lists",
            "GET /api/v1/pricing/{sku}",
            "GET /api/v1/purchases",
            "GET /api/v1/sync-log/{integration}/{data_type}/errors",
            "GET /api/v1/variants/{variant_id}",
            "PATCH /api/v1/batch-update-pricing",
            "PATCH /api/v1/stock-locations/{location_id}",
            "PATCH /api/v1/variants/{variant_id}",
        }
    ),
}
"""Operations of the stand-ins that the daemon never uses. (The app's login server is no part of a walk.)"""

QUESTIONS = frozenset(
    {
        (SITE, "GET /api/v1/stock-locations/{location_id}"),
        (SITE, "GET /api/v1/sync-log/{integration}/{data_type}"),
        (SITE, "GET /api/v2/price-lists"),
    }
)
"""Operations that serve control questions only, which follow some of the odd answers."""

MANY = 12
"""Addresses and attributes: more than are included in a list of customers."""
LINES = 60
"""Lines of an order: more than are included in a list of orders."""
CART = "5e4dbd0c-0000-4000-8000-00000000006c"
SECOND = 2
"""The id of the store's second stock location."""
DESTINATION = f"{PUBLIC_URL}/webhooks/test/sandbox"
LOCKED_SECONDS = 20.0


def shop_of(world: World) -> BigCommerce:
    """Return BigCommerce's stand-in of the store."""
    return cast("BigCommerce", world.premises.api)


def operations(world: World) -> frozenset[tuple[str, str]]:
    """Return all operations that both stand-ins have and the daemon uses for more than control questions.

    None with a store of another platform than BigCommerce, whose additions are not here.
    """
    if world.store_type.platform != DEFAULT:
        return frozenset()
    routers: Mapping[str, Router] = {SHOP: shop_of(world).routes, SITE: world.site.routes}
    offered = {(side, name) for side, router in routers.items() for name in router.names()}
    unused = {(side, name) for side, names in UNUSED.items() for name in names}
    needless = unused | QUESTIONS
    assert needless <= offered, needless - offered
    return frozenset(offered - needless)


def furnish_all(world: World) -> None:
    """Add what lists do not include, second stock locations, a webhook switched off, a product that SparkLayer has."""
    if world.store_type.platform != DEFAULT:
        return
    store, words = shop_of(world).store, world.merchant.words
    home = {name: words.new(PERSONAL) for name in ("address1", "city", "first_name", "last_name")}
    customer = store.customers.add(
        "many@example.com",
        group_id=WHOLESALE,
        first_name=words.new(PERSONAL),
        last_name=words.new(PERSONAL),
        addresses=[{**home, "address1": words.new(PERSONAL), "country_code": "GB"} for _ in range(MANY)],
        attributes={f"Note {number}": str(number) for number in range(MANY)},
        silent=True,
    )
    variants = world.merchant.goods.variants()
    lines = [{"variant_id": variants[number % len(variants)], "quantity": 1 + number} for number in range(LINES)]
    store.orders.place(customer, lines, cart_id=CART, silent=True)
    store.locations.append(Location(SECOND, "second", "Second location"))
    store.set_stock(variants[0], 7, SECOND, silent=True)
    hook = Hook(id=store.new_id(), scope=REGISTERED[0], destination=DESTINATION, is_active=False)
    shop_of(world).hooks.registered[hook.id] = hook
    site = world.site.state
    site.stock.create_location(_request({"name": "Second", "external_id": "second"}))
    known = store.variant(variants[-1])
    site.products.create(
        _request(
            {
                "external_id": str(known.product_id),
                "title": "Made by an integration before",
                "slug": "before",
                "variants": [{"external_id": str(known.id), "sku": known.sku}],
            }
        )
    )


async def use_all(world: World) -> None:
    """Change what has operations of its own, and lock the daemon out of both sides, so that it probes."""
    if world.store_type.platform != DEFAULT:
        return
    store = shop_of(world).store
    variant = world.merchant.goods.variants()[0]
    store.metafields.set("variant", variant, "rrp", "12.50")
    store.update_settings(tax_inclusive=not store.tax_inclusive)
    await trio.sleep(LOCKED_SECONDS)
    for lock in (_lock_shop, _lock_site):
        lock(world, shut=True)
        world.merchant.goods.retitle(silent=False)
        await trio.sleep(LOCKED_SECONDS)
        lock(world, shut=False)


def _lock_shop(world: World, *, shut: bool) -> None:
    world.faults_planned.locked_out = shut


def _lock_site(world: World, *, shut: bool) -> None:
    tokens = world.site.tokens
    tokens.key_revoked = shut
    if shut:
        tokens.revoke()


def _request(content: Mapping[str, object]) -> Request:
    headers = {"content-type": "application/json"}
    return Request(method="POST", path="", headers=headers, body=msgspec.json.encode(content))
