"""The runners of all connections: each has a nursery of its own, in which its tasks run.

Connections come and go while the daemon runs. When `stop` returns, no task of that runner sends or writes any more, and
its HTTP clients for both sides are closed.
"""

from collections.abc import Iterable

from daemon.engine.context import ConnectionContext
from daemon.engine.runner import ConnectionRunner
from daemon.engine.task_group import TaskGroup
from daemon.model import ConnectionId


class Supervisor:
    """The runners of all connections."""

    def __init__(self, runner: Iterable[ConnectionRunner] = ()) -> None:
        self._runners: dict[ConnectionId, ConnectionRunner] = {}
        self._tasks = TaskGroup[ConnectionId]()
        for one in runner:
            self.start(one)

    @property
    def contexts(self) -> list[ConnectionContext]:
        """Every connection being worked on."""
        return [one.context for one in self._runners.values()]

    @property
    def resting(self) -> list[str]:
        """What does not run just now because it crashed, as `SITE KIND`."""
        return [f"{one.context.connection.site} {kind.value}" for one in self._runners.values() for kind in one.resting]

    def find(self, connection_id: ConnectionId) -> ConnectionRunner | None:
        """Return the runner of a connection."""
        return self._runners.get(connection_id)

    def start(self, runner: ConnectionRunner) -> None:
        """Work on a connection that nobody works on; before `run`, from its start."""
        connection_id = runner.context.connection.id
        self._runners[connection_id] = runner
        self._tasks.add(connection_id, runner.run)

    async def stop(self, connection_id: ConnectionId) -> None:
        """Cancel the runner of a connection, if there is one, and wait until it is gone."""
        await self._tasks.stop(connection_id)
        runner = self._runners.pop(connection_id, None)
        if runner is not None:
            await _close(runner.context)

    async def replace(self, runner: ConnectionRunner) -> None:
        """Work on a connection with other works than before; meanwhile the old ones are still found."""
        connection_id = runner.context.connection.id
        before = self._runners.get(connection_id)
        await self._tasks.stop(connection_id)
        self.start(runner)
        if before is not None:
            await _close(before.context)

    async def run(self) -> None:
        """Work on every connection until `finish` and what is in flight is done."""
        await self._tasks.run()

    def finish(self) -> None:
        """Have every connection finish what is in flight."""
        self._tasks.finish()
        for one in self._runners.values():
            one.finish()


async def _close(context: ConnectionContext) -> None:
    await context.platform.aclose()
    await context.sparklayer.aclose()
