"""A change that comes due while the actor is between two looks at the outbox is not overslept."""

import pytest
import trio

from daemon.engine.actor import Actor
from daemon.model import ExternalId, Kind, Lane
from tests.engine.fakes import Bench, product

TICK = 0.001
"""Seconds that pass whenever the wall clock is read: a machine is busy."""


@pytest.mark.parametrize("half_ticks", range(1, 12))
async def test_a_change_that_comes_due_between_two_looks_is_not_overslept(bench: Bench, half_ticks: int) -> None:
    began = trio.current_time()
    looks = iter(range(10_000))
    still = bench.line.now
    bench.line.now = lambda: still() + TICK * next(looks)
    bench.shop.put(product("1", {"11": "SHIRT"}))
    await bench.house.record("1", now=still(), debounce=half_ticks * TICK / 2, patience=1.0)
    bench.line.desks[Kind.PRODUCTS].work[Lane.LIVE].set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Actor(bench.line, bench.pipeline).run)
        await bench.line.desks[Kind.PRODUCTS].settled.wait()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began < 1.0
    assert ExternalId("1") in bench.site.state.comparable()["products"]
