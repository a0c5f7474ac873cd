"""The throttle against hostile APIs: few 429s, a well-used quota, and short waits of live."""

import random
from collections.abc import Iterable

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.model import Kind, Lane
from daemon.transport.throttle import AdaptivePolicy
from tests.conformance.bigcommerce_kit import KIT, Stand
from tests.conformance.harness import open_harness
from tests.transport.throttle.fire import Api, Bucket, FaultPlan, Fire

FEW = 0.01
MUCH = 0.9

TOLD = {
    "calm": FaultPlan(),
    "an odd quota": FaultPlan(quota=157),
    "a small quota": FaultPlan(quota=40),
    "a short window": FaultPlan(quota=60, window=10.0, others=0.3),
    "others take a third": FaultPlan(others=0.3),
    "others would take nearly all": FaultPlan(others=0.9),
    "others share little": FaultPlan(quota=40, others=0.4),
    "others come in bursts": FaultPlan(others=0.3, bursts=0.1),
    "others come in large bursts": FaultPlan(bursts=0.3),
    "others, and slow answers": FaultPlan(others=0.5, latency=(0.3, 1.5)),
    "a quota that is cut": FaultPlan(others=0.2, cut=(100.0, 400.0, 0.4)),
    "a quota that is raised": FaultPlan(cut=(200.0, 400.0, 2.0)),
    "a storm": FaultPlan(others=0.2, storms=((100.0, 160.0), (350.0, 360.0))),
    "a storm that tells nothing": FaultPlan(told_on_refusal=False, storms=((100.0, 160.0), (350.0, 360.0))),
    "half of the headers": FaultPlan(told=0.5),
    "few headers, and others": FaultPlan(told=0.1, others=0.3),
    "refusals without headers": FaultPlan(told_on_refusal=False, others=0.3),
    "no headers at all": FaultPlan(told=0.0),
    "dates of a clock ahead": FaultPlan(after="date", skew=3600.0, others=0.4),
    "dates of a clock behind": FaultPlan(after="date", skew=-3600.0, others=0.4),
    "dates of a clock ahead that is not told": FaultPlan(after="date without Date", skew=3600.0, others=0.4),
    "dates of a clock behind that is not told": FaultPlan(after="date without Date", skew=-3600.0, others=0.4),
    "no Retry-After": FaultPlan(after="nothing", others=0.4),
}
"""Cases of an API with a window."""

PER_WINDOW = 600
HIDDEN = {
    "calm": FaultPlan(quota=PER_WINDOW),
    "others take a fifth": FaultPlan(quota=PER_WINDOW, others=0.2),
    "others come in bursts": FaultPlan(quota=PER_WINDOW, bursts=0.02),
    "a quota that is cut": FaultPlan(quota=PER_WINDOW, cut=(100.0, 400.0, 0.6)),
    "a storm": FaultPlan(quota=PER_WINDOW, storms=((100.0, 160.0),)),
    "dates of a clock ahead": FaultPlan(quota=PER_WINDOW, after="date", skew=3600.0),
    "no Retry-After": FaultPlan(quota=PER_WINDOW, after="nothing"),
}
"""Cases of an API with an unpublished limit of twenty requests per second."""

