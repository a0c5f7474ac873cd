"""The brake's transactions beside those of a run."""

import pytest

from daemon.model import Lane, RunId, VariantId
from daemon.storage import removals
from daemon.storage.removals import SECOND_LOOK, WHOLE, Decided, Held, Removal
from daemon.storage.settle import RetryLater
from daemon.storage.states import RemovalCause
from tests.storage.harness import StorageHarness, id_, row, settled

KNOWN = [str(number) for number in range(1, 21)]
GONE = KNOWN[0]


async def _decided(harness: StorageHarness, variant: VariantId, now: float, run: RunId | None = None) -> Held:
    """Find the removal of one entity, or of a variant of it, in a run or outside."""
    found = Removal(external_id=id_(GONE), variant=variant, cause=RemovalCause.EXCLUDED, run=run)
    call = Decided(
        connection_id=harness.connection_id,
        kind=harness.kind,
        now=now,
        removals=[found],
        looked_at={id_(GONE): () if variant == WHOLE else (WHOLE,)},
    )
    return await harness.storage.write(removals.decide, call)


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("variant", [WHOLE, VariantId("7")])
async def test_a_run_waits_for_its_removal_that_another_change_carries_out(
    harness: StorageHarness, variant: VariantId, lane: Lane
) -> None:
    """A change that is not the run's comes while the removal waits for the run's end, and takes it over."""
    await harness.mark(*map(row, KNOWN))
    run = await harness.started()
    await harness.page(run, *KNOWN)
    await harness.enumerated(run)
    assert (await _decided(harness, variant, 0.0, run)).keys == {(GONE, variant)}
    await harness.work(lane=Lane.BACKFILL)
    await harness.record(GONE, now=1.0, lane=lane)
    await _decided(harness, variant, 1.0)
    assert not await harness.close(run, 1.0)
    later = 1.0 + SECOND_LOOK
    assert (await _decided(harness, variant, later)).keys == frozenset()
    assert not await harness.close(run, later)
    await harness.work(later, lane)
    assert await harness.close(run, later)
    assert (await harness.newest()).succeeded


@pytest.mark.parametrize("variant", [WHOLE, VariantId("7")])
async def test_a_run_waits_for_its_removal_that_it_lets_go_while_its_row_is_settled_as_held(
    harness: StorageHarness, variant: VariantId
) -> None:
    """The row has been tried before, so the run's end does not wait for the attempt under way."""
    await harness.mark(*map(row, KNOWN))
    run = await harness.started()
    await harness.page(run, *KNOWN)
    await harness.enumerated(run)
    claims = await harness.claim(lane=Lane.BACKFILL)
    retry = [RetryLater(claim=claim, due_at=1.0, error=b"") for claim in claims if claim.external_id == GONE]
    await harness.settle(done=[settled(claim) for claim in claims if claim.external_id != GONE], again=retry)
    claims = await harness.claim(1.0, Lane.BACKFILL)
    held = await _decided(harness, variant, 1.0, run)
    await harness.storage.write(removals.judge, (run, 1.0))
    await harness.settle(done=[settled(claim) for claim in claims], held=held.keys, now=1.0)
    assert not await harness.close(run, 1.0)
    later = 1.0 + SECOND_LOOK
    assert (await _decided(harness, variant, later, run)).keys == frozenset()
    await harness.work(later, Lane.BACKFILL)
    assert await harness.close(run, later)
    assert (await harness.newest()).succeeded
