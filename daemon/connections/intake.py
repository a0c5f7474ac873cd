"""Intake of a connection: changes from its store, and orders for full syncs.

Each is committed, and then the tasks of the connection are woken, if this process runs them. Tasks elsewhere find the
rows by themselves, so nothing here depends on a runner.
"""

import time
from collections.abc import Collection, Mapping, Sequence

from attrs import frozen

from daemon.engine.runner import ConnectionRunner
from daemon.engine.supervisor import Supervisor
from daemon.errors import Invalid, NotFound
from daemon.listener.webhooks import Endpoint
from daemon.model import Change, Kind, Lane, RunId, Site
from daemon.storage import full_syncs, outbox
from daemon.storage.database import Storage
from daemon.storage.full_syncs import Start
from daemon.storage.outbox import Record
from daemon.storage.states import RunMode


@frozen(kw_only=True)
class Intake:
    """Takes changes and orders for the sites that have an endpoint."""

    storage: Storage
    supervisor: Supervisor
    endpoints: Mapping[Site, Endpoint]

    def find(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go; None when it is not connected."""
        return self.endpoints.get(site)

    async def record(self, endpoint: Endpoint, changes: Sequence[Change]) -> None:
        """Commit changes to the outbox; kinds that are not synced are left out. Raises StorageTrouble."""
        wanted = [change for change in changes if change.kind in endpoint.kinds]
        if not wanted:
            return
        call = Record(
            connection_id=endpoint.connection_id,
            changes=wanted,
            now=time.time(),
            debounce=endpoint.debounce,
            debounce_max=endpoint.debounce_max,
        )
        await self.storage.write(outbox.record, call)
        runner = self.supervisor.find(endpoint.connection_id)
        if runner is not None:
            runner.context.deliveries.arrived(wanted)
            for kind in {change.kind for change in wanted}:
                runner.context.kind_states[kind].work[Lane.LIVE].set()

    def taken(self, endpoint: Endpoint) -> None:
        """Note that a delivery was answered 2xx."""
        if (runner := self.supervisor.find(endpoint.connection_id)) is not None:
            runner.context.deliveries.taken()

    def failed(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        """Note that a delivery about these kinds (none: about unknown ones) was answered 5xx."""
        if (runner := self.supervisor.find(endpoint.connection_id)) is not None:
            runner.context.deliveries.failed(kinds)

    def lost(self, endpoint: Endpoint, *, for_good: bool) -> None:
        """Note that changes were lost: a delivery was not read, or says so. `for_good`: a repetition would not help."""
        if (runner := self.supervisor.find(endpoint.connection_id)) is not None:
            runner.context.deliveries.lost(for_good=for_good)

    async def start(self, site: Site, kind: Kind, mode: RunMode, *, allow_removals: bool = False) -> RunId | None:
        """Start a full sync; None when one is already running. Raises NotFound and StorageTrouble."""
        endpoint = self._endpoint(site)
        if kind not in endpoint.kinds:
            raise NotFound(f"{kind.value} are not synced from such a store")
        call = Start(
            connection_id=endpoint.connection_id, kind=kind, mode=mode, now=time.time(), allow_removals=allow_removals
        )
        run = await self.storage.write(full_syncs.start, call)
        for kind_state in self.supervisor.kind_states(endpoint.connection_id, [kind]):
            kind_state.run_started()
        return run

    async def trigger(self, site: Site, kind: Kind) -> None:
        """Start a refresh run for SparkLayer. Raises NotFound, Invalid and StorageTrouble."""
        if await self.start(site, kind, RunMode.REFRESH) is None:
            raise Invalid(f"A full sync of {kind.value} is in progress already.")

    def runner(self, site: Site) -> ConnectionRunner:
        """Return the runner of a site's connection. Raises NotFound when another process works on it, or none."""
        runner = self.supervisor.find(self._endpoint(site).connection_id)
        if runner is None:
            raise NotFound(f"{site} is not worked on here")
        return runner

    def _endpoint(self, site: Site) -> Endpoint:
        endpoint = self.endpoints.get(site)
        if endpoint is None:
            raise NotFound(f"no connection {site}; name it as live/SITE_ID or test/SITE_ID")
        return endpoint
