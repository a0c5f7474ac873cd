"""The works of every connection: each has a nursery of its own, in which the tasks of its line run.

Connections come and go while the daemon runs. Works that have been let go are gone for good when that returns: no
task of theirs sends or writes anything any more, and their connections to both sides are closed.
"""

from collections.abc import Iterable

from daemon.engine.context import Line
from daemon.engine.runner import Works
from daemon.engine.task_group import Crew
from daemon.model import ConnectionId


class Supervisor:
    """The works of every connection."""

    def __init__(self, works: Iterable[Works] = ()) -> None:
        self._works: dict[ConnectionId, Works] = {}
        self._crew = Crew[ConnectionId]()
        for one in works:
            self.take_on(one)

    @property
    def lines(self) -> list[Line]:
        """Every connection being worked on."""
        return [one.line for one in self._works.values()]

    @property
    def resting(self) -> list[str]:
        """What does not run just now because it crashed, as `SITE KIND`."""
        return [f"{one.line.connection.site} {kind.value}" for one in self._works.values() for kind in one.resting]

    def find(self, connection_id: ConnectionId) -> Works | None:
        """Return the works of a connection."""
        return self._works.get(connection_id)

    def take_on(self, works: Works) -> None:
        """Work on a connection that nobody works on; before `run`, from its start."""
        connection_id = works.line.connection.id
        self._works[connection_id] = works
        self._crew.add(connection_id, works.run)

    async def let_go(self, connection_id: ConnectionId) -> None:
        """Cancel the works of a connection, if there are any, and wait until they are gone."""
        await self._crew.dismiss(connection_id)
        works = self._works.pop(connection_id, None)
        if works is not None:
            await _close(works.line)

    async def replace(self, works: Works) -> None:
        """Work on a connection with other works than before; meanwhile the old ones are still found."""
        connection_id = works.line.connection.id
        before = self._works.get(connection_id)
        await self._crew.dismiss(connection_id)
        self.take_on(works)
        if before is not None:
            await _close(before.line)

    async def run(self) -> None:
        """Work on every connection until `finish` and what is in flight is done."""
        await self._crew.run()

    def finish(self) -> None:
        """Have every connection finish what is in flight."""
        self._crew.finish()
        for one in self._works.values():
            one.finish()


async def _close(line: Line) -> None:
    await line.platform.aclose()
    await line.sparklayer.aclose()
