"""A smoke test of the throttle against a hostile API of each kind; `tests/prove/throttle` has all of them."""

import pytest
from trio.testing import MockClock

from daemon.transport.throttle import AdaptivePolicy
from tests.transport.throttle.fire import Bucket, FaultPlan, Fire

FEW = 0.01
MUCH = 0.9
PER_WINDOW = 600


@pytest.mark.parametrize(
    "faults_planned",
    [FaultPlan(quota=40, others=0.4), FaultPlan(others=0.2, storms=((100.0, 160.0), (350.0, 360.0)))],
    ids=["others", "storms"],
)
async def test_a_window_that_is_told(autojump_clock: MockClock, in_order: None, faults_planned: FaultPlan) -> None:
    fire = Fire(faults_planned, 1)
    await fire.burn()
    assert fire.refused <= FEW
    assert fire.use >= MUCH
    assert fire.longest <= faults_planned.window


async def test_a_limit_that_is_hidden(autojump_clock: MockClock, in_order: None) -> None:
    hidden = FaultPlan(quota=PER_WINDOW, others=0.2)
    fire = Fire(hidden, 1, policy=lambda chance: AdaptivePolicy(jitter=chance.random), opened=Bucket)
    await fire.burn()
    assert fire.refused <= 1.5 * FEW
    assert fire.use >= 0.88
    assert fire.longest <= 2.0
