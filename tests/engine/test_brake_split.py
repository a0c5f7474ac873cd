"""The removal brake adds up removals from different sources: live, in a run, in the next run."""

import pytest
from trio.testing import MockClock

from daemon.model import Kind
from daemon.storage.states import RunMode
from tests.engine import losses
from tests.engine.losses import IDS, LIMIT, LOST, MAKE

FIRST, REST = IDS[:LIMIT], IDS[LIMIT:LOST]


@pytest.mark.holds("B1")
@pytest.mark.parametrize(
    ("kind", "first", "then"),
    [
        *((kind, "live", "normal") for kind in MAKE),
        (Kind.PRODUCTS, "normal", "live"),
        (Kind.CUSTOMERS, "normal", "refresh"),
        (Kind.ORDERS, "daily", "sweep"),
    ],
)
async def test_what_went_in_one_way_counts_against_another(
    autojump_clock: MockClock, kind: Kind, first: str, then: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        for way, part in ((first, FIRST), (then, REST)):
            losses.exclude(bench, part)
            await losses.go(bench, syncs, way, part)
        assert losses.there(bench) == losses.left(bench, "excluded", FIRST)
        assert [one["id"] for one in await losses.held(bench)] == REST


@pytest.mark.holds("B3")
@pytest.mark.parametrize(("kind", "then"), [*((kind, "live") for kind in MAKE), (Kind.PRODUCTS, "normal")])
async def test_what_a_person_has_allowed_in_a_run_counts_against_nothing(
    autojump_clock: MockClock, kind: Kind, then: str
) -> None:
    async with losses.filled(kind) as (bench, syncs):
        losses.exclude(bench, FIRST)
        await losses.go(bench, syncs, RunMode.NORMAL, allow_removals=True)
        losses.exclude(bench, REST)
        await losses.go(bench, syncs, then, REST)
        assert losses.there(bench) == losses.left(bench, "excluded", [*FIRST, *REST])
        assert await losses.held(bench) == []
