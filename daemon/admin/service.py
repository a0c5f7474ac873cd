"""The operations that a person may ask for, as JSON values: of a running daemon, or of its database file.

Status, lists, explanations, parked changes and removals need only the database, so `daemon.cli.offline` asks this same
service while no daemon runs. A change is committed; then the tasks of the connection are woken, on whichever node.
Answers may contain personal data. They go to people who have the admin token, or the file.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import trio
from attrs import frozen

from daemon.admin import history, shapes
from daemon.admin.audit import AuditLog
from daemon.admin.described import DESCRIBED
from daemon.admin.explain import explain, explain_called
from daemon.admin.gauges import Gauges
from daemon.admin.issue_links import MOST_DAYS, USUAL_DAYS, IssueLinks
from daemon.admin.lists import held_removals, open_issues, parked_changes
from daemon.admin.parameters import Params, as_described, read_ids, read_kind, read_site, site_text
from daemon.admin.status import connection_status, judged, owner_view
from daemon.admin.status_shapes import ConnectionStatus, StatusAnswer
from daemon.admin.verify import MOST_NAMES, Verifications
from daemon.connections.cluster import SURE_SECONDS
from daemon.connections.guests import Guests
from daemon.connections.intake import Intake
from daemon.connections.lifecycle import Lifecycle
from daemon.connections.wakeups import Way
from daemon.engine.context import SYNCED_KINDS
from daemon.engine.dry_run import NAMED
from daemon.engine.supervisor import Supervisor
from daemon.errors import Conflict, Invalid, NoConnection, NotFound, StorageTrouble
from daemon.listener.http.messages import Response, problem
from daemon.listener.ignite import credentials
from daemon.model import ApiKey, ConnectionId, ExternalId, Secret
from daemon.model.operators import Operator
from daemon.observability.logging import log_storage_trouble
from daemon.storage import connections, leases, parked, removals
from daemon.storage.backup import lend
from daemon.storage.connections import Stored
from daemon.storage.database import OpenStorage
from daemon.storage.leases import OwnerReport
from daemon.storage.parked import Choice
from daemon.storage.removals import Allow
from daemon.storage.states import RunMode
from daemon.storage.vault import Vault, heartbeat

Operation = Callable[[Params, Operator], Awaitable[Any]]
"""An operation for an operator."""

TELL_EVERY = 10.0
"""Seconds between two times that a node stores what it knows of its connections, if that has changed."""

ACTIONS = {"retry": parked.retry, "drop": parked.drop}


@frozen(kw_only=True)
class AdminService:
    """Takes the parameters of an operation as a dict, and returns its answer as JSON values. Raises CallerError.

    HTTP, the page and the commands reach it by `operations`; see there.
    """

    storage: OpenStorage
    vault: Vault
    supervisor: Supervisor
    lifecycle: Lifecycle
    intake: Intake
    guests: Guests
    audit: AuditLog
    gauges: Gauges
    verifications: Verifications
    links: IssueLinks

    @property
    def operations(self) -> Mapping[tuple[str, str], Operation]:
        """The operations by HTTP method and path. Each action passes the audit log; the others change nothing."""
        reads: dict[tuple[str, str], Callable[[Params], Awaitable[Any]]] = {
            ("GET", "/admin/status"): self.status,
            ("GET", "/admin/issues"): self.issues,
            ("GET", "/admin/parked"): self.parked,
            ("GET", "/admin/removals"): self.removals,
            ("GET", "/admin/audit"): self.audit.listed,
            ("GET", "/admin/history"): self.history,
            ("POST", "/admin/explain"): self.explain,
            ("POST", "/admin/verify"): self.verify,
            ("GET", "/admin/verify"): self.verify_state,
            ("POST", "/admin/verify/cancel"): self.cancel_verify,
        }
        actions: dict[tuple[str, str], tuple[str, Callable[[Params], Awaitable[Any]]]] = {
            ("POST", "/admin/sync"): ("sync", self.sync),
            ("POST", "/admin/sync/cancel"): ("cancel", self.cancel_sync),
            ("POST", "/admin/pause"): ("pause", self.pause),
            ("POST", "/admin/resume"): ("resume", self.resume),
            ("POST", "/admin/issues/link"): ("link", self.link_issues),
            ("POST", "/admin/parked"): ("parked", self.change_parked),
            ("POST", "/admin/removals"): ("allow", self.allow_removals),
            ("POST", "/admin/connect"): ("connect", self.connect),
            ("POST", "/admin/disconnect"): ("disconnect", self.disconnect),
        }
        return {place: partial(_read, as_described(DESCRIBED[place], read)) for place, read in reads.items()} | {
            **{
                place: partial(self.audit.perform, name, as_described(DESCRIBED[place], act))
                for place, (name, act) in actions.items()
            },
            ("POST", "/admin/backup"): self._answer_backup,
        }

    async def status(self, _params: Params) -> StatusAnswer:
        """Return the status of every connection: {"connections", "wakeups"}; the latter only with several nodes."""
        shown: list[ConnectionStatus] = []
        by_id = await self.storage.read(leases.owners)
        webhooks = await self.intake.notes.times()
        every = await self.storage.read(connections.everyone)
        connected = {stored.site for stored in every if stored.state == "active"}
        for stored in every:
            runner = self.supervisor.find(stored.id)
            context = runner.context if runner else None
            owner = by_id.get(stored.id)
            told = msgspec.json.decode(owner.told) if owner is not None and owner.told else None
            status = await connection_status(
                self.storage, self.vault, stored, context, self.lifecycle.now(), told, webhooks.get(stored.id)
            )
            if self.lifecycle.wakeups.way is not None:
                status["node"] = owner.node if owner else None
            if stored.state == "active" and not self.lifecycle.registry.is_wanted(stored):
                status = judged({**status, "state": "not configured"})
            elif stored.site not in connected and self.lifecycle.registry.link(stored.site) is not None:
                status = judged({**status, "in_settings": True})
            shown.append(status)
        way = self.lifecycle.wakeups.way
        return {"connections": shown} if way is None else {"connections": shown, "wakeups": way.value}

    async def tell_others(self) -> None:
        """Store what only this node knows of its connections, for other nodes' status. Runs until cancelled."""
        last: dict[ConnectionId, bytes] = {}
        while True:
            for context in self.supervisor.contexts:
                view = msgspec.json.encode(owner_view(context))
                if view != last.get(context.connection.id):
                    with contextlib.suppress(StorageTrouble):  # another node may have the connection by now
                        report = OwnerReport(connection_id=context.connection.id, text=view.decode())
                        await context.storage.write(leases.tell, report)
                        last[context.connection.id] = view
            await trio.sleep(TELL_EVERY)

    async def sync(self, params: Params) -> shapes.RunAnswer:
        """Start a full sync: {"site", "kind", "refresh", "allow_removals"} -> {"run"}."""
        site, kind = read_site(params), read_kind(params)
        mode = RunMode.REFRESH if params.get("refresh") else RunMode.NORMAL
        run = await self.intake.start(site, kind, mode, allow_removals=params.get("allow_removals", False))
        if run is None:
            raise Conflict(f"a full sync of {kind.value} is already running; look at: ignite-sync status")
        return {"run": run}

    async def cancel_sync(self, params: Params) -> shapes.RunAnswer:
        """End the running full sync as failed: {"site", "kind"} -> {"run"}."""
        kind = read_kind(params)
        run = await self.intake.cancel(read_site(params), kind)
        if run is None:
            raise Conflict(f"no full sync of {kind.value} is running")
        return {"run": run}

    async def connect(self, params: Params) -> shapes.ConnectAnswer:
        """Connect a site: {"site", "store_id"?, "client_id", "client_secret"} -> {"state", "redirect_url"?}.

        The state is "active", or "pending" until the app is installed at `redirect_url`. The default of `store_id` is
        the store that the settings or an earlier connection of the site name.
        """
        site = read_site(params)
        client_id, client_secret = credentials(params, ("client_id", "client_secret"))
        named = credentials(params, ("store_id",))[0] if params.get("store_id") else None
        store_id = named or await self.lifecycle.registry.store_of(site)
        if not isinstance(store_id, str):
            self.lifecycle.registry.spelt("")  # raises Invalid with the words of each platform
            raise Invalid("store_id: must be the platform's id of the store")
        key = ApiKey(client_id=client_id, client_secret=Secret(client_secret))
        redirect = await self.lifecycle.connect(site, store_id, key)
        return {"state": "active"} if redirect is None else {"state": "pending", "redirect_url": redirect}

    async def disconnect(self, params: Params) -> shapes.DisconnectAnswer:
        """Disconnect a site: {"site"} -> {"state"}, which is "leaving" or "gone"."""
        site = read_site(params)
        await self.lifecycle.disconnect(site)
        stored = await self.storage.read(connections.find, site)
        if stored is None:
            raise NoConnection(site)
        return {"state": stored.state}

    async def pause(self, params: Params) -> Params:
        """Stop all calls for a connection: {"site"} -> {"changed"}, False if it was already paused."""
        return {"changed": await self.lifecycle.set_pause(read_site(params), paused=True)}

    async def resume(self, params: Params) -> Params:
        """Resume the calls for a connection: {"site"} -> {"changed"}, False if it was not paused."""
        return {"changed": await self.lifecycle.set_pause(read_site(params), paused=False)}

    async def issues(self, params: Params) -> shapes.IssuesAnswer:
        """Return the open issues: {"site"?} -> {"issues"}."""
        chosen = await self._chosen(params)
        return {"issues": await open_issues(self.storage, self.vault, chosen, SYNCED_KINDS)}

    async def link_issues(self, params: Params) -> Params:
        """Make a link to a site's issues for its merchant: {"site", "days"?} -> {"path", "url", "until"}.

        `url` is None without `listener.public_url`. The link works until `until`, in seconds since the epoch.
        """
        stored, days = await self._connection(params), params.get("days", USUAL_DAYS)
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_DAYS:
            raise Invalid(f"days: must be a whole number from 1 to {MOST_DAYS}")
        link, until = self.links.make(str(stored.site), days)
        path, public = f"/shared/issues/{link}", self.lifecycle.registry.settings.listener.public_url
        return {"path": path, "url": f"{public}{path}" if public else None, "until": until}

    async def shared_issues(self, link: str) -> Params:
        """Return the issues that a link shows: {"site", "until", "issues"}. Raises NotFound for an expired link."""
        opened = self.links.open(link)
        if opened is None:
            raise NotFound("the link has expired, or is incomplete; ask for a new one")
        return {"site": opened[0], "until": opened[1], **await self.issues({"site": opened[0]})}

    async def parked(self, params: Params) -> shapes.ParkedAnswer:
        """Return the parked changes: {"site"?} -> {"parked"}."""
        return {"parked": await parked_changes(self.storage, self.vault, await self._chosen(params))}

    async def change_parked(self, params: Params) -> shapes.ChangedAnswer:
        """Retry or drop parked changes: {"action", "site", "kind"?, "ids"?} -> {"changed"}, the number of them."""
        operation = ACTIONS.get(str(params.get("action")))
        if operation is None:
            raise Invalid(f"action: must be one of {', '.join(ACTIONS)}")
        ids = read_ids(params) if "ids" in params else ()  # all
        kind = read_kind(params) if params.get("kind") is not None else None
        stored = await self._connection(params)
        choice = Choice(connection_id=stored.id, kind=kind, ids=ids, now=self.lifecycle.now())
        changed = await self.storage.write(operation, choice)
        self.intake.wake(stored.id, self.lifecycle.factory.kinds(stored.platform))
        return {"changed": changed}

    async def removals(self, params: Params) -> shapes.RemovalsAnswer:
        """Return the held removals: {"site"?, "kind"?} -> {"removals"}."""
        kinds = [read_kind(params)] if "kind" in params else SYNCED_KINDS
        return {"removals": await held_removals(self.storage, self.vault, await self._chosen(params), kinds)}

    async def allow_removals(self, params: Params) -> shapes.AllowedAnswer:
        """Let held removals go: {"site", "kind", "ids"} -> {"allowed"}, the number of entities."""
        stored, kind, ids = await self._connection(params), read_kind(params), read_ids(params)
        allow = Allow(connection_id=stored.id, kind=kind, ids=ids, now=self.lifecycle.now())
        allowed = await self.storage.write(removals.allow, allow)
        self.intake.wake(stored.id, self.lifecycle.factory.kinds(stored.platform))
        return {"allowed": len(allowed)}

    async def history(self, params: Params) -> shapes.HistoryAnswer:
        """Return what happened: {"site", "kind"?, "id"?} -> {"full_syncs", "settlements"}.

        With `kind` and `id` it has the settlements of that entity, and no full syncs.
        """
        stored, now = await self._connection(params), self.lifecycle.now()
        if "id" not in params:
            return await history.of_site(self.storage, stored, now)
        entity = (read_kind(params), ExternalId(str(params["id"])))
        return {"full_syncs": [], "settlements": await history.of_entity(self.storage, stored.id, *entity, now)}

    async def explain(self, params: Params) -> Params:
        """Explain an entity: {"site", "kind", "id"}, or "text" for what people call it.

        For the answers see `daemon.admin.explain`: `explain`, and `explain_called` for a text.
        """
        stored, kind = await self._connection(params), read_kind(params)
        name = "text" if "text" in params else "id"
        asked = params.get(name)
        if not isinstance(asked, str) or not asked.strip():
            raise Invalid(f"{name}: must be the platform's id of the entity, or as text what people call it")
        explained = explain_called if name == "text" else explain
        if kind not in self.lifecycle.factory.kinds(stored.platform):
            raise Invalid(f"kind: {kind.value} are not synced from this platform")
        async with self.guests.reader(stored) as runner:
            return await explained(runner, kind, asked)

    async def verify(self, params: Params) -> Params:
        """Start a dry run: {"site", "kind"?, "names"?, "all"?}. For the answer see `verify_state`.

        Each list has `names` entities, or `all`.
        """
        stored, names = await self._connection(params), params.get("names", NAMED)
        if not isinstance(names, int) or isinstance(names, bool) or not 0 <= names <= MOST_NAMES:
            raise Invalid(f"names: must be a whole number from 0 to {MOST_NAMES}")
        kinds = self.lifecycle.factory.kinds(stored.platform)
        if params.get("kind") is not None:
            kinds = tuple(kind for kind in kinds if kind is read_kind(params))
            if not kinds:
                raise Invalid(f"kind: {params['kind']} are not synced from this platform")
        return self.verifications.start(stored, kinds, named=None if params.get("all") else names)

    async def verify_state(self, params: Params) -> Params:
        """Return what the latest dry run has found so far: {"site"}; see `daemon.admin.verify`."""
        return self.verifications.state(await self._connection(params))

    async def cancel_verify(self, params: Params) -> Params:
        """End a dry run: {"site"} -> {"site", "running"}."""
        return self.verifications.cancel(await self._connection(params))

    async def backup(self, _params: Params) -> Response:
        """Answer with a copy of the database, as after some commit. Raises StorageTrouble when none can be made."""
        database = self.lifecycle.registry.settings.database
        if isinstance(database.place, Secret):
            raise Conflict("the database is on PostgreSQL; make backups with pg_dump")
        copy = await trio.to_thread.run_sync(lend, database.place, abandon_on_cancel=True)
        return Response(content_type=b"application/vnd.sqlite3", file=copy)

    async def _answer_backup(self, params: Params, operator: Operator) -> Response:
        """Perform a backup; 503 with its reason when none can be made."""
        try:
            response: Response = await self.audit.perform("backup", self.backup, params, operator)
        except StorageTrouble as error:
            # Answered here: the listener's words for trouble are about writing to the database.
            log_storage_trouble(error)
            return problem(503, str(error))
        return response

    async def why_not_ready(self) -> list[str]:
        """Return the reasons why changes cannot be taken or worked on now."""
        try:
            await self.storage.write(heartbeat, None)
        except StorageTrouble as error:
            return [f"the database cannot be written ({error.reason})"]
        age = self.lifecycle.tenure.beat_age
        if age is not None and age > SURE_SECONDS:
            return ["this node has not shown for 7 seconds that it is alive, so other nodes may take its connections"]
        return [f"{place} crashed and is about to be started again" for place in self.supervisor.resting]

    async def refresh(self) -> None:
        """Bring the gauges up to date. Raises StorageTrouble."""
        metrics = self.lifecycle.factory.metrics
        await self.gauges.refresh(self.lifecycle.now())
        if (present := self.lifecycle.wakeups.way) is not None:
            for way in Way:
                metrics.show("wakeups", way is present, way)
        if (seconds := self.lifecycle.tenure.beat_age) is not None:
            metrics.show("beat_age_seconds", seconds)

    async def _chosen(self, params: Params) -> list[Stored]:
        """Return the active connection of {"site"}, or all of them."""
        active = [stored for stored in await self.storage.read(connections.everyone) if stored.state == "active"]
        if "site" not in params:
            return active
        site = site_text(params)
        chosen = [stored for stored in active if str(stored.site) == site]
        if not chosen:
            known = ", ".join(str(stored.site) for stored in active) or "none"
            raise NotFound(f"no connection {site}; there are: {known}")
        return chosen

    async def _connection(self, params: Params) -> Stored:
        [stored] = await self._chosen({"site": site_text(params)})
        return stored


async def _read(operation: Callable[[Params], Awaitable[Any]], params: Params, _operator: Operator) -> Any:
    """Perform an operation that changes nothing: every role may."""
    return await operation(params)
