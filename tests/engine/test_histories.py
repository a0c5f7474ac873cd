"""A few random histories of a store, each of its own seed; `tests/prove/histories` plays more of them."""

import random

import pytest
from trio.testing import MockClock

from daemon.sandbox.sparklayer.products import Mode
from tests.engine.histories import MODES, play, play_whole_batches


@pytest.mark.parametrize("mode", MODES)
async def test_skus_that_move_in_any_order_of_batches(
    autojump_clock: MockClock, chance: random.Random, mode: Mode
) -> None:
    await play(chance, mode, disputes=False, trouble=False)


@pytest.mark.parametrize("mode", MODES)
async def test_disputed_skus(autojump_clock: MockClock, chance: random.Random, mode: Mode) -> None:
    await play(chance, mode, disputes=True, trouble=False)


@pytest.mark.parametrize("mode", MODES)
async def test_writes_that_fail_on_the_way(autojump_clock: MockClock, chance: random.Random, mode: Mode) -> None:
    await play(chance, mode, disputes=True, trouble=True)


@pytest.mark.parametrize("mode", MODES)
async def test_a_whole_batch_never_meets_a_taken_sku(
    autojump_clock: MockClock, chance: random.Random, mode: Mode
) -> None:
    await play_whole_batches(chance, mode)
