"""Consequences of other nodes' commits, which their messages tell of, or a look at the database.

The tasks of the connections that are worked on here are woken. Connections that other nodes have made, changed or ended
are followed: their endpoints here, and their runners.
"""

from collections.abc import Mapping, Sequence

import structlog
import trio
from attrs import field, frozen

from daemon.connections.lifecycle import Lifecycle
from daemon.engine.runner import ConnectionRunner
from daemon.engine.signal import Signal
from daemon.errors import ConfigError, StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import Change, ConnectionId, ExternalId, RunId, Site
from daemon.observability.logging import log_storage_trouble
from daemon.storage import connections
from daemon.storage.connections import Stored
from daemon.storage.standing import Standing, standings

TRY_EVERY = 1.0

LOOK_EVERY = 5.0
"""Seconds between two looks at the row of one site: anyone may send what no connection here accepts."""

MOST_LOOKED_AT = 1000

log = structlog.get_logger()


@frozen
class Events:
    """Takes messages (`receive`), looks in the database (`look`), and follows changed connections (`run`)."""

    lifecycle: Lifecycle
    _changed: Signal = field(init=False, factory=Signal)
    _seen: dict[ConnectionId, Standing] = field(init=False, factory=dict)
    """The standings at the last look."""
    _followed: dict[Site, tuple[bytes, float | None]] = field(init=False, factory=dict)
    """The encrypted credentials of active connections that were taken over here, and the time of their pause."""
    _looked_at: dict[Site, float] = field(init=False, factory=dict)
    """Times of trio's clock at which `look_again` has read the rows of sites."""

    async def run(self) -> None:
        """Follow changes of connections until cancelled."""
        while True:
            await self._changed.wait()
            try:
                everyone = await self.lifecycle.storage.read(connections.everyone)
                active = {stored.site: _followed(stored) for stored in everyone if stored.state == "active"}
                for site in {*active, *self.lifecycle.endpoints}:
                    if active.get(site) is None or active[site] != self._followed.get(site):
                        await self._follow(site)
            except StorageTrouble as error:
                log_storage_trouble(error)
                await trio.sleep(TRY_EVERY)
                self._changed.set()
            except ConfigError as error:
                log.error("connections of other nodes not taken over", reason=str(error))  # noqa: TRY400

    async def look_again(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go by the database, which is read every `LOOK_EVERY` seconds at most.

        Raises StorageTrouble and ConfigError.
        """
        now = trio.current_time()
        if self.lifecycle.wakeups.way is not None and now - self._looked_at.get(site, -LOOK_EVERY) >= LOOK_EVERY:
            self._looked_at.pop(site, None)
            self._looked_at[site] = now
            if len(self._looked_at) > MOST_LOOKED_AT:
                del self._looked_at[next(iter(self._looked_at))]
            if site in self.lifecycle.endpoints or await self.lifecycle.registry.active(site) is not None:
                await self._follow(site)
        return self.lifecycle.endpoints.get(site)

    async def _follow(self, site: Site) -> None:
        """Do here what a site's connection needs that another node has changed."""
        async with self.lifecycle.locks[site]:
            present = await self.lifecycle.registry.wanted(site)
            if present is None:
                self._followed.pop(site, None)
                await self.lifecycle.stop(site, "connection disconnected by another node")
                return
            connection, before = self.lifecycle.registry.decrypted(present), self.lifecycle.endpoints.get(site)
            if before is not None and before.connection_id != connection.id:
                await self.lifecycle.supervisor.stop(before.connection_id)
            runner = self.lifecycle.supervisor.find(connection.id)
            if runner is None or runner.context.connection != connection:
                await self.lifecycle.start(connection)
            self._followed[site] = _followed(present)

    def receive(self, words: Sequence[str]) -> None:
        """Do what a message asks for; see `daemon.connections.wakeups`. An unknown one is a later release's."""
        match words:
            case ["connections"]:
                self._changed.set()
            case ["leases"]:
                self.lifecycle.tenure.wake()
            case [("work" | "run" | "cancelled" | "gap" | "word" | "heard" | "arrived") as event, number, *rest]:
                runner = self.lifecycle.supervisor.find(ConnectionId(int(number))) if number.isdecimal() else None
                if runner is not None:
                    _tell(runner, event, rest)
            case _:
                log.debug("unknown message", message=words[0])

    async def look(self) -> None:
        """Wake what may have something to do. Raises StorageTrouble."""
        present = await self.lifecycle.storage.read(standings, self.lifecycle.now())
        before = dict(self._seen)
        self._seen.clear()
        self._seen.update(present)
        self.lifecycle.tenure.wake()
        if _connected(before) != _connected(present):
            self._changed.set()
        for connection_id, standing in present.items():
            runner = self.lifecycle.supervisor.find(connection_id)
            if runner is not None:
                _wake(runner, standing, before.get(connection_id))


def _followed(stored: Stored) -> tuple[bytes, float | None]:
    return stored.encrypted, stored.paused_at


def _connected(standings: Mapping[ConnectionId, Standing]) -> dict[ConnectionId, tuple[str, bytes, bool]]:
    return {id_: (standing.state, standing.credentials, standing.paused) for id_, standing in standings.items()}


def _wake(runner: ConnectionRunner, standing: Standing, before: Standing | None) -> None:
    """Wake the tasks of a connection that may have something to do."""
    if standing.fresh:
        runner.context.deliveries.taken()
    for kind, kind_state in runner.context.kind_states.items():
        if kind in standing.due:
            kind_state.wake()
        if kind in standing.gapped:
            kind_state.gap.set()
        if kind in standing.owing:
            kind_state.report.set()
    for kind, full_syncs in runner.full_syncs.items():
        run = standing.runs.get(kind)
        if before is None or before.runs.get(kind) != run:
            full_syncs.follow(run)
            runner.context.kind_states[kind].run_started()


def _tell(runner: ConnectionRunner, event: str, words: Sequence[str]) -> None:
    """Tell a connection's tasks of a message; a kind that is not synced here is passed over."""
    context = runner.context
    if event == "heard":
        context.deliveries.taken()
    if event == "word":
        for kind_state in context.kind_states.values():
            kind_state.wake()
            kind_state.report.set()
    for kind in [kind for kind in context.kind_states if kind.value in words[:1]]:
        kind_state = context.kind_states[kind]
        match event, words[1:]:
            case "work", _:
                kind_state.wake()
            case "run", _:
                kind_state.run_started()
            case "gap", _:
                kind_state.gap.set()
            case "cancelled", [run] if run.isdecimal():
                runner.full_syncs[kind].ended(RunId(int(run)))
            case "arrived", [external_id]:
                context.deliveries.arrived([Change(kind, ExternalId(external_id))])
