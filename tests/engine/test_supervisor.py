"""Crashed tasks are contained, counted and restarted up to a limit; work in flight may finish."""

import itertools

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.engine.runner import MOST_CRASHES, ConnectionRunner
from daemon.engine.supervisor import Supervisor
from daemon.errors import Blocked, Retry, Side, StorageTrouble
from daemon.model import ConnectionId
from daemon.platforms.base import Registration
from tests.engine.fakes import Bench, product

pytestmark = pytest.mark.usefixtures("both_engines")


def _crashing(monkeypatch: pytest.MonkeyPatch, part: type, times: int, error: Exception) -> list[float]:
    """Make `part.run` crash this number of times before it works; record its start times."""
    started: list[float] = []
    real = part.run  # type: ignore[attr-defined]

    async def run(self: object) -> None:
        started.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if len(started) <= times:
            raise error
        await real(self)

    monkeypatch.setattr(part, "run", run)
    return started


async def _worked(bench: Bench, seconds: float = 100.0) -> None:
    """Run the connection for a while, and stop it."""
    runner = ConnectionRunner(bench.context, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await trio.sleep(seconds)
        runner.finish()


async def _supervised(bench: Bench, destination: str | None = None) -> Supervisor:
    supervisor = Supervisor()
    await supervisor.start(ConnectionRunner(bench.context, destination))
    return supervisor


@pytest.mark.parametrize("part", [Actor, FullSyncs])
async def test_a_crash_is_contained_and_counted(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch, part: type
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    started = _crashing(monkeypatch, part, MOST_CRASHES, ZeroDivisionError("bug"))
    await _worked(bench)
    assert bench.skus() == {"A": "1"}
    assert len(started) == MOST_CRASHES + 1
    pauses = [after - before for before, after in itertools.pairwise(started)]
    assert pauses == pytest.approx([2, 3, 4, 5, 6])
    rendered = bench.context.metrics.render().decode()
    assert f'actor_restarts_total{{kind="products",site="test/sandbox"}} {float(MOST_CRASHES)}' in rendered


async def test_too_many_crashes_in_a_minute_end_the_process(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = _crashing(monkeypatch, Actor, 100, ZeroDivisionError("bug"))
    supervisor = await _supervised(bench)
    with pytest.raises(ExceptionGroup) as caught:
        await supervisor.run()
    assert caught.group_contains(ZeroDivisionError)
    assert len(started) == MOST_CRASHES + 1


async def test_trouble_with_the_database_is_no_crash(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = _crashing(monkeypatch, FullSyncs, 20, StorageTrouble("full", reason="storage"))
    await _worked(bench)
    assert len(started) == 21


@pytest.mark.parametrize("method", ["probe", "ensure_webhooks"])
async def test_a_bug_of_one_platform_does_not_stop_the_other_connections(
    autojump_clock: MockClock, bench: Bench, method: str
) -> None:
    bench.shop.failures[method] = [ZeroDivisionError("bug")]
    bench.context.pause.start(Blocked("no", reason="credentials", side=Side.PLATFORM))
    bench.shop.put(product("1", {"11": "A"}))
    supervisor = await _supervised(bench, "https://here.test")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(100)
        supervisor.finish()
    assert bench.skus() == {"A": "1"}
    assert bench.shop.calls[method] == 2


async def test_webhooks_are_registered_at_every_start(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.failures["ensure_webhooks"] = [
        Retry("busy", reason="http_503"),
        Blocked("no", reason="credentials", side=Side.PLATFORM),
    ]
    runner = ConnectionRunner(bench.context, "https://here.test")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await trio.sleep(200)
        assert bench.shop.calls["ensure_webhooks"] == 3
        runner.finish()


async def test_a_scope_that_is_missing_for_webhooks_stops_nothing_else(autojump_clock: MockClock, bench: Bench) -> None:
    missing = Blocked("no scope", reason="scope_missing", side=Side.PLATFORM)
    bench.shop.failures["ensure_webhooks"] = [missing] * 100
    bench.shop.put(product("1", {"11": "A"}))
    runner = ConnectionRunner(bench.context, "https://here.test")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        for _ in range(20):
            await trio.sleep(10)
            assert bench.context.pause.cause is None
        runner.finish()
    assert bench.skus() == {"A": "1"}


async def test_finishing_lets_batches_in_flight_end_and_stops_the_rest(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    released = trio.Event()

    async def hold(method: str) -> None:
        if method == "read":
            await released.wait()

    bench.shop.before = hold
    await bench.change("1")
    supervisor = await _supervised(bench)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        supervisor.finish()
        await trio.sleep(30)
        assert bench.skus() == {}
        released.set()
        began = trio.current_time()
    assert bench.skus() == {"A": "1"}
    assert trio.current_time() - began < 1
    assert supervisor.contexts == [bench.context]
    assert supervisor.find(bench.harness.connection_id) is not None
    assert supervisor.find(ConnectionId(99)) is None


async def test_works_are_let_go_and_replaced_while_others_run(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    supervisor = Supervisor()
    first, second = ConnectionRunner(bench.context, None), ConnectionRunner(bench.context, None)
    connection_id = bench.harness.connection_id
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await supervisor.start(first)
        await trio.sleep(10)
        assert bench.skus() == {"A": "1"}
        await supervisor.start(second)
        assert supervisor.find(connection_id) is second
        await bench.change("1")
        bench.shop.change("1", title="Other")
        await trio.sleep(40)
        assert bench.site.state.comparable()["products"]["1"]["title"] == "Other"
        await supervisor.stop(connection_id)
        await supervisor.stop(connection_id)
        assert (supervisor.contexts, supervisor.find(connection_id)) == ([], None)
        await bench.change("1")
        bench.shop.change("1", title="Unheard of")
        await trio.sleep(100)
        assert bench.site.state.comparable()["products"]["1"]["title"] == "Other"
        supervisor.finish()


async def test_webhooks_are_looked_at_hourly_and_mending_them_wakes_the_sweep(
    autojump_clock: MockClock, bench: Bench
) -> None:
    """A change that arrives by the next sweep, hours before the regular one, was missed."""
    bench.context.options = evolve(bench.context.options, sweep_every=30 * 3600.0)
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    mended = iter([0, 0, 3])
    looked: list[float] = []

    async def ensure_webhooks(_destination: str, _announce: object) -> Registration:
        assert _destination == "https://here.test"
        looked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        return Registration(registered=1, mended=next(mended))

    bench.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    runner = ConnectionRunner(bench.context, "https://here.test")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        await trio.sleep(3000)
        bench.shop.change("1", title="Missed")
        bench.shop.changed = {"1"}
        await trio.sleep(3600)
        swept = bench.shop.calls["changed_since"]
        assert bench.site.state.comparable()["products"]["1"]["title"] == "Product 1"
        await trio.sleep(3600)
        runner.finish()
    assert looked == pytest.approx([0, 3600, 7200], abs=1)
    assert bench.shop.calls["changed_since"] == swept + 1
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Missed"
