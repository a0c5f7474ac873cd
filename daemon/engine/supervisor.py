"""The works of every connection: each has a nursery of its own, in which the tasks of its line run."""

from collections.abc import Iterable

import trio

from daemon.engine.line import Line
from daemon.engine.works import Works
from daemon.model import ConnectionId


class Supervisor:
    """The works of every connection."""

    def __init__(self, works: Iterable[Works]) -> None:
        self._works = {one.line.connection.id: one for one in works}

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

    async def run(self) -> None:
        """Work on every connection until `finish` and what is in flight is done."""
        async with trio.open_nursery() as nursery:
            for one in self._works.values():
                nursery.start_soon(one.run)

    def finish(self) -> None:
        """Have every connection finish what is in flight."""
        for one in self._works.values():
            one.finish()
