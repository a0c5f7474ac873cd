"""The walk: one shop's life from the first sync to the disconnect, in which every operation answers oddly.

    python -m tests.prove.simulation.walk                      # each odd answer, at the first uses of every operation;
                                                         # it fails too when one of these was never used
    python -m tests.prove.simulation.walk --answer "404 html" --times 3 --trace
    python -m tests.prove.simulation.walk --moments            # each, at the first uses within every moment; minutes
    python -m tests.prove.simulation.walk --moments --share 0.1 --seed 7       # a tenth of those

The moments are a first sync, live changes, removals, a full sync, and the disconnect. After each, when the odd answers
have ended, both sides are equal, nothing that only SparkLayer has is lost, no issue is left, nothing is blocked, and
one more full sync writes nothing.

With `--platform woocommerce` the store is a shop of WooCommerce. It has no additions, so some operations are not used.
"""

import argparse
import gc
import io
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import trio
from attrs import evolve, frozen

from daemon.engine.pipeline import Pipeline
from daemon.sandbox.message import Response
from tests.prove.simulation.audit import watch_work
from tests.prove.simulation.ending import alive, blocked, compare, find_nothing, rests
from tests.prove.simulation.events import DATA_TYPES, ignite
from tests.prove.simulation.furnishing import QUESTIONS, furnish_all, operations, shop_of, use_all
from tests.prove.simulation.odd import ANSWERS, OddAnswers, Operation
from tests.prove.simulation.simulator import logging_to, small_scale
from tests.prove.simulation.steady import Clock, steady
from tests.prove.simulation.stores.base import DEFAULT, store_type
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.world import Plan, World

PLAN = Plan(
    lossy=False, leaves=False, jumps=False, sweep_seconds=1e6, quota=None, rate=None, variants="merge", minutes=0.0
)
PLANS = {"woocommerce": evolve(PLAN, sweep_seconds=600.0, census_seconds=900.0)}
"""Plans for platforms that tell some edits to nobody: a sweep and a census must find them."""
UNSEEN_SECONDS = 4000.0
"""Seconds in which they have found everything, also after a few odd answers."""
TIMES = (1, 3)
SEED = 1
PRODUCTS, CUSTOMERS, ORDERS = 6, 5, 3
PROBED = 3600.0
"""Seconds within which a probe must have found that an API works again; nothing may wait for that meanwhile."""

SETTLING = 2.0
"""Seconds between two edits of a moment."""

GARBAGE = 50_000
"""Objects after which a process that only walks collects garbage."""

SHOWN, SEVERAL = 160, 5
"""So much of each breach is printed, and so many of a walk."""


@frozen(kw_only=True)
class Case:
    """An odd answer, how often in a row, and when: at each operation's first uses of all, or within a moment.

    `operation` is the only one that answers oddly, if it is given.
    """

    answer: str
    times: int
    moment: str | None = None
    operation: str | None = None
    platform: str = DEFAULT

    def __str__(self) -> str:
        return f"{self.answer}, {self.times} times" + (f", at {self.moment}" if self.moment else "")

    @property
    def looks_again(self) -> bool:
        """True if one more full sync must find nothing to write; the short form leaves that to its longer cases."""
        return self.moment is not None or self.times == TIMES[-1]

    def has(self, _side: str, operation: str) -> bool:
        """Return True if an operation answers oddly in this case."""
        return self.operation in {None, operation}


@frozen(kw_only=True)
class Result:
    """Result of a walk; it is good without `breaches`. `struck` has the operations that answered oddly."""

    breaches: Sequence[str]
    struck: frozenset[Operation]
    operations: frozenset[Operation]
    """All that must have answered oddly, once every odd answer was tried."""


def walk(case: Case, *, seed: int = SEED, sink: Callable[[str], None] | None = None) -> Result:
    """Walk once."""
    # The log is read by the simulator; to write it here takes a twentieth of the time.
    with steady(seed) as clock, small_scale(store_type(case.platform)), logging_to(io.StringIO(), "error"):
        return trio.run(_walk, case, seed, clock, Trace(clock.now, sink), clock=clock.ticks)


