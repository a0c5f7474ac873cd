"""A pause begins when a side is blocked, and ends by itself."""

import pytest
import trio
from trio.testing import MockClock

from daemon.engine.pause import RELAPSE, Pause
from daemon.errors import Blocked, Missing, Rejected, Retry, Side
from daemon.model import Site


def blocked(*, after: float | None = None, side: Side = Side.PLATFORM) -> Blocked:
    return Blocked("no", reason="credentials", side=side, after=after)


class Probe:
    """Raises its failures in order, then succeeds; records the times of its calls."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[float] = []

    async def __call__(self) -> None:
        self.asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.failures:
            raise self.failures.pop(0)


async def _healed(pause: Pause, platform: Probe, sparklayer: Probe) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pause.run_prober, {Side.PLATFORM: platform, Side.SPARKLAYER: sparklayer})
        await pause.over()
        nursery.cancel_scope.cancel()


async def test_without_a_pause_nothing_waits(autojump_clock: MockClock) -> None:
    pause = Pause(Site("test", "a"))
    await pause.over()
    assert (pause.cause, pause.blocked_seconds) == (None, 0.0)


async def test_pauses_grow_to_five_minutes(autojump_clock: MockClock) -> None:
    pause, probe = Pause(Site("test", "a")), Probe(*[blocked()] * 11)
    turned: list[float] = []
    pause.changed = lambda: turned.append(trio.current_time())
    pause.start(blocked())
    await _healed(pause, probe, Probe())
    pauses = [after - before for before, after in zip([0.0, *probe.asked], probe.asked, strict=False)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
    assert pause.blocked_seconds == pytest.approx(sum(pauses))
    assert turned == [0.0, trio.current_time()], "tasks that sleep elsewhere are woken"
    pause.start(blocked())
    assert pause.cause is not None
    await trio.sleep(5)
    assert pause.blocked_seconds == pytest.approx(sum(pauses) + 5)


@pytest.mark.parametrize("opens", [None, Rejected("x", reason="x"), Missing("x", reason="x")])
async def test_any_answer_shows_that_the_side_is_back(autojump_clock: MockClock, opens: Exception | None) -> None:
    pause, probe = Pause(Site("test", "a")), Probe(Retry("x", reason="x"), *([opens] if opens else []))
    pause.start(blocked())
    await _healed(pause, probe, Probe())
    assert len(probe.asked) == 2, "a retry keeps it closed"
    assert pause.cause is None


async def test_the_side_that_failed_is_probed_and_its_wish_is_honoured(autojump_clock: MockClock) -> None:
    pause, platform = Pause(Site("test", "a")), Probe()
    sparklayer = Probe(blocked(after=60.0, side=Side.SPARKLAYER), blocked(after=9000.0))
    pause.start(blocked(side=Side.SPARKLAYER))
    pause.start(blocked())  # The first cause stays.
    await _healed(pause, platform, sparklayer)
    assert sparklayer.asked == pytest.approx([1.0, 61.0])
    assert platform.asked == pytest.approx([361.0]), "no pause is longer than five minutes"


async def test_a_relapse_goes_on_with_longer_pauses(autojump_clock: MockClock) -> None:
    pause, probe, since = Pause(Site("test", "a")), Probe(), set[float | None]()
    for _ in range(3):
        pause.start(blocked())
        since.add(pause.began_at)
        await _healed(pause, probe, Probe())
        assert pause.began_at is None
    assert probe.asked == pytest.approx([1.0, 3.0, 7.0])
    assert len(since) == 1, "to people it is one block"
    await trio.sleep(RELAPSE + 1)
    began = trio.current_time()
    pause.start(blocked())
    assert pause.began_at not in since
    await _healed(pause, probe, Probe())
    assert trio.current_time() - began == pytest.approx(1.0)
