"""Random histories of a store, each of its own seed, end in equal states; `tests/engine/histories.py` plays them."""

import random

import pytest
from trio.testing import MockClock

from daemon.sandbox.sparklayer.products import Mode
from tests.engine.histories import MODES, play, play_whole_batches


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("_round", range(8))
async def test_skus_that_move_in_any_order_of_batches(
    autojump_clock: MockClock, chance: random.Random, mode: Mode, _round: int
) -> None:
    await play(chance, mode, disputes=False, trouble=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("_round", range(8))
async def test_disputed_skus(autojump_clock: MockClock, chance: random.Random, mode: Mode, _round: int) -> None:
    await play(chance, mode, disputes=True, trouble=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("_round", range(12))
async def test_writes_that_fail_on_the_way(
    autojump_clock: MockClock, chance: random.Random, mode: Mode, _round: int
) -> None:
    await play(chance, mode, disputes=True, trouble=True)


async def test_a_product_gives_way_once(autojump_clock: MockClock) -> None:
    """In this history, a product whose former owner of a SKU is retried later gave way to others without end."""
    await play(random.Random(4193370830), "replace", disputes=True, trouble=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("_round", range(4))
async def test_a_whole_batch_never_meets_a_taken_sku(
    autojump_clock: MockClock, chance: random.Random, mode: Mode, _round: int
) -> None:
    await play_whole_batches(chance, mode)