async def _walk(case: Case, seed: int, clock: Clock, trace: Trace) -> Result:
    odd = OddAnswers(ANSWERS[case.answer], case.times, case.has)
    async with trio.open_nursery() as nursery:
        plan, store = PLANS.get(case.platform, PLAN), store_type(case.platform)
        world = World.build(seed, store, clock, trace, nursery, plan=plan)
        world.longest_blocked = 6 * 3600.0  # each of many operations is refused a few times, one after the other
        world.faults_planned.calm()
        world.delivery.late = world.delivery.twice = 0.0
        _furnish(world)

        def strike(side: str, operation: str) -> Response | None:
            return odd.strike(side, operation) if case.moment in {None, moment} else None

        world.network.odd = strike
        with mock.patch.object(Pipeline, "work", watch_work(world.audit, Pipeline.work)):
            for moment, act in MOMENTS.items():
                trace.add("moment", moment)
                await act(world, nursery)
                await _judge(world, moment)
                if moment == "full sync" and case.looks_again and not world.audit.breaches:
                    await find_nothing(world)
                if world.audit.breaches:
                    break
            world.over = True
            nursery.cancel_scope.cancel()
    return Result(breaches=world.audit.breaches, struck=frozenset(odd.given) - QUESTIONS, operations=operations(world))


def _furnish(world: World) -> None:
    goods, people, orders = world.merchant.goods, world.merchant.clientele, world.merchant.orders
    while len(world.merchant.trade.articles()) < PRODUCTS:
        goods.add_product(silent=True)
    while len(world.merchant.trade.people()) < CUSTOMERS:
        people.add_customer(silent=True)
    while len(world.merchant.trade.orders()) < ORDERS:
        orders.place_order(silent=True)
    furnish_all(world)
    world.merchant.mend()


async def _first_sync(world: World, nursery: trio.Nursery) -> None:
    nursery.start_soon(world.keep_alive)
    await alive(world)


async def _live_changes(world: World, _nursery: trio.Nursery) -> None:
    for _ in range(CUSTOMERS):
        world.dashboard.edit()
    merchant = world.merchant
    goods, people, orders = merchant.goods, merchant.clientele, merchant.orders
    for act in (
        *(goods.retitle, goods.reprice, goods.restock, goods.add_product, goods.add_variant, goods.rename_sku),
        *(goods.swap_skus, goods.set_metafield, people.rename_customer, people.change_email, people.move_home),
        *(people.set_parent, people.add_customer, orders.place_order, orders.ship_order, orders.refund_order),
    ):
        act(silent=False)
        await trio.sleep(SETTLING)
    await use_all(world)
    merchant.mend()


async def _removals(world: World, _nursery: trio.Nursery) -> None:
    merchant = world.merchant
    goods, people, orders = merchant.goods, merchant.clientele, merchant.orders
    for act in (goods.delete_product, goods.drop_variant, people.delete_customer, people.regroup, orders.archive_order):
        act(silent=False)
        await trio.sleep(SETTLING)
    merchant.mend()


async def _full_sync(world: World, _nursery: trio.Nursery) -> None:
    world.merchant.goods.retitle(silent=True)
    for data_type in DATA_TYPES:
        await ignite(world, "POST", f"/status/{data_type}")


async def _disconnect(world: World, _nursery: trio.Nursery) -> None:
    await ignite(world, "DELETE", "")


MOMENTS: Mapping[str, Callable[[World, trio.Nursery], Awaitable[None]]] = {
    "first sync": _first_sync,
    "live changes": _live_changes,
    "removals": _removals,
    "full sync": _full_sync,
    "disconnect": _disconnect,
}
LEAVING = "disconnect"


async def _judge(world: World, moment: str) -> None:
    """Wait until the daemon is at rest, and compare."""
    when = f"after {moment}"
    if moment == LEAVING:
        await _judge_leaving(world)
        return
    if not await rests(world, when):
        return
    if world.plan.sweep_seconds < PLAN.sweep_seconds:
        await trio.sleep(UNSEEN_SECONDS)
        if not await rests(world, when):
            return
    compare(world, when)
    with trio.move_on_after(PROBED):
        while blocked(world) is not None:  # noqa: ASYNC110  the prober tells nobody
            await trio.sleep(10)
    if (cause := blocked(world)) is not None:
        world.audit.breach(f"still blocked {when}:", cause)
    for kind, external_id in world.disk.rows("SELECT kind, external_id FROM issues"):
        if not _expected_issue(world, kind, external_id):
            world.audit.breach(f"an issue is left {when}:", kind, external_id)


