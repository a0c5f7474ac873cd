"""The actor does not miss a change that becomes due between two looks at the outbox."""

import pytest
import trio
from attrs import define

from daemon.engine.actor import Actor
from daemon.model import Kind, Lane
from tests.engine.fakes import EPOCH, Bench, product

TICK = 0.001


@define
class BusyClock:
    """A clock that advances by a tick with every reading, as on a busy machine."""

    ticks: int = 0

    def __call__(self) -> float:
        self.ticks += 1
        return self.coming(0)

    def coming(self, ticks: float) -> float:
        """Return the time after this number of ticks."""
        return EPOCH + trio.current_time() + TICK * (self.ticks + ticks)


@pytest.mark.parametrize("half_ticks", range(1, 8))
async def test_a_change_that_comes_due_between_two_looks_is_not_overslept(bench: Bench, half_ticks: int) -> None:
    clock = bench.context.now = BusyClock()
    kind_state = bench.context.kind_states[Kind.PRODUCTS]
    bench.shop.put(product("1", {"11": "SHIRT"}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Actor(bench.context, bench.pipeline).run)
        await trio.sleep(1.0)
        began = trio.current_time()
        await bench.harness.record("1", now=clock.coming(half_ticks / 2))
        kind_state.work[Lane.LIVE].set()
        await kind_state.progress.wait()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began < 1.0
    assert "1" in bench.site.state.comparable()["products"]
