"""What the listener's routes may ask of the rest of the daemon: record changes, show how it does, start a full sync."""

import time
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from daemon.config import Settings
from daemon.engine.line import SYNCED_KINDS
from daemon.engine.supervisor import Supervisor
from daemon.engine.works import Works
from daemon.errors import StorageTrouble
from daemon.listener.routes import Refused
from daemon.model import Change, ConnectionId, Kind, Lane, Site
from daemon.observability.metrics import Metrics
from daemon.status import connection_status, refresh_gauges
from daemon.storage import connections, outbox
from daemon.storage.database import Database
from daemon.storage.outbox import Record
from daemon.storage.vault import heartbeat


@frozen(kw_only=True)
class Verbs:
    """The callables that `app` hands to the listener."""

    settings: Settings
    storage: Database
    supervisor: Supervisor
    metrics: Metrics

    async def record(self, connection_id: ConnectionId, changes: Sequence[Change]) -> None:
        """Commit changes to the outbox, and wake who works on them. Raises StorageTrouble."""
        works = self.supervisor.find(connection_id)
        if works is None:
            return
        wanted = [change for change in changes if change.kind in works.line.desks]
        if not wanted:
            return
        options = works.line.options
        call = Record(
            connection_id=connection_id,
            changes=wanted,
            now=time.time(),
            debounce=options.debounce,
            patience=options.patience,
        )
        await self.storage.write(outbox.record, call)
        for change in wanted:
            works.line.desks[change.kind].work[Lane.LIVE].set()

    async def status(self, _params: dict[str, Any]) -> dict[str, Any]:
        """Return how every connection does."""
        everyone = await self.storage.read(connections.everyone)
        shown = []
        for stored in everyone:
            works = self.supervisor.find(stored.id)
            status = await connection_status(self.storage, stored, works.line if works else None, time.time())
            if works is None and stored.state == "active":
                status["state"] = "not configured"
            shown.append(status)
        return {"connections": shown}

    async def sync(self, params: dict[str, Any]) -> dict[str, Any]:
        """Start a full sync: {"site", "kind", "refresh", "allow_removals"} -> {"run"}. Raises Refused."""
        works = await self._works(params)
        kind = _kind(params)
        mode = "refresh" if params.get("refresh") is True else "normal"
        if kind not in works.full_syncs:
            raise Refused(400, f"kind: {kind.value} are not synced from such a store")
        run = await works.full_syncs[kind].start(mode, allow_removals=params.get("allow_removals") is True)
        if run is None:
            raise Refused(409, f"a full sync of {kind.value} is on its way already; look at: ignite-sync status")
        return {"run": run}

    async def why_not_ready(self) -> list[str]:
        """Return why changes cannot be taken or worked on now."""
        try:
            await self.storage.write(heartbeat, None)
        except StorageTrouble as error:
            return [f"the database cannot be written ({error.reason})"]
        return [f"{what} crashed and is about to be started again" for what in self.supervisor.resting]

    async def refresh(self) -> None:
        """Bring the gauges up to date. Raises StorageTrouble."""
        await refresh_gauges(self.storage, self.supervisor.lines, self.metrics, time.time())

    async def _works(self, params: dict[str, Any]) -> Works:
        env, _, site_id = str(params.get("site", "")).partition("/")
        stored = await self.storage.read(connections.find, Site(env, site_id))
        works = self.supervisor.find(stored.id) if stored else None
        if works is None:
            raise Refused(404, f"no connection {env}/{site_id}; name it as live/SITE_ID or test/SITE_ID")
        return works


def _kind(params: dict[str, Any]) -> Kind:
    known = [kind.value for kind in SYNCED_KINDS]
    if params.get("kind") not in known:
        raise Refused(400, f"kind: must be one of {', '.join(known)}")
    return Kind(params["kind"])
