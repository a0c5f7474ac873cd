"""The ends of the daemon on a full disk that the simulator accepts: only those of a start."""

import random
from types import SimpleNamespace
from typing import cast

import pytest
from trio.testing import MockClock

from daemon.config.settings import SyncSettings
from tests.prove.simulation.disk import Disk
from tests.prove.simulation.life import Life, settings
from tests.prove.simulation.network import Connected
from tests.prove.simulation.steady import Clock
from tests.prove.simulation.stores.bigcommerce import STORE
from tests.prove.simulation.world import could_not_start


def a_life(disk: Disk) -> Life:
    return Life(
        settings=settings(STORE, SyncSettings()),
        disk=disk,
        clock=cast("Clock", SimpleNamespace(wall=lambda: 0.0)),
        connected=Connected(1),
        committed=lambda *_: None,
        chance=random.Random(1),
    )


@pytest.mark.parametrize("room_again", [True, False])
async def test_a_start_on_a_full_disk_is_forgiven_also_when_there_is_room_again(
    autojump_clock: MockClock, *, room_again: bool
) -> None:
    disk = Disk()
    disk.full, life = True, a_life(disk)
    await life.run()
    disk.full = not room_again
    assert life.ended_by is not None
    assert could_not_start(life)


@pytest.mark.parametrize("ready", [True, False])
async def test_another_error_is_not_forgiven_while_the_disk_is_full(autojump_clock: MockClock, *, ready: bool) -> None:
    disk = Disk()
    disk.full, life = True, a_life(disk)
    await life.run()
    if ready:
        life.ready.set()
    else:
        life.ended_by = ExceptionGroup("both", [*_group(life.ended_by), RuntimeError("a bug")])
    assert not could_not_start(life)


def _group(error: BaseException | None) -> list[Exception]:
    assert isinstance(error, ExceptionGroup)
    return list(error.exceptions)
