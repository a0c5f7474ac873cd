"""A dry run announces what the full sync after it writes, entity by entity, and writes nothing itself.

Stores and sites are random: SparkLayer has an earlier state of the store, and the ledger knows all of it, or nothing.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.dry_run import NAMED, PAGE_ATTEMPTS, Action, DryRun, dry_context
from daemon.entities import StockLevel
from daemon.errors import Blocked, Retry, Side, StorageTrouble
from daemon.issues import refused
from daemon.model import Kind
from daemon.sandbox.faults import Act, answer, html
from daemon.storage.dry_run import take_along
from daemon.storage.settle import settle
from daemon.storage.states import RunMode
from tests.databases import new_database
from tests.engine.announced import announced, everything, held, recorded, rehearse, writes_of
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.running import fill, running, until
from tests.engine.test_leftovers import lose_database, settled
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import order

JSON = {"content-type": "application/json"}
CART = "00000000-0000-4000-8000-"
SEEDS = range(3)


async def test_a_dry_run_writes_nothing_and_marks_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    before = await everything(bench)
    dry, waiting = await rehearse(bench)
    assert dry.trouble is None
    assert (writes_of(bench), waiting) == ({}, [])
    assert await everything(bench) == before
    assert announced(dry, Kind.PRODUCTS) == {"1": Action.CREATE, "2": Action.CREATE}
    assert dry.kinds[Kind.PRODUCTS].names[Action.CREATE] == {"1": "N1", "2": "N2"}


def make_product(rng: random.Random, key: str) -> Any:
    variants = {f"{key}{place}": f"S{key}-{place}" for place in range(1, rng.randint(2, 4))}
    return product(key, variants, stock=rng.randint(0, 9))


def make_customer(rng: random.Random, key: str) -> Any:
    parent = str(rng.randint(1, int(key))) if rng.random() < 0.2 else None
    return customer(key, parent=None if parent == key else parent)


def make_order(_rng: random.Random, key: str) -> Any:
    return order(key, f"{CART}{int(key):012d}")


def edit_product(rng: random.Random, key: str, one: Any) -> Any:
    change = rng.choice(["title", "stock", "price", "variants", "new variant"])
    if change == "title":
        return evolve(one, title=f"Other {key}")
    if change == "stock":
        return evolve(one, stock=dict.fromkeys(one.stock, StockLevel(77)))
    if change == "price":
        return evolve(one, prices=dict.fromkeys(one.prices, Decimal("77.5")))
    skus = {variant.external_id: variant.sku for variant in one.variants}
    if change == "variants":
        return product(key, dict(list(skus.items())[:1]))
    return product(key, {**skus, f"{key}9": f"S{key}-9"})


def edit_customer(rng: random.Random, key: str, one: Any) -> Any:
    if rng.random() < 0.3:
        return evolve(one, email=f"other{key}@example.com")
    return evolve(one, company_name=f"Company {rng.random()}")


def edit_order(_rng: random.Random, _key: str, one: Any) -> Any:
    return evolve(one, paid=Decimal("12.5"))


MAKE: Mapping[Kind, Callable[[random.Random, str], Any]] = {
    Kind.PRODUCTS: make_product,
    Kind.CUSTOMERS: make_customer,
    Kind.ORDERS: make_order,
}
EDIT: Mapping[Kind, Callable[[random.Random, str, Any], Any]] = {
    Kind.PRODUCTS: edit_product,
    Kind.CUSTOMERS: edit_customer,
    Kind.ORDERS: edit_order,
}


def edit(rng: random.Random, bench: Bench, number: int) -> None:
    """Let the store change: entities change, come, go, or are excluded; sometimes most of them go."""
    vanishing = rng.choice([0.0, 0.1, 0.1, 0.8])
    for key, one in list(bench.shop.products.items()):
        if rng.random() < vanishing:
            if rng.random() < 0.5:
                bench.shop.excluded.add(key)
            else:
                del bench.shop.products[key]
        elif rng.random() < 0.4:
            bench.shop.put(EDIT[bench.kind](rng, key, one))
        elif rng.random() < 0.1:
            bench.shop.issues[key] = (refused("an odd value"),)
    for new in range(number + 1, number + rng.randint(1, 6)):
        bench.shop.put(MAKE[bench.kind](rng, str(new)))


@pytest.mark.usefixtures("both_engines")
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("seed", SEEDS)
async def test_the_next_sync_writes_what_was_announced(autojump_clock: MockClock, seed: int, kind: Kind) -> None:
    rng = random.Random(f"{seed} {kind}")
    async with open_bench(kind=kind, stragglers=30.0) as bench:
        bench.shop.page_size = rng.choice([2, 5, 250])
        number = rng.randint(1, 16)
        bench.shop.put(*(MAKE[kind](rng, str(key)) for key in range(1, number + 1)))
        if rng.random() < 0.8:
            async with running(bench):
                await until(bench)
                await settled(bench)
            edit(rng, bench, number)
            if rng.random() < 0.6:
                await lose(bench)
        before, database = writes_of(bench), await everything(bench)
        dry, waiting = await rehearse(bench)
        assert dry.trouble is None
        assert dry.kinds[kind].failing == {}
        assert (writes_of(bench), await everything(bench)) == (before, database)
        async with recorded(bench) as writes, running(bench) as syncs:
            await syncs.start(RunMode.NORMAL, internal=True)
            await settled(bench)
        assert writes.actions == announced(dry, kind)
        assert await held(bench) == waiting


async def lose(bench: Bench) -> None:
    if bench.kind is Kind.PRODUCTS:
        await lose_database(bench)
        return
    for table in ("ledger", "owners", "full_syncs", "dependencies"):
        await bench.harness.alter(table, "connection_id = 999")
    bench.restart()


async def test_a_page_that_is_refused_again_and_again_ends_it(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.failures["page"] = [Retry("the answer was no JSON", reason="unreadable") for _ in range(PAGE_ATTEMPTS)]
    dry, _ = await rehearse(bench)
    assert str(dry.trouble) == "the answer was no JSON"
    assert not dry.kinds[bench.kind].over


async def test_a_page_that_is_refused_once_is_read_again(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    bench.shop.failures["page"] = [Retry("one bad minute", reason="http_503")]

    async def mended(method: str) -> None:
        if method == "page" and not bench.shop.failures.get("page", [None]):
            del bench.shop.failures["page"]

    bench.shop.before = mended
    dry, _ = await rehearse(bench)
    assert (dry.trouble, len(announced(dry, bench.kind))) == (None, 3)


@pytest.mark.parametrize("call", ["GET */price-lists/*", "GET */products/*"])
async def test_a_refused_key_ends_it_and_blocks_nothing_live(
    autojump_clock: MockClock, bench: Bench, call: str
) -> None:
    fill(bench, 3)
    bench.site.faults.add(call, answer(401, "{}", {"content-type": "application/json"}))
    dry, _ = await rehearse(bench)
    assert isinstance(dry.trouble, Blocked)
    assert dry.trouble.side is Side.SPARKLAYER
    assert bench.context.blocked(bench.kind) is None
    assert writes_of(bench) == {}


@pytest.mark.parametrize("odd", [answer(503), html(200), html(404), answer(200, "{}", JSON)])
async def test_an_entity_with_an_odd_answer_is_named_and_delays_no_other(
    autojump_clock: MockClock, bench: Bench, odd: Act
) -> None:
    fill(bench, 4)
    bench.site.faults.add("GET */products/3", odd)
    dry, _ = await rehearse(bench)
    found = dry.kinds[bench.kind]
    assert dry.trouble is None
    assert found.failing.keys() == {"3"}
    assert all(found.failing.values())
    assert announced(dry, bench.kind).keys() == {"1", "2", "4"}
    assert writes_of(bench) == {}


async def test_leftovers_stay_unknown_while_a_product_cannot_be_read(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 4)
    bench.shop.broken = {"3"}
    dry, _ = await rehearse(bench)
    assert dry.kinds[bench.kind].failing == {"3": "a bug in the mapping"}
    assert dry.kinds[bench.kind].leftovers == "some products cannot be read"


async def test_a_price_list_that_cannot_be_read_leaves_leftovers_unknown(
    autojump_clock: MockClock, bench: Bench
) -> None:
    fill(bench, 2)
    async with running(bench):
        await until(bench)
    await lose_database(bench)
    bench.site.faults.add("GET */price-lists/*/pricing", answer(503))
    dry, _ = await rehearse(bench)
    assert dry.trouble is None
    assert dry.kinds[bench.kind].leftovers == "SparkLayer did not list its prices"


async def test_leftovers_beyond_the_brake_are_announced_as_held(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 12)
    async with running(bench):
        await until(bench)
    for key in range(1, 10):
        del bench.shop.products[str(key)]
    await lose_database(bench)
    dry, waiting = await rehearse(bench)
    assert {removal["name"] for removal in waiting} == {f"S{key}" for key in range(1, 10)}
    assert announced(dry, bench.kind) == dict.fromkeys(("10", "11", "12"), Action.CHANGE)
    async with running(bench):
        await settled(bench)
    assert await held(bench) == waiting


async def test_a_scratch_database_that_fails_ends_it(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    scratch = new_database()
    await take_along(bench.context.storage, scratch, bench.context.connection.id)
    context, writes = dry_context(bench.context, storage=scratch, platform=bench.shop)

    write = scratch.write

    async def full(fn: Any, call: Any) -> Any:
        if fn is settle:  # in the actor, which would wait for the disk
            raise StorageTrouble("the disk is full", reason="storage")
        return await write(fn, call)

    scratch.write = full  # type: ignore[method-assign]
    dry = DryRun(context, writes)
    await dry.run([bench.kind])
    scratch.close()
    assert isinstance(dry.trouble, StorageTrouble)


async def test_removals_are_seen_whatever_runs_there_were(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 12)
    async with running(bench) as syncs:
        await until(bench)
        for _ in range(3):
            await syncs.start(RunMode.NORMAL)
            await settled(bench)
    del bench.shop.products["7"]
    dry, _ = await rehearse(bench)
    assert announced(dry, bench.kind) == {"7": Action.REMOVE}


async def test_a_sku_that_another_product_has_is_not_announced_for_two(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 3)
    async with running(bench):
        await until(bench)
    bench.shop.put(product("4", {"41": "S1"}), product("5", {"51": "S5"}))
    dry, _ = await rehearse(bench)
    async with recorded(bench) as writes, running(bench) as syncs:
        await syncs.start(RunMode.NORMAL)
        await settled(bench)
    assert announced(dry, bench.kind) == writes.actions == {"5": Action.CREATE}


async def test_few_names_are_kept_unless_all_are_wanted(autojump_clock: MockClock, bench: Bench) -> None:
    fill(bench, 30)
    some, _ = await rehearse(bench, named=NAMED)
    every, _ = await rehearse(bench)
    assert len(some.kinds[bench.kind].names[Action.CREATE]) == NAMED
    assert len(every.kinds[bench.kind].names[Action.CREATE]) == 30


async def test_live_work_goes_on_beside_it(autojump_clock: MockClock, bench: Bench) -> None:
    """Changes that come meanwhile are written, and the dry run marks nothing of them."""
    fill(bench, 20)
    async with running(bench):
        await until(bench)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rehearse, bench)
            for key in range(1, 21):
                bench.shop.change(str(key), title=f"Live {key}")
                await bench.change(str(key))
        await settled(bench)
    titles = {held["title"] for held in bench.site.state.comparable()["products"].values()}
    assert titles == {f"Live {key}" for key in range(1, 21)}
