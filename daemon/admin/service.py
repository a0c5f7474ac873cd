"""Operations behind the listener's routes: record changes, show the status, start a full sync, connect."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import trio
from attrs import frozen

from daemon.admin.queries import (
    ACTIONS,
    allow_removals,
    change_parked,
    explain,
    explain_called,
    held_removals,
    open_issues,
    parked_changes,
)
from daemon.admin.status import connection_status, refresh_gauges
from daemon.config import Settings
from daemon.connections.lifecycle import Lifecycle
from daemon.engine.context import SYNCED_KINDS
from daemon.engine.pull import fetch, pull
from daemon.engine.runner import ConnectionRunner
from daemon.engine.supervisor import Supervisor
from daemon.entities import PulledPage
from daemon.errors import Conflict, Invalid, NotFound, StorageTrouble
from daemon.listener.http.messages import Response, problem
from daemon.listener.ignite import credentials, site_named
from daemon.model import ApiKey, Change, ConnectionId, Kind, Lane, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.storage import connections, outbox
from daemon.storage.backup import lend
from daemon.storage.connections import Stored
from daemon.storage.database import Database
from daemon.storage.outbox import Record
from daemon.storage.vault import Vault, heartbeat


@frozen(kw_only=True)
class AdminService:
    """The callables that `app` hands to the listener."""

    settings: Settings
    storage: Database
    supervisor: Supervisor
    lifecycle: Lifecycle
    vault: Vault
    metrics: Metrics

    async def record(self, connection_id: ConnectionId, changes: Sequence[Change]) -> None:
        """Commit changes to the outbox, and wake who works on them. Raises StorageTrouble."""
        runner = self.supervisor.find(connection_id)
        if runner is None:
            return
        wanted = [change for change in changes if change.kind in runner.context.kind_states]
        if not wanted:
            return
        options = runner.context.options
        call = Record(
            connection_id=connection_id,
            changes=wanted,
            now=time.time(),
            debounce=options.debounce,
            debounce_max=options.debounce_max,
        )
        await self.storage.write(outbox.record, call)
        for change in wanted:
            runner.context.kind_states[change.kind].work[Lane.LIVE].set()

    def delivered(self, connection_id: ConnectionId) -> None:
        """Note that a delivery was taken."""
        if (runner := self.supervisor.find(connection_id)) is not None:
            runner.context.deliveries.taken()

    def not_delivered(self, connection_id: ConnectionId, kinds: Collection[Kind]) -> None:
        """Note that a delivery about these kinds, or (none) about we know not what, was answered 5xx."""
        if (runner := self.supervisor.find(connection_id)) is not None:
            runner.context.deliveries.failed(kinds)

    async def status(self, _params: dict[str, Any]) -> dict[str, Any]:
        """Return how every connection does."""
        everyone = await self.storage.read(connections.everyone)
        shown = []
        for stored in everyone:
            runner = self.supervisor.find(stored.id)
            status = await connection_status(self.storage, stored, runner.context if runner else None, time.time())
            if runner is None and stored.state == "active":
                status["state"] = "not configured"
            shown.append(status)
        return {"connections": shown}

    async def sync(self, params: dict[str, Any]) -> dict[str, Any]:
        """Start a full sync: {"site", "kind", "refresh", "allow_removals"} -> {"run"}. Raises CallerError."""
        runner, kind = await self._runners(_site(params)), _kind(params)
        if kind not in runner.full_syncs:
            raise Invalid(f"kind: {kind.value} are not synced from such a store")
        mode = "refresh" if params.get("refresh") is True else "normal"
        run = await runner.full_syncs[kind].start(mode, allow_removals=params.get("allow_removals") is True)
        if run is None:
            raise Conflict(f"a full sync of {kind.value} is on its way already; look at: ignite-sync status")
        return {"run": run}

    async def cancel_sync(self, params: dict[str, Any]) -> dict[str, Any]:
        """End the full sync that is on its way as failed: {"site", "kind"} -> {"run"}. Raises CallerError."""
        runner, kind = await self._runners(_site(params)), _kind(params)
        run = await runner.full_syncs[kind].cancel() if kind in runner.full_syncs else None
        if run is None:
            raise Conflict(f"no full sync of {kind.value} is on its way")
        return {"run": run}

    async def connect(self, params: dict[str, Any]) -> dict[str, Any]:
        """Connect a site: {"site", "store_id"?, "client_id", "client_secret"} -> {"state", "redirect_url"?}.

        The state is "active", or "pending" until the app is installed at `redirect_url`. Without a `store_id` it is the
        store that the configuration or an earlier connection of the site names. Raises CallerError.
        """
        site = _site(params)
        client_id, client_secret = credentials(params, ("client_id", "client_secret"))
        named = credentials(params, ("store_id",))[0] if params.get("store_id") else None
        store_id = named or await self.lifecycle.store_of(site)
        if not isinstance(store_id, str):
            raise Invalid("store_id: must be the platform's id of the store, such as BigCommerce's store hash")
        key = ApiKey(client_id=client_id, client_secret=Secret(client_secret))
        redirect = await self.lifecycle.connect(site, store_id, key)
        return {"state": "active"} if redirect is None else {"state": "pending", "redirect_url": redirect}

    async def disconnect(self, params: dict[str, Any]) -> dict[str, Any]:
        """Disconnect a site: {"site"} -> {"state": "leaving" or "gone"}. Raises CallerError."""
        site = _site(params)
        await self.lifecycle.disconnect(site)
        stored = await self.storage.read(connections.find, site)
        if stored is None:
            raise NotFound(f"no connection {site}; name it as live/SITE_ID or test/SITE_ID")
        return {"state": stored.state}

    async def issues(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return what merchants must fix: {"site"?} -> {"issues"}. Raises CallerError."""
        found = []
        for stored in await self._chosen(params):
            found += await open_issues(self.storage, self.vault, stored, SYNCED_KINDS)
        return {"issues": found}

    async def parked(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parked changes: {"site"?} -> {"parked"}. Raises CallerError."""
        found = []
        for stored in await self._chosen(params):
            found += await parked_changes(self.storage, self.vault, stored)
        return {"parked": found}

    async def change_parked(self, params: dict[str, Any]) -> dict[str, Any]:
        """Have parked changes tried again, or dropped: {"action", "site", "kind"?, "ids"?} -> {"changed"}."""
        action, ids = params.get("action"), params.get("ids", [])
        if action not in ACTIONS:
            raise Invalid(f"action: must be one of {', '.join(ACTIONS)}")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise Invalid("ids: must be a list of texts; leave it out to mean all")
        kind = _kind(params) if params.get("kind") is not None else None
        runner = await self._runners(_site(params))
        stored = await self._stored(runner)
        changed = await change_parked(self.storage, stored, action, kind, ids, time.time())
        for kind_state in runner.context.kind_states.values():
            kind_state.wake()
        return {"changed": changed}

    async def removals(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the removals that wait for a person: {"site"?, "kind"?} -> {"removals"}. Raises CallerError."""
        kinds = [_kind(params)] if "kind" in params else SYNCED_KINDS
        found = []
        for stored in await self._chosen(params):
            found += await held_removals(self.storage, self.vault, stored, kinds)
        return {"removals": found}

    async def allow_removals(self, params: dict[str, Any]) -> dict[str, Any]:
        """Let held removals go: {"site", "kind", "ids"} -> {"allowed"}: of how many entities. Raises CallerError."""
        runner, kind, ids = await self._runners(_site(params)), _kind(params), params.get("ids")
        if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
            raise Invalid("ids: must be a list of texts, the platform's ids of entities")
        allowed = await allow_removals(self.storage, await self._stored(runner), kind, ids, time.time())
        for kind_state in runner.context.kind_states.values():
            kind_state.wake()
        return {"allowed": allowed}

    async def explain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Explain an entity: {"site", "kind", "id"}, or "text" for what people call it. Raises CallerError.

        -> see `daemon.admin.queries`: `explain`, and `explain_called` for a text.
        """
        runner, kind = await self._runners(_site(params)), _kind(params)
        if kind not in runner.pipelines:
            raise Invalid(f"kind: {kind.value} are not synced from such a store")
        name = "text" if "text" in params else "id"
        asked = params.get(name)
        if not isinstance(asked, str) or not asked.strip():
            raise Invalid(f"{name}: must be the platform's id of the entity, or as text what people call it")
        return await (explain_called if name == "text" else explain)(await self._stored(runner), runner, kind, asked)

    async def backup(self, _params: dict[str, Any]) -> Response:
        """Answer with a copy of the database, as after some commit; 503 when none can be made."""
        try:
            copy = await trio.to_thread.run_sync(lend, self.settings.database.path, abandon_on_cancel=True)
        except StorageTrouble as error:
            return problem(503, str(error))
        return Response(content_type=b"application/vnd.sqlite3", file=copy)

    async def trigger(self, site: Site, kind: Kind) -> None:
        """Start a refresh run for SparkLayer. Raises CallerError."""
        runner = await self._runners(site)
        if kind not in runner.full_syncs:
            raise NotFound(f"{kind.value} are not synced from such a store")
        if await runner.full_syncs[kind].start("refresh") is None:
            raise Invalid(f"A full sync of {kind.value} is in progress already.")

    async def pull(self, site: Site, data_type: str, page: str | None) -> PulledPage:
        """Read a page of entities for SparkLayer. Raises CallerError, and the failures of both sides."""
        return await pull((await self._runners(site)).context, data_type, page)

    async def fetch(self, site: Site, data_type: str, entity_id: str) -> bytes:
        """Read one entity for SparkLayer. Raises CallerError, and the failures of the platform."""
        return await fetch((await self._runners(site)).context, data_type, entity_id)

    async def why_not_ready(self) -> list[str]:
        """Return why changes cannot be taken or worked on now."""
        try:
            await self.storage.write(heartbeat, None)
        except StorageTrouble as error:
            return [f"the database cannot be written ({error.reason})"]
        return [f"{what} crashed and is about to be started again" for what in self.supervisor.resting]

    async def refresh(self) -> None:
        """Bring the gauges up to date. Raises StorageTrouble."""
        await refresh_gauges(self.storage, self.supervisor.contexts, self.metrics, time.time())

    async def _chosen(self, params: dict[str, Any]) -> list[Stored]:
        if "site" in params:
            return [await self._stored(await self._runners(_site(params)))]
        return [one for one in await self.storage.read(connections.everyone) if one.state == "active"]

    async def _stored(self, runner: ConnectionRunner) -> Stored:
        stored = await self.storage.read(connections.find, runner.context.connection.site)
        assert stored is not None  # it is being worked on
        return stored

    async def _runners(self, site: Site) -> ConnectionRunner:
        stored = await self.storage.read(connections.find, site)
        runner = self.supervisor.find(stored.id) if stored and stored.state == "active" else None
        if runner is None:
            raise NotFound(f"no connection {site}; name it as live/SITE_ID or test/SITE_ID")
        return runner


def _site(params: dict[str, Any]) -> Site:
    site = site_named(*str(params.get("site", "")).partition("/")[::2])
    if site is None:
        raise NotFound(f"no connection {params.get('site')}; name it as live/SITE_ID or test/SITE_ID")
    return site


def _kind(params: dict[str, Any]) -> Kind:
    known = [kind.value for kind in SYNCED_KINDS]
    if params.get("kind") not in known:
        raise Invalid(f"kind: must be one of {', '.join(known)}")
    return Kind(params["kind"])
