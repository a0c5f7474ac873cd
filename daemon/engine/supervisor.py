"""The runners of the connections that this process works on: each has a nursery of its own.

Connections come and go while the daemon runs. When `stop` returns, no task of that connection sends or writes any more,
and its HTTP clients for both sides are closed.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial

from daemon.engine.context import ConnectionContext, KindState
from daemon.engine.runner import ConnectionRunner
from daemon.engine.task_group import Task, TaskGroup
from daemon.model import ConnectionId, Kind


class Supervisor:
    """The runners by connection."""

    def __init__(self) -> None:
        self._runners: dict[ConnectionId, ConnectionRunner] = {}
        self._tasks = TaskGroup[ConnectionId]()

    @property
    def contexts(self) -> list[ConnectionContext]:
        """The contexts of all connections that are worked on."""
        return [runner.context for runner in self._runners.values()]

    @property
    def resting(self) -> list[str]:
        """The kinds that do not run now because a task of theirs crashed, as `SITE KIND`."""
        return [
            f"{runner.context.connection.site} {kind.value}"
            for runner in self._runners.values()
            for kind in runner.resting
        ]

    def find(self, connection_id: ConnectionId) -> ConnectionRunner | None:
        """Return the runner of a connection."""
        return self._runners.get(connection_id)

    def kind_states(self, connection_id: ConnectionId, kinds: Iterable[Kind] | None = None) -> Iterator[KindState]:
        """Yield the states of these kinds of a connection, or of all, to wake their tasks; none without a runner."""
        runner = self._runners.get(connection_id)
        if runner is not None:
            states = runner.context.kind_states
            yield from (states[kind] for kind in (states if kinds is None else kinds))

    async def start(self, runner: ConnectionRunner, within: Callable[[Task], Awaitable[None]] | None = None) -> None:
        """Work on a connection; before `run`, from its start. A runner that it has already stops first.

        `within` runs the runner's task.
        """
        connection_id = runner.context.connection.id
        before = self._runners.get(connection_id)  # it is found until the new one is there
        await self._tasks.stop(connection_id)
        self._runners[connection_id] = runner
        self._tasks.add(connection_id, partial(within, runner.run) if within else runner.run)
        if before is not None:
            await close(before.context)

    async def stop(self, connection_id: ConnectionId) -> None:
        """Stop working on a connection, if it is worked on."""
        await self._tasks.stop(connection_id)
        runner = self._runners.pop(connection_id, None)
        if runner is not None:
            await close(runner.context)

    async def run(self) -> None:
        """Work on every connection until `finish`, and until the batches in flight are done."""
        await self._tasks.run()

    def finish(self) -> None:
        """Have every connection finish its batches in flight, and claim nothing more."""
        self._tasks.finish()
        for runner in self._runners.values():
            runner.finish()

    async def aclose(self) -> None:
        """Close the HTTP clients of all connections."""
        for context in self.contexts:
            await close(context)


async def close(context: ConnectionContext) -> None:
    """Close a connection's HTTP clients for both sides."""
    await context.platform.aclose()
    await context.sparklayer.aclose()
