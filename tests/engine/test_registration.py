"""Registration is retried; only its changes are gaps; its findings are stored."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.admin.status import registration_status
from daemon.engine.gaps import note_gaps
from daemon.errors import Blocked, Retry, Side, StorageTrouble
from daemon.platforms.base import Registration
from daemon.storage import gaps, registrations
from daemon.storage.group_commit import Operation
from tests.databases import InlineDatabase
from tests.engine.missed import MADE, MENDED, PRODUCTS, REPEATING, RIGHT, SOON, GapBench, open_gap_bench

C = TypeVar("C")
R = TypeVar("R")


async def test_a_daemon_that_dies_while_it_registers_has_noted_the_gap(
    autojump_clock: MockClock, wide: GapBench
) -> None:
    """The next daemon repairs the rest; it finds the finished changes in order."""
    async with wide.working():
        await wide.synced()
    announced = trio.Event()

    async def ensure_webhooks(_destination: str, announce: Callable[[Registration], Awaitable[None]]) -> Registration:
        await announce(MENDED)
        announced.set()
        await trio.sleep_forever()
        raise AssertionError

    looks, wide.shop.ensure_webhooks = wide.shop.ensure_webhooks, ensure_webhooks  # type: ignore[method-assign,assignment]
    async with wide.working():
        await announced.wait()
    wide.shop.ensure_webhooks = looks  # type: ignore[method-assign]
    wide.lose()
    async with wide.working():
        await trio.sleep(SOON)
        assert wide.is_found()


async def test_a_gap_is_closed_although_noting_it_at_the_end_failed_once(
    autojump_clock: MockClock, wide: GapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look finds no fault: only the gap announced before the first change is left."""
    write = InlineDatabase.write

    async def fail_once(database: InlineDatabase, fn: Operation[C, R], call: C) -> R:
        if isinstance(call, gaps.GapNote) and not call.maybe:
            wide.shop.registration = RIGHT
            monkeypatch.undo()
            raise StorageTrouble("the disk is full", reason="storage")
        return await write(database, fn, call)

    async with wide.working():
        await wide.synced()
    wide.shop.registration = MENDED
    wide.lose()
    monkeypatch.setattr(InlineDatabase, "write", fail_once)
    async with wide.working():
        await trio.sleep(SOON)
        assert wide.shop.registration is RIGHT, "it has failed"
        assert wide.is_found()


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("failure", [None, Retry("busy", reason="http_503"), "raised"])
async def test_what_was_announced_and_not_done_is_no_gap(
    autojump_clock: MockClock, wide: GapBench, failure: object, *, earlier: bool
) -> None:
    """An earlier gap stays. Otherwise a scope refused every hour would cause a full read every hour."""
    if earlier:
        await note_gaps(wide.context, [PRODUCTS], 500.0)

    async def ensure_webhooks(_destination: str, announce: Callable[[Registration], Awaitable[None]]) -> Registration:
        await announce(evolve(MENDED, missing={"scope": ""}, mended=0))
        if failure == "raised":
            raise Retry("busy", reason="http_503")
        return Registration(registered=0, missing={"scope": "No."}, failure=failure)  # type: ignore[arg-type]

    wide.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    async with wide.working():
        await trio.sleep(400)
        assert (await wide.gap() is not None) == earlier
        assert await wide.readings() == 0


async def test_failures_of_registering_are_tried_again_soon_and_no_longer_than_asked(
    autojump_clock: MockClock, wide: GapBench
) -> None:
    looked: list[float] = []
    asked: list[Registration | Exception] = [
        Retry("busy", reason="http_503"),
        Registration(registered=3, missing={"a": "busy"}, failure=Retry("busy", reason="http_429", after=7.0)),
        Registration(registered=3, missing={"a": "No."}, failure=Blocked("no", reason="creds", side=Side.PLATFORM)),
        Registration(registered=3, missing={"a": "No right."}),
    ]

    async def ensure_webhooks(_destination: str, _announce: object) -> Registration:
        await trio.lowlevel.checkpoint()
        looked.append(trio.current_time())
        answer = asked.pop(0) if asked else RIGHT
        if isinstance(answer, Exception):
            raise answer
        return answer

    wide.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    async with wide.working():
        await trio.sleep(100)
        found = await wide.context.storage.read(registrations.found, wide.harness.connection_id)
        await trio.sleep(3600)
    pauses = [later - earlier for earlier, later in itertools.pairwise(looked)]
    assert pauses[0] < 3
    assert 7 <= pauses[1] < 10
    assert pauses[2] < 3, "the gate's own"
    assert pauses[3] == pytest.approx(3600)
    assert found is not None
    assert (found.registered, found.missing) == (3, 1)
    stored = {"missing": {"a": "No right."}, "trouble": None, "destination": "https://here.test/webhooks/test/sandbox"}
    assert wide.context.vault.decrypt(found.encrypted) == stored


