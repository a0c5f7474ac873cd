"""The status of a connection, as JSON values, and the gauges of /metrics.

Everything is read from the database, so the status is the same whether the daemon runs or not. A running daemon adds
the cause of a pause, and the state of the throttles; with several nodes, the one that works on the connection has
stored them lately.
"""

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from daemon.engine.context import SYNCED_KINDS, ConnectionContext
from daemon.engine.pause import Pause
from daemon.model import Lane
from daemon.observability.metrics import Metrics, QueueDepth, ThrottleSnapshot
from daemon.storage import registrations
from daemon.storage.age import age_if_known
from daemon.storage.connections import Stored, everyone
from daemon.storage.database import OpenStorage, Storage
from daemon.storage.full_syncs import Run
from daemon.storage.overview import KindOverview, overview
from daemon.storage.registrations import Found
from daemon.storage.states import RowState
from daemon.storage.vault import Vault
from daemon.transport.throttle.limiter import LimiterStatistics


async def connection_status(
    storage: Storage,
    vault: Vault,
    stored: Stored,
    context: ConnectionContext | None,
    now: float,
    told: Mapping[str, Any] | None = None,
    last_webhook: float | None = None,
) -> dict[str, Any]:
    """Return the status of a connection; `context` is None if no runner works on it here. Raises StorageTrouble.

    `told` is the `owner_view` of the node that works on it. Times are seconds since the epoch.
    """
    own = owner_view(context) if context else told or {}
    kinds = [
        await storage.read(overview, stored.id, kind) for kind in (context.kind_states if context else SYNCED_KINDS)
    ]
    webhooks = await storage.read(registrations.found, stored.id)
    return {
        "site": str(stored.site),
        "platform": stored.platform,
        "state": stored.state if stored.paused_at is None else "paused",
        "paused_since": stored.paused_at,
        "blocked": own.get("blocked"),
        "blocked_since": own.get("blocked_since"),
        "last_webhook": last_webhook,
        "webhooks": registration_status(webhooks, vault) if webhooks else None,
        "kinds": {
            kind.kind.value: {
                **_kind(kind, now, vault),
                "blocked": own.get("kinds", {}).get(kind.kind.value),
                "blocked_since": own.get("kinds_since", {}).get(kind.kind.value),
            }
            for kind in kinds
        },
        "throttles": own.get("throttles", []),
    }


def owner_view(context: ConnectionContext) -> dict[str, Any]:
    """Return the part of the status that only the process knows that works on the connection."""
    return {
        "blocked": _cause(context.pause),
        "blocked_since": context.pause.began_at,
        "kinds": {kind.value: _cause(state.pause) for kind, state in context.kind_states.items()},
        "kinds_since": {kind.value: state.pause.began_at for kind, state in context.kind_states.items()},
        "throttles": [_shown(throttle) for throttle in _throttles(context)],
    }


def registration_status(found: Found, vault: Vault) -> dict[str, Any]:
    """Return the registration of the webhooks, with the missing scopes in the platform's words.

    `well_at` is the time at which it was last right; `mended` is what the last look that changed anything has found.
    """
    told: Any = vault.decrypt(found.encrypted)
    return {
        "registered": found.registered,
        "missing": [{"scope": scope, "why": why} for scope, why in told.get("missing", {}).items()],
        "trouble": told.get("trouble"),
        "looked_at": found.looked_at,
        "well_at": told.get("well_at"),
        "mended": told.get("mended"),
    }


def _cause(pause: Pause) -> str | None:
    return f"{pause.cause.side.value}: {pause.cause.reason}" if pause.cause else None


def _kind(kind: KindOverview, now: float, vault: Vault) -> dict[str, Any]:
    waiting = {
        lane.name.lower(): sum(d.rows for d in kind.depths if d.lane is lane and d.state is RowState.PENDING)
        for lane in Lane
    }
    oldest = [depth.oldest for depth in kind.depths if depth.state is RowState.PENDING]
    return {
        "outbox": {
            **waiting,
            "parked": sum(depth.rows for depth in kind.depths if depth.state is RowState.PARKED),
            "oldest_seconds": round(age_if_known(min(oldest), now), 1) if oldest else None,
        },
        "full_sync": {**_run(kind.run, kind.ledger), **_held_up(kind, vault)} if kind.run else None,
        "issues": kind.issues,
        "ledger": kind.ledger,
        "held_removals": kind.held,
        "census": kind.census and {"began_at": kind.census.began_at, "seconds": round(kind.census.seconds, 1)},
        "gap": None if kind.gap is None else {"due_at": kind.gap.due_at},
    }