SCARCE = {
    "five a second": FaultPlan(quota=PER_WINDOW // 4),
    "others take three fifths of ten": FaultPlan(quota=PER_WINDOW // 2, others=0.6),
    "others take four fifths of ten": FaultPlan(quota=PER_WINDOW // 2, others=0.8),
}
"""Cases that leave us two to five requests per second."""


def named(weathers: dict[str, FaultPlan]) -> Iterable[object]:
    return [pytest.param(faults_planned, id=name) for name, faults_planned in weathers.items()]


@pytest.mark.parametrize("faults_planned", named(TOLD))
async def test_a_window_that_is_told(autojump_clock: MockClock, in_order: None, faults_planned: FaultPlan) -> None:
    fire = Fire(faults_planned, 1)
    await fire.burn()
    assert fire.refused <= FEW
    assert fire.use >= MUCH
    assert fire.longest <= faults_planned.window


@pytest.mark.parametrize("faults_planned", named(HIDDEN))
async def test_a_limit_that_is_hidden(autojump_clock: MockClock, in_order: None, faults_planned: FaultPlan) -> None:
    fire = Fire(faults_planned, 1, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
    await fire.burn()
    assert fire.refused <= 1.5 * FEW
    assert fire.use >= 0.88
    assert fire.longest <= 2.0


@pytest.mark.parametrize("share", [0.01, 0.02])
async def test_a_share_that_is_refused_at_any_pace_beside_a_hidden_limit(
    autojump_clock: MockClock, in_order: None, share: float
) -> None:
    """Hardly more than that share is refused, and the limit is used."""
    faults_planned = FaultPlan(quota=PER_WINDOW, by_chance=share)
    fire = Fire(faults_planned, 1, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
    await fire.burn()
    assert fire.refused <= share + 2 * FEW
    assert fire.use >= 0.85


@pytest.mark.parametrize(("share", "least"), [(0.01, 0.5), (0.02, 0.5), (0.05, 0.25)])
async def test_a_share_that_is_refused_at_any_pace_is_not_taken_for_a_limit(
    autojump_clock: MockClock, in_order: None, share: float, least: float
) -> None:
    """The share of calls made, compared with an API that refuses none, has a lower bound."""
    calls = []
    for by_chance in (0.0, share):
        faults_planned = FaultPlan(quota=10**9, by_chance=by_chance, latency=(0.01, 0.03))
        fire = Fire(faults_planned, 1, 60.0, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
        calls.append((await fire.burn()).calls)
    assert calls[1] >= least * calls[0]


@pytest.mark.parametrize("faults_planned", named(SCARCE))
async def test_a_hidden_limit_that_leaves_little(
    autojump_clock: MockClock, in_order: None, faults_planned: FaultPlan
) -> None:
    """The search costs a dozen 429s, which are a small share only of half an hour's requests."""
    fire = Fire(faults_planned, 1, 1800.0, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
    await fire.burn()
    assert fire.refused <= (3 if faults_planned.others else 1.5) * FEW
    assert fire.use >= MUCH
    assert fire.longest <= faults_planned.window


async def test_backfill_alone_uses_what_live_does_not_ask_for(autojump_clock: MockClock, in_order: None) -> None:
    fire = Fire(FaultPlan(quota=41, latency=(0.3, 0.6)), 3, live_each=1e6)
    await fire.burn()
    assert fire.outcome.refused == 0
    assert fire.use >= 0.95


async def test_a_flood_of_live_keeps_within_the_quota_too(autojump_clock: MockClock, in_order: None) -> None:
    fire = Fire(FaultPlan(others=0.4), 4, live_each=0.15, workers=2)
    await fire.burn()
    assert fire.refused <= FEW
    assert fire.use >= MUCH


async def test_a_date_that_only_our_clock_is_held_against_stops_nobody_for_long(
    autojump_clock: MockClock, in_order: None
) -> None:
    faults_planned = FaultPlan(quota=PER_WINDOW, after="date without Date", skew=3600.0)
    fire = Fire(faults_planned, 5, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
    await fire.burn()
    assert fire.refused <= FEW
    assert fire.longest <= 6.0
    assert fire.use >= 0.6


async def test_the_real_client_shares_its_quota_with_others(autojump_clock: MockClock, in_order: None) -> None:
    """BigCommerce's adapter with the stand-in's quota: a store is read repeatedly, with live requests in between."""
    chance = random.Random(8)
    print("seed 8")  # noqa: T201

    async def travel(_number: int, _request: httpx.Request) -> None:
        await trio.sleep(chance.uniform(0.05, 0.3))

    async with open_harness(KIT) as harness, trio.open_nursery() as nursery:
        assert isinstance(harness.stand, Stand)
        quota = harness.stand.api.quota
        quota.limit, taken = 150, 0
        there = harness.stand.add(Kind.PRODUCTS, 30)
        harness.wire.meet(travel)

        async def read() -> None:
            while True:
                await harness.shop.page(Kind.PRODUCTS, None)

        async def ask() -> None:
            while True:
                await trio.sleep(chance.expovariate(1 / 3))
                await harness.shop.read(Kind.PRODUCTS, there[:5], Lane.LIVE)

        for _ in range(8):
            nursery.start_soon(read)
        nursery.start_soon(ask)
        for _ in range(600):
            await trio.sleep(chance.expovariate(1.0))
            taken += quota.take()
        ours = harness.shop.limiter.statistics()
        assert ours.refused <= FEW * ours.granted
        assert ours.granted + taken >= MUCH * quota.limit * trio.current_time() / quota.window
        nursery.cancel_scope.cancel()


async def test_two_of_us_share_a_quota(autojump_clock: MockClock, in_order: None) -> None:
    """Both use as much as they can, and neither knows of the other: no other client can be worse."""
    api: list[Api] = []

    def opened(faults_planned: FaultPlan, chance: random.Random) -> Api:
        api.append(api[0] if api else Api(faults_planned, chance))
        return api[0]

    fires = [Fire(FaultPlan(), seed, opened=opened) for seed in (6, 7)]
    async with trio.open_nursery() as nursery:
        for fire in fires:
            nursery.start_soon(fire.burn)
    calls = sum(fire.outcome.calls for fire in fires)
    assert sum(fire.outcome.refused for fire in fires) / calls <= FEW
    assert fires[0].use >= MUCH
    assert min(fire.outcome.calls for fire in fires) >= 0.25 * calls
    assert max(fire.longest for fire in fires) <= 30.0
