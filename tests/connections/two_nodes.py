"""Two nodes with one database, of which one works on the connection."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import trio
from attrs import define, evolve

from daemon.connections.wakeups import NodeWakeups, Way
from daemon.engine.runner import ConnectionRunner
from daemon.engine.signal import Signal
from tests.connections.fake_messages import FakeMessages
from tests.connections.harness import Elsewhere, LifecycleHarness, link, open_harness


@define
class Nodes:
    """`owner` works on all connections, `guest` on none."""

    owner: LifecycleHarness
    guest: LifecycleHarness
    wakeups: Sequence[NodeWakeups]

    @property
    def runner(self) -> ConnectionRunner:
        return self.owner.runner("a")


@contextlib.asynccontextmanager
async def open_nodes(way: Way, **options: Any) -> AsyncIterator[Nodes]:
    messages = FakeMessages(passes=lambda _message: way is Way.NOTIFY)
    wakeups = [NodeWakeups(messages=messages) for _ in range(2)]
    configured = evolve(link("a", "s1"), full_sync_on_start=False)
    async with open_harness(configured, wakeups=wakeups[0], **options) as owner, trio.open_nursery() as nursery:
        guest = await owner.beside(configured, tenure=Elsewhere(), wakeups=wakeups[1])
        assert guest.supervisor.contexts == []
        for each, harness in zip(wakeups, (owner, guest), strict=True):
            each.listen_to(harness.events.receive, harness.events.look)
            nursery.start_soon(each.run)
            nursery.start_soon(harness.events.run)
            nursery.start_soon(harness.intake.notes.run)
        await trio.sleep(1.5)
        assert [each.way for each in wakeups] == [way, way]
        yield Nodes(owner, guest, wakeups)
        nursery.cancel_scope.cancel()


async def woken_again(signal: Signal, task_status: trio.TaskStatus[None]) -> None:
    """Wait for a signal that is set from now on."""
    with trio.move_on_after(0.01):
        await signal.wait()  # a new task would be woken by what was before
    task_status.started()
    await signal.wait()
