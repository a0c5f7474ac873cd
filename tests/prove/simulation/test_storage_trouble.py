"""The database fails at one of a day's calls: the whole line heals by itself and ends as if nothing had been.

A call fails before it has any effect, as on a full disk, or after it, as when a commit's last step goes wrong but the
next start finds it on disk. Each run tries every second call, odd or even ones by chance.
"""

import random
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from daemon.engine.runner import ConnectionRunner
from daemon.errors import StorageTrouble
from daemon.model import Kind
from daemon.storage.database import Storage
from daemon.storage.group_commit import Operation
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import customer, held

C = TypeVar("C")
R = TypeVar("R")


@define
class Failing:
    """A storage whose call number `failing` fails, in the place of the effect or after it."""

    storage: Storage
    failing: int
    after_effect: bool
    calls: int = 0

    async def write(self, fn: Operation[C, R], call: C) -> R:
        self.calls += 1
        if self.calls == self.failing and not self.after_effect:
            raise StorageTrouble("the disk is full", reason="storage")
        result = await self.storage.write(fn, call)
        if self.calls == self.failing:
            raise StorageTrouble("the disk is gone", reason="storage")
        return result

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        self.calls += 1
        if self.calls == self.failing:
            raise StorageTrouble("the disk is gone", reason="storage")
        return await self.storage.read(fn, *args)


async def _day(bench: Bench) -> None:
    """Run a full sync with something wrong in it, then changes: a swap of SKUs, a removal, a repair, a new stock."""
    bench.shop.put(*(product(one, {f"{one}1": f"SKU-{one}"}) for one in "12345"))
    bench.shop.put(product("6", {}))
    runner = ConnectionRunner(bench.context, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await trio.sleep(60)
        bench.shop.put(product("1", {"11": "SKU-2"}), product("2", {"21": "SKU-1"}), product("6", {"61": "SKU-6"}))
        bench.shop.put(product("3", {"31": "SKU-3"}, stock=7))
        del bench.shop.products["4"]
        await bench.change("1", "2", "3", "4", "6")
        await trio.sleep(60)
        runner.finish()


@pytest.mark.parametrize("after_effect", [False, True])
async def test_whichever_call_of_the_database_fails_the_line_heals(
    autojump_clock: MockClock, chance: random.Random, *, after_effect: bool
) -> None:
    failing, reached = chance.randrange(2) - 1, True
    while reached:
        failing += 2
        async with open_bench() as bench:
            storage = Failing(bench.context.storage, failing, after_effect)
            bench.context.storage = storage
            await _day(bench)
            reached = storage.calls >= failing
            assert bench.skus() == {
                "SKU-1": "2",
                "SKU-2": "1",
                "SKU-3": "3",
                "SKU-5": "5",
                "SKU-6": "6",
            }, failing
            assert bench.stock() == {"SKU-1": 1, "SKU-2": 1, "SKU-3": 7, "SKU-5": 1, "SKU-6": 1}, failing
            assert bench.prices().keys() == bench.stock().keys(), failing
            assert await bench.harness.rows() == {}, failing
            ends = [call["last_full_sync_succeeded"] for call in bench.sync_calls("PATCH") if "last_full_sync" in call]
            assert set(ends) == {True}, failing
            assert "actor_restarts_total{" not in bench.context.metrics.render().decode(), failing
    assert failing > 50, "the day has that many calls"


async def _customers_day(bench: Bench) -> None:
    """Run a full sync of a family, then changes: a swap of e-mails, another parent, a removal, a new customer."""
    bench.shop.put(customer("1"), customer("2", parent="1"), customer("3"), customer("4"))
    runner = ConnectionRunner(bench.context, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await trio.sleep(20)
        bench.shop.put(customer("2", email="buyer3@example.com", parent="5"), customer("3", email="buyer2@example.com"))
        bench.shop.put(customer("5"))
        del bench.shop.products["4"]
        await bench.change("2", "3", "4", "5")
        await trio.sleep(60)
        runner.finish()


@pytest.mark.parametrize("after_effect", [False, True])
async def test_whichever_call_fails_customers_are_whole_in_the_end(
    autojump_clock: MockClock, chance: random.Random, *, after_effect: bool
) -> None:
    failing, reached = chance.randrange(2) - 1, True
    while reached:
        failing += 2
        async with open_bench(kind=Kind.CUSTOMERS) as bench:
            storage = Failing(bench.context.storage, failing, after_effect)
            bench.context.storage = storage
            await _customers_day(bench)
            reached = storage.calls >= failing
            found = {key: (one["email"], one.get("parent_customer_id")) for key, one in held(bench).items()}
            assert found == {
                "1": ("buyer1@example.com", None),
                "2": ("buyer3@example.com", "5"),
                "3": ("buyer2@example.com", None),
                "5": ("buyer5@example.com", None),
            }, failing
            assert (await bench.harness.rows(), await bench.issues()) == ({}, {}), failing
    assert failing > 40, "the day has that many calls"
