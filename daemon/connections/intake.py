"""Intake of a connection: changes from its store, and requests for full syncs.

Each is committed, and then the tasks of the connection are woken: here, or on the node that works on it. So nothing
here depends on a runner.
"""

from collections.abc import Collection, Iterable, Sequence

import structlog
from attrs import frozen

from daemon.connections.delivery_notes import DeliveryNotes
from daemon.connections.events import Events
from daemon.connections.lifecycle import Lifecycle
from daemon.errors import Invalid, NoConnection, NotFound, Paused
from daemon.listener.webhooks import Endpoint
from daemon.model import Change, ConnectionId, Kind, Lane, RunId, Site
from daemon.observability.tracing import Tracing
from daemon.storage import connections, full_syncs, outbox
from daemon.storage.full_syncs import Start
from daemon.storage.outbox import Record
from daemon.storage.states import RunMode

log = structlog.get_logger()


@frozen(kw_only=True)
class Intake:
    """Takes changes and requests for the sites that have an endpoint."""

    lifecycle: Lifecycle
    events: Events
    notes: DeliveryNotes
    tracing: Tracing | None = None

    def find(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go; None when it is not known to be connected."""
        return self.lifecycle.endpoints.get(site)

    async def look_again(self, site: Site) -> Endpoint | None:
        """Return the same by the database: another node may have connected the site, or changed its credentials."""
        return await self.events.look_again(site)

    async def record(self, endpoint: Endpoint, changes: Sequence[Change]) -> None:
        """Commit changes to the outbox; kinds that are not synced are left out. Raises StorageTrouble."""
        wanted = [change for change in changes if change.kind in endpoint.kinds]
        if not wanted:
            return
        call = Record(
            connection_id=endpoint.connection_id,
            changes=wanted,
            now=self.lifecycle.now(),
            debounce=endpoint.debounce,
            debounce_max=endpoint.debounce_max,
        )
        await self.lifecycle.storage.write(outbox.record, call)
        if self.tracing is not None:
            self.tracing.recorded(endpoint.site, wanted, call.now, self.lifecycle.now())
        runner = self.lifecycle.supervisor.find(endpoint.connection_id)
        if runner is not None:
            runner.context.deliveries.arrived(wanted)
            for kind in {change.kind for change in wanted}:
                runner.context.kind_states[kind].work[Lane.LIVE].set()
            return
        # A node that works on the connection elsewhere is woken; see the table in `daemon.connections.wakeups`.
        for change in wanted:
            self.lifecycle.wakeups.tell("work", endpoint.connection_id, change.kind.value)
            if endpoint.times.delivered_within:
                self.lifecycle.wakeups.tell("arrived", endpoint.connection_id, change.kind.value, change.external_id)

    def taken(self, endpoint: Endpoint) -> None:
        """Note that a delivery was answered 2xx."""
        self.notes.taken(endpoint)
        if (runner := self.lifecycle.supervisor.find(endpoint.connection_id)) is not None:
            runner.context.deliveries.taken()
        else:
            self.lifecycle.wakeups.tell("heard", endpoint.connection_id)

    def failed(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        """Note that a delivery about these kinds (none: about unknown ones) was answered 5xx."""
        if (runner := self.lifecycle.supervisor.find(endpoint.connection_id)) is not None:
            self.notes.began(endpoint)
            runner.context.deliveries.failed(kinds)
        else:
            self.notes.failed(endpoint, kinds)

    def lost(self, endpoint: Endpoint, *, for_good: bool) -> None:
        """Note that changes were lost: a delivery was not read, or says so. `for_good`: a repetition would not help."""
        if (runner := self.lifecycle.supervisor.find(endpoint.connection_id)) is not None:
            runner.context.deliveries.lost(for_good=for_good)
        else:
            self.notes.lost(endpoint, for_good=for_good)

    def overrun(self) -> None:
        """Note that requests were turned away unread: deliveries of every connection may be among them."""
        for endpoint in self.lifecycle.endpoints.values():  # of those that other nodes work on too
            self.failed(endpoint, ())

    async def start(self, site: Site, kind: Kind, mode: RunMode, *, allow_removals: bool = False) -> RunId | None:
        """Start a full sync; None when one is already running. Raises NotFound, Invalid and StorageTrouble.

        Invalid is raised while an operator has paused the connection.
        """
        endpoint = await self._endpoint(site)
        if await self.lifecycle.storage.read(connections.is_paused, endpoint.connection_id):
            raise Paused(site)
        if kind not in endpoint.kinds:
            raise NotFound(f"{kind.value} are not synced from this platform")
        call = Start(
            connection_id=endpoint.connection_id,
            kind=kind,
            mode=mode,
            now=self.lifecycle.now(),
            allow_removals=allow_removals,
        )
        run = await self.lifecycle.storage.write(full_syncs.start, call)
        if self.lifecycle.supervisor.find(endpoint.connection_id) is None:
            self.lifecycle.wakeups.tell("run", endpoint.connection_id, kind.value)
        for kind_state in self.lifecycle.supervisor.kind_states(endpoint.connection_id, [kind]):
            kind_state.run_started()
        return run

    async def cancel(self, site: Site, kind: Kind) -> RunId | None:
        """End the present full sync as failed; None if there is none. Raises NotFound and StorageTrouble."""
        endpoint = await self._endpoint(site)
        runner = self.lifecycle.supervisor.find(endpoint.connection_id)
        if runner is not None:
            return await runner.full_syncs[kind].cancel() if kind in runner.full_syncs else None
        run = await self.lifecycle.storage.write(
            full_syncs.cancel, (endpoint.connection_id, kind, self.lifecycle.now())
        )
        if run is not None:
            log.info("full sync cancelled", site=str(site), kind=kind.value, run=run)
            self.lifecycle.wakeups.tell("cancelled", endpoint.connection_id, kind.value, run)
        return run

    def wake(self, connection_id: ConnectionId, kinds: Iterable[Kind]) -> None:
        """Wake the actors of these kinds of a connection, wherever they are: rows of the outbox may be due."""
        if self.lifecycle.supervisor.find(connection_id) is None:
            for kind in kinds:
                self.lifecycle.wakeups.tell("work", connection_id, kind.value)
        for kind_state in self.lifecycle.supervisor.kind_states(connection_id, kinds):
            kind_state.wake()

    async def trigger(self, site: Site, kind: Kind) -> None:
        """Start a refresh run for SparkLayer. Raises NotFound, Invalid and StorageTrouble."""
        if await self.start(site, kind, RunMode.REFRESH) is None:
            raise Invalid(f"A full sync of {kind.value} is in progress already.")

    async def _endpoint(self, site: Site) -> Endpoint:
        endpoint = self.find(site) or await self.look_again(site)
        if endpoint is None:
            raise NoConnection(site)
        return endpoint
