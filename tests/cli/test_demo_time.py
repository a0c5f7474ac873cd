"""The demo waits while something changes, and gives up `TIMEOUT` after the last change."""

import pytest
import trio
from trio.testing import MockClock

from daemon.cli.demo import TIMEOUT, DemoFailedError, _until


async def test_what_moves_is_waited_for_however_slow_it_is(autojump_clock: MockClock) -> None:
    async def look() -> int:
        return int(trio.current_time() // (TIMEOUT - 1))

    assert await _until(look, lambda seen: seen >= 20, "it") == 20
    assert trio.current_time() > 10 * TIMEOUT


async def test_what_stands_still_is_given_up(autojump_clock: MockClock) -> None:
    async def look() -> int:
        return 7

    with pytest.raises(DemoFailedError, match="it: no progress for 30 s"):
        await _until(look, lambda seen: seen > 7, "it")
    assert TIMEOUT <= trio.current_time() < TIMEOUT + 1


async def test_a_machine_that_stood_still_itself_is_no_failure(autojump_clock: MockClock) -> None:
    """The machine was suspended; the first look afterwards sees the end."""
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        await trio.sleep(10 * TIMEOUT if looks == 2 else 0)
        return looks

    assert await _until(look, lambda seen: seen >= 2, "it") == 2