OFF = Registration(
    registered=2, kinds=frozenset({PRODUCTS}), mended=2, made=frozenset({"a"}), switched_off=frozenset({"b"})
)


async def findings(bench: GapBench) -> Any:
    stored = await bench.context.storage.read(registrations.found, bench.harness.connection_id)
    assert stored is not None
    return registration_status(stored, bench.context.vault)


def sample(bench: GapBench, name: str) -> float | None:
    site = str(bench.context.connection.site)
    return bench.context.metrics.registry.get_sample_value(f"ignite_sync_{name}", {"site": site})


async def test_what_was_mended_and_when_all_was_right_is_stored_and_counted(
    autojump_clock: MockClock, wide: GapBench
) -> None:
    """Both outlast the looks after them. A look with trouble is not right; what is made at first is not mended."""
    wide.shop.registration = MADE
    async with wide.working():
        await trio.sleep(10)
        first = await findings(wide)
        assert (first["well_at"], first["mended"]) == (first["looked_at"], None)
        wide.shop.registration = OFF
        await trio.sleep(3600)
        wide.shop.registration = Registration(registered=1, missing={"a": "No."})
        mended = await findings(wide)
        assert mended["mended"] == {"at": mended["looked_at"], "changes": 2, "made": ["a"], "switched_off": ["b"]}
        assert mended["well_at"] == mended["looked_at"]
        await trio.sleep(3600)
    last = await findings(wide)
    assert (last["mended"], last["well_at"]) == (mended["mended"], mended["well_at"])
    assert last["looked_at"] == pytest.approx(last["well_at"] + 3600, abs=1)
    numbers = sample(wide, "webhooks_mended_total"), sample(wide, "webhooks_switched_off_total")
    assert numbers == (2, 1)


@pytest.mark.parametrize(("needs_care", "looks"), [(False, 1), (True, 4)])
async def test_webhooks_that_need_care_are_looked_at_with_each_sweep(
    autojump_clock: MockClock, *, needs_care: bool, looks: int
) -> None:
    webhooks = evolve(REPEATING, needs_care=needs_care)
    async with open_gap_bench(webhooks=webhooks, sweep_every=900) as bench, bench.working():
        await trio.sleep(3000)
        assert bench.shop.calls["ensure_webhooks"] == looks
        bench.shop.registration = OFF
        await trio.sleep(910)
        if needs_care:
            assert (await findings(bench))["mended"]["switched_off"] == ["b"], "within one sweep"


async def test_a_look_that_fails_keeps_what_was_found_last(autojump_clock: MockClock, wide: GapBench) -> None:
    wide.shop.registration = Registration(registered=3, missing={"a": "No right."})
    async with wide.working():
        await trio.sleep(10)
        wide.shop.failures["ensure_webhooks"] = [Retry("Busy, says the store", reason="http_503")] * 100
        await trio.sleep(3700)
    found = await wide.context.storage.read(registrations.found, wide.harness.connection_id)
    assert found is not None
    assert (found.registered, found.missing) == (3, 1)
    assert found.looked_at is not None
    assert found.looked_at < wide.context.now() - 3600
    destination = "https://here.test/webhooks/test/sandbox"
    stored = {"missing": {"a": "No right."}, "trouble": "Busy, says the store", "destination": destination}
    assert wide.context.vault.decrypt(found.encrypted) == stored
    async with wide.working(None):
        await trio.sleep(1)
    assert await wide.context.storage.read(registrations.found, wide.harness.connection_id) is None


@pytest.mark.holds("A4")
@pytest.mark.parametrize(
    ("had_some", "empty", "waits", "made"), [(True, 1, True, 0), (True, 2, True, 1), (False, 1, False, 1)]
)
async def test_a_list_without_our_webhooks_counts_only_twice_where_there_were_some(
    autojump_clock: MockClock, wide: GapBench, *, had_some: bool, empty: int, waits: bool, made: int
) -> None:
    looked: list[float] = []
    answers = [*([RIGHT] if had_some else []), *([MADE] * empty)]
    registered: list[Registration] = []

    async def ensure_webhooks(_destination: str, announce: Callable[[Registration], Awaitable[None]]) -> Registration:
        await trio.lowlevel.checkpoint()
        looked.append(trio.current_time())
        answer = answers.pop(0) if answers else RIGHT
        if answer is MADE:
            await announce(evolve(MADE, registered=0, mended=0, missing={"a": ""}))
            registered.append(answer)
        return answer

    wide.shop.ensure_webhooks = ensure_webhooks  # type: ignore[method-assign,assignment]
    async with wide.working():
        await trio.sleep(3700 if had_some else 100)
    assert len(registered) == made
    pauses = [later - earlier for earlier, later in itertools.pairwise(looked)]
    assert any(2 <= pause < 10 for pause in pauses) is waits
