"""A store that loses many entities of every kind, in every way, for the tests of the removal brake."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import trio

from daemon.admin.lists import held_removals
from daemon.admin.shapes import RemovalShown
from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.model import Kind, Lane
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.storage import connections
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.warm import Warm
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import order

MANY, LOST, LIMIT = 104, 52, 50
HOUR = 3600.0
IDS = [str(number) for number in range(1, MANY + 1)]
GOING = IDS[:LOST]

CART = "00000000-0000-4000-8000-"


def cart(key: str) -> str:
    return f"{CART}{int(key):012d}"


MAKE: Mapping[Kind, Callable[[str], Any]] = {
    Kind.PRODUCTS: lambda key: product(key, {f"{key}1": f"S{key}", f"{key}2": f"T{key}"}),
    Kind.CUSTOMERS: customer,
    Kind.ORDERS: lambda key: order(key, cart(key)),
}


def delete(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.products = {key: one for key, one in bench.shop.products.items() if key not in ids}


def exclude(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.excluded |= set(ids)


def exclude_unlisted(bench: Bench, ids: Sequence[str]) -> None:
    bench.shop.excluded |= set(ids)
    bench.shop.unlisted |= set(ids)


def lose_variants(bench: Bench, ids: Sequence[str]) -> None:
    for key in ids:
        bench.shop.put(product(key, {f"{key}1": f"S{key}"}, title="Still here"))


CAUSES = {"deleted": delete, "excluded": exclude, "unlisted": exclude_unlisted, "variant": lose_variants}
REMOVING = {
    Kind.PRODUCTS: "PATCH */products/*",
    Kind.CUSTOMERS: "DELETE */customers/*",
    Kind.ORDERS: "PUT */purchases/*",
}
CASES = [(kind, cause) for kind in MAKE for cause in CAUSES if cause != "variant" or kind is Kind.PRODUCTS]
WAYS = ["live", "sweep", "normal", "refresh", "daily"]
RUNS = WAYS[2:]
KINDS_AND_VARIANTS = [(kind, "excluded") for kind in MAKE] + [(Kind.PRODUCTS, "variant")]
LARGE = [
    (kind, cause, way) for kind, cause in CASES for way in WAYS if way in {"live", "normal"} or cause == "excluded"
]


def there(bench: Bench) -> set[str]:
    """Return SparkLayer's ids: of entities, or of variants for products."""
    site = bench.site.state.comparable()
    if bench.kind is Kind.PRODUCTS:
        return {sku[1:] + {"S": "", "T": "-T"}[sku[0]] for sku in bench.skus()}
    if bench.kind is Kind.CUSTOMERS:
        return set(site["customers"])
    purchases = site["purchases"].items()
    return {str(int(cart.removeprefix(CART))) for cart, one in purchases if one["packages"][0]["type"] != "cancelled"}


def left(bench: Bench, cause: str, ids: Sequence[str], number: int = MANY) -> set[str]:
    """Return SparkLayer's ids after the removal of the losses of `ids`."""
    rest = {key for key in IDS[:number] if key not in ids}
    whole = set(IDS[:number]) if cause == "variant" else rest
    return whole | ({f"{key}-T" for key in rest} if bench.kind is Kind.PRODUCTS else set())


_warm: dict[tuple[Kind, int, SparkLayerOptions | None], Warm] = {}


@contextlib.asynccontextmanager
async def filled(
    kind: Kind, number: int = MANY, options: SparkLayerOptions | None = None
) -> AsyncIterator[tuple[Bench, FullSyncs]]:
    """Open a working bench, with the first `number` entities in SparkLayer."""
    if (kind, number, options) not in _warm:
        async with at_work(kind, options) as (bench, syncs):
            bench.shop.put(*(MAKE[kind](key) for key in IDS[:number]))
            if kind is Kind.ORDERS:
                for key in IDS[:number]:  # in the storefront, as every cart is; a missing one would be asked for twice
                    bench.site.state.purchases.place(cart(key))
            await go(bench, syncs, RunMode.NORMAL)
            assert len(there(bench)) == number * (2 if kind is Kind.PRODUCTS else 1)
            _warm[kind, number, options] = Warm.of(bench.shop.products, bench.site, bench.harness.storage)
    async with at_work(kind, options, _warm[kind, number, options]) as opened:
        yield opened


@contextlib.asynccontextmanager
async def at_work(
    kind: Kind, options: SparkLayerOptions | None = None, warm: Warm | None = None
) -> AsyncIterator[tuple[Bench, FullSyncs]]:
    """Open a bench with an actor and full syncs, none of which begins by itself."""
    async with (
        open_bench(options, kind=kind, warm=warm, full_sync_on_start=False) as bench,
        trio.open_nursery() as nursery,
    ):
        bench.shop.page_size = 250
        syncs = FullSyncs(bench.context, kind)
        nursery.start_soon(syncs.run)
        nursery.start_soon(Actor(bench.context, bench.pipeline).run)
        yield bench, syncs
        nursery.cancel_scope.cancel()


async def go(bench: Bench, syncs: FullSyncs, way: str, ids: Sequence[str] = IDS, **wish: Any) -> None:
    """Make the daemon read everything, or changes of `ids`, and wait until it has done the work."""
    if way in RUNS:
        assert await syncs.start(RunMode(way), **wish) is not None
        await until_ended(bench)
    else:
        await bench.change(*ids, lane=Lane.LIVE if way == "live" else Lane.BACKFILL)
        await idle(bench)


async def until_ended(bench: Bench) -> None:
    """Wait for the end; no sync-log writer runs here."""

    async def is_over() -> bool:
        return (await bench.harness.newest()).state in {"ending", "ended"}

    with trio.fail_after(5000):
        await bench.until(is_over)


async def idle(bench: Bench) -> None:
    with trio.fail_after(5000):
        await bench.emptied()


async def held(bench: Bench) -> list[RemovalShown]:
    everyone = await bench.context.storage.read(connections.everyone)
    return await held_removals(bench.context.storage, bench.context.vault, everyone, [bench.kind])
