"""The gate closes for what is blocked, and heals by itself."""

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.pause import RELAPSE, Pause
from daemon.errors import Blocked, Missing, Rejected, Retry, Side
from daemon.model import Site


def blocked(*, after: float | None = None, side: Side = Side.PLATFORM) -> Blocked:
    return Blocked("no", reason="credentials", side=side, after=after)


class Probe:
    """Raises what it was given, one after the other, then succeeds; notes when it was asked."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[float] = []

    async def __call__(self) -> None:
        self.asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.failures:
            raise self.failures.pop(0)


async def _healed(gate: Pause, platform: Probe, sparklayer: Probe) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gate.run_prober, {Side.PLATFORM: platform, Side.SPARKLAYER: sparklayer})
        await gate.passed()
        nursery.cancel_scope.cancel()


async def test_an_open_gate_lets_pass(autojump_clock: MockClock) -> None:
    gate = Pause(Site("test", "a"))
    await gate.passed()
    assert (gate.cause, gate.blocked_seconds) == (None, 0.0)


async def test_pauses_grow_to_five_minutes(autojump_clock: MockClock) -> None:
    gate, probe = Pause(Site("test", "a")), Probe(*[blocked()] * 11)
    woken: list[float] = []
    gate.opened = lambda: woken.append(trio.current_time())
    gate.close(blocked())
    await _healed(gate, probe, Probe())
    pauses = [after - before for before, after in zip([0.0, *probe.asked], probe.asked, strict=False)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
    assert gate.blocked_seconds == pytest.approx(sum(pauses))
    assert woken == [trio.current_time()], "who sleeps elsewhere is woken"
    gate.close(blocked())
    assert gate.cause is not None
    await trio.sleep(5)
    assert gate.blocked_seconds == pytest.approx(sum(pauses) + 5)


@pytest.mark.parametrize("opens", [None, Rejected("x", reason="x"), Missing("x", reason="x")])
async def test_any_answer_shows_that_the_side_is_back(autojump_clock: MockClock, opens: Exception | None) -> None:
    gate, probe = Pause(Site("test", "a")), Probe(Retry("x", reason="x"), *([opens] if opens else []))
    gate.close(blocked())
    await _healed(gate, probe, Probe())
    assert len(probe.asked) == 2, "a retry keeps it closed"
    assert gate.cause is None


async def test_the_side_that_failed_is_probed_and_its_wish_is_honoured(autojump_clock: MockClock) -> None:
    gate, platform = Pause(Site("test", "a")), Probe()
    sparklayer = Probe(blocked(after=60.0, side=Side.SPARKLAYER), blocked(after=9000.0))
    gate.close(blocked(side=Side.SPARKLAYER))
    gate.close(blocked())  # the first cause stays
    await _healed(gate, platform, sparklayer)
    assert sparklayer.asked == pytest.approx([1.0, 61.0])
    assert platform.asked == pytest.approx([361.0]), "nobody waits longer than five minutes"


async def test_a_relapse_goes_on_with_longer_pauses(autojump_clock: MockClock) -> None:
    gate, probe = Pause(Site("test", "a")), Probe()
    for _ in range(3):
        gate.close(blocked())
        await _healed(gate, probe, Probe())
    assert probe.asked == pytest.approx([1.0, 3.0, 7.0])
    await trio.sleep(RELAPSE + 1)
    began = trio.current_time()
    gate.close(blocked())
    await _healed(gate, probe, Probe())
    assert trio.current_time() - began == pytest.approx(1.0)
