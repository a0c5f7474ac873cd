"""Looks at the conditions of the connections that this node works on, for all receivers together."""

from collections.abc import Callable, Sequence

import structlog
import trio
from attrs import define, field, frozen

from daemon.admin.notifications.conditions import Condition, Event, conditions
from daemon.admin.status import connection_status
from daemon.engine.context import ConnectionContext
from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.model import ConnectionId, Kind
from daemon.observability.logging import log_storage_trouble
from daemon.storage import connections
from daemon.storage.database import Storage
from daemon.storage.vault import Vault

LONGEST_LOOK = 15.0
SHORTEST_LOOK = 1.0
"""Seconds between two looks: a quarter of the time that a condition must last, within these limits."""

FINDING_SECONDS = 30.0
"""Seconds after the start of a connection in which its first calls find an earlier pause again."""

log = structlog.get_logger()


@frozen(kw_only=True)
class Observed:
    """A condition at a look, and since when it and its cause have been so. Times are trio's."""

    context: ConnectionContext
    condition: Condition
    at: float
    since: float
    cause_since: float


@define(kw_only=True, eq=False)
class Watch:
    """Looks again and again. `after` is the time in seconds that a condition must last before it is told."""

    storage: Storage
    vault: Vault
    contexts: Callable[[], list[ConnectionContext]]
    after: float
    now: Callable[[], float]
    observed: Sequence[Observed] = field(init=False, default=())
    """All conditions of the last look about which anything is known."""
    looked: Signal = field(init=False, factory=Signal)
    _seen: dict[tuple[ConnectionContext, Event, Kind | None], Observed] = field(init=False, factory=dict)
    _began: dict[ConnectionContext, float] = field(init=False, factory=dict)
    """The times at which the work on connections was first seen."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self.observed = await self.look()
                self.looked.set()
            except StorageTrouble as error:
                log_storage_trouble(error)
            except Exception:  # the watch's edge: a bug here must not end the daemon
                log.exception("looking for conditions crashed")
            await trio.sleep(min(max(self.after / 4, SHORTEST_LOOK), LONGEST_LOOK))

    async def look(self) -> list[Observed]:
        """Return what is known about all connections. Raises StorageTrouble."""
        at, contexts = trio.current_time(), self.contexts()
        # Only what is still worked on is kept, so that nothing grows.
        self._began = {context: self._began.get(context, at) for context in contexts}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in self._began}
        active: dict[ConnectionId, connections.Stored] = {
            stored.id: stored for stored in await self.storage.read(connections.everyone) if stored.state == "active"
        }
        every = []
        for context in contexts:
            if (stored := active.get(context.connection.id)) is not None:
                status = await connection_status(self.storage, self.vault, stored, context, self.now())
                every += [self._observed(context, condition) for condition in conditions(status)]
        return [observed for observed in every if observed is not None]

    def _observed(self, context: ConnectionContext, condition: Condition) -> Observed | None:
        at = trio.current_time()
        # A pause is in memory: a start forgets it, and the first calls find it again.
        finding = condition.event is Event.BLOCKED and at - self._began[context] < FINDING_SECONDS
        if condition.holds is None or (finding and not condition.holds):
            return None
        key = (context, condition.event, condition.kind)
        before, since, cause_since = self._seen.get(key), at, at
        if before is not None and before.condition.holds is condition.holds:
            since = before.since
            cause_since = before.cause_since if before.condition.cause == condition.cause else at
        observed = Observed(context=context, condition=condition, at=at, since=since, cause_since=cause_since)
        self._seen[key] = observed
        return observed