def _run(run: Run, known: int) -> dict[str, Any]:
    return {
        "id": run.id,
        "mode": run.mode,
        "state": run.state,
        "seen": run.seen,
        "done": run.done,
        "failed": run.failed,
        "held_removals": run.held_removals,
        "total_hint": run.seen if run.enumerated_at else max(known, run.seen) or None,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "succeeded": run.succeeded,
    }


def _held_up(kind: KindOverview, vault: Vault) -> dict[str, Any]:
    """Return the entities that the run waits for: their number, and some of them with their last error."""
    named = [
        {
            "id": retrying.external_id,
            "attempts": retrying.attempts,
            "error": vault.decrypt(retrying.encrypted) if retrying.encrypted else "",
        }
        for retrying in kind.retrying
    ]
    return {"held_up": kind.held_up, "held_up_by": named}


def _throttles(context: ConnectionContext) -> list[LimiterStatistics]:
    return [limiter.statistics() for limiter in (context.platform.limiter, context.sparklayer.limiter)]


def _shown(now: LimiterStatistics) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(now.numbers).items() if value is not None}
    waiting = sum(now.waiting.values())
    held = {"held_back": now.held_back, "held_seconds": now.held_seconds}
    return {"api": now.api, "waiting": waiting, "in_flight": now.in_flight, "breaker": now.breaker, **numbers, **held}


async def refresh_gauges(
    database: OpenStorage, contexts: list[ConnectionContext], metrics: Metrics, now: float
) -> None:
    """Update the gauges, before a scrape. Raises StorageTrouble."""
    depths = []
    for context in contexts:
        site = context.connection.site
        for kind in context.kind_states:
            counts = await database.read(overview, context.connection.id, kind)
            depths += [
                QueueDepth(
                    site=site,
                    kind=kind,
                    lane=depth.lane,
                    state=depth.state,
                    rows=depth.rows,
                    oldest_seconds=age_if_known(depth.oldest or now, now),
                )
                for depth in counts.depths
            ]
            metrics.blocked(site, kind, is_blocked=context.blocked(kind) is not None)
            metrics.issues(site, kind, counts.issues)
            metrics.removals_held(site, kind, counts.held)
            metrics.gap(site, kind, is_open=counts.gap is not None)
            if counts.census is not None:
                metrics.census(site, kind, counts.census.seconds)
            metrics.sync_log_waiting(site, kind.value, errors=counts.untold, synced=counts.synced)
            if counts.run is not None:
                stages = {"seen": counts.run.seen, "done": counts.run.done, "failed": counts.run.failed}
                metrics.full_sync_progress(site, kind, stages)
        webhooks = await database.read(registrations.found, context.connection.id)
        if webhooks is not None:
            age = None if webhooks.looked_at is None else now - webhooks.looked_at
            findings: Any = context.vault.decrypt(webhooks.encrypted)
            unwell = now - findings["well_at"] if "well_at" in findings else None
            metrics.webhook_scopes(
                site, registered=webhooks.registered, missing=webhooks.missing, age=age, unwell=unwell
            )
        for throttle in _throttles(context):
            metrics.throttle(site, _snapshot(throttle))
    metrics.outbox(depths)
    metrics.storage_waiting(database.waiting)
    blocked = sum(any(context.blocked(kind) for kind in context.kind_states) for context in contexts)
    everyone_stored = await database.read(everyone)
    leaving = sum(stored.state == "leaving" for stored in everyone_stored)
    paused = sum(stored.paused_at is not None for stored in everyone_stored)
    states = {"active": len(contexts) - blocked, "blocked": blocked, "paused": paused, "leaving": leaving}
    metrics.connections(states)


def _snapshot(now: LimiterStatistics) -> ThrottleSnapshot:
    return ThrottleSnapshot(
        api=now.api,
        waiting=now.waiting,
        oldest_seconds=now.oldest,
        in_flight=now.in_flight,
        pause_seconds=now.numbers.pause or 0.0,
        held_back=now.held_back,
        breaker_open=now.breaker != "closed",
        turns=now.granted,
        refused=now.refused,
        waited_seconds=now.waited,
    )