def _expected_issue(world: World, kind: str, external_id: str) -> bool:
    """Return true if the merchant must mend a variant without a SKU."""
    if kind != "products" or world.store_type.platform != DEFAULT:
        return False
    entry = shop_of(world).store.entries.get(int(external_id))
    return entry is not None and any(not variant.sku.strip() for variant in entry.variants)


async def _judge_leaving(world: World) -> None:
    with trio.move_on_after(24 * 3600.0) as scope:
        while world.disk.rows("SELECT 1 FROM connections WHERE state = 'leaving'"):  # noqa: ASYNC110  it tells nobody
            await trio.sleep(5)
    if scope.cancelled_caught:
        world.audit.breach("the clean-up of the disconnect does not end")
    if world.site.state.sync_log.logs:
        world.audit.breach("sync-logs are left after the disconnect:", list(world.site.state.sync_log.logs))
    if world.premises.hooks:
        world.audit.breach("webhooks are left after the disconnect:", len(world.premises.hooks))


def first_uses() -> Iterator[Case]:
    """Every odd answer, at the first uses of every operation."""
    return (Case(answer=answer, times=times) for answer in ANSWERS for times in TIMES)


def every_moment() -> Iterator[Case]:
    """Every odd answer, at the first uses of every operation within each moment."""
    return (evolve(case, moment=moment) for moment in MOMENTS for case in first_uses())


def main() -> int:
    """Run what was asked for; exit code 1: a walk failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.simulation.walk", description=__doc__)
    parser.add_argument("--answer", help="only this odd answer")
    parser.add_argument("--times", type=int, help="only this many times in a row")
    parser.add_argument("--draw-times", action="store_true", help="each answer as many times in a row as the seed says")
    parser.add_argument("--moments", action="store_true", help="at the first uses within every moment")
    parser.add_argument("--moment", choices=MOMENTS, help="within this moment only")
    parser.add_argument("--operation", help="this operation alone answers oddly, such as 'GET /v2/orders'")
    parser.add_argument("--platform", default=DEFAULT, help="the platform of the store")
    parser.add_argument("--share", type=float, default=1.0, help="the share of the walks that is tried")
    parser.add_argument("--seed", type=int, default=SEED, help="what is drawn by chance")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    times = {answer: (chance.choice(TIMES),) if given.draw_times else TIMES for answer in ANSWERS}
    cases = [
        evolve(case, operation=given.operation, platform=given.platform)
        for case in (every_moment() if given.moments or given.moment else first_uses())
        if given.answer in {None, case.answer}
        and given.times in {None, case.times}
        and case.times in times[case.answer]
        and given.moment in {None, case.moment}
        and chance.random() < given.share
    ]
    narrowed = {given.answer, given.operation, given.moment} != {None} or given.platform != DEFAULT
    every_answer = not narrowed and not given.moments and given.share == 1
    return _run(cases, print if given.trace else None, every_answer=every_answer)


def _run(cases: Sequence[Case], sink: Callable[[str], None] | None, *, every_answer: bool) -> int:
    """Run walks and tell what came of them; with `every_answer` each operation must have answered oddly."""
    began, failed, struck, known = time.monotonic(), 0, set[Operation](), frozenset[Operation]()
    for case, result in _walk_all(cases, sink):
        struck |= result.struck
        known |= result.operations
        if result.breaches:
            failed += 1
            print(f"{case}:", *(context[:SHOWN] for context in result.breaches[:SEVERAL]), sep="\n  ", flush=True)
    wrong = {"not struck": known - struck, "struck, yet unknown": struck - known} if every_answer and not failed else {}
    for words, found in wrong.items():
        for side, name in sorted(found):
            print(f"{words}: {name} of the {side}")
    print(f"{len(cases)} walks over {len(struck)} operations, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed or any(wrong.values()) else 0


def _walk_all(cases: Sequence[Case], sink: Callable[[str], None] | None) -> Iterator[tuple[Case, Result]]:
    """Walk, on every processor unless all that happens is printed."""
    if sink is not None:
        yield from ((case, walk(case, sink=sink)) for case in cases)
        return
    # By default the collector takes a tenth of the time.
    with ProcessPoolExecutor(initializer=gc.set_threshold, initargs=(GARBAGE,)) as pool:
        yield from zip(cases, pool.map(walk, cases), strict=True)


if __name__ == "__main__":
    sys.exit(main())
