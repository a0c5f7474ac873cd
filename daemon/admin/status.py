"""The status of a connection, as JSON values.

Everything is read from the database, so the status is the same whether the daemon runs or not. A running daemon adds
the cause of a pause, and the state of the throttles; with several nodes, the one that works on the connection has
stored them lately.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import trio
from attrs import asdict

from daemon.admin.attention import attention, late_kinds, remedy
from daemon.admin.history import run_shown
from daemon.admin.status_shapes import (
    ConnectionStatus,
    KindStatus,
    RunStatus,
    WebhooksStatus,
)
from daemon.engine.context import SYNCED_KINDS, ConnectionContext
from daemon.engine.pause import Pause
from daemon.model import Lane
from daemon.storage import registrations
from daemon.storage.age import age_if_known
from daemon.storage.connections import Stored
from daemon.storage.database import Storage
from daemon.storage.full_syncs import Run
from daemon.storage.overview import Depth, KindOverview, overview
from daemon.storage.registrations import StoredRegistration
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
) -> ConnectionStatus:
    """Return the status of a connection; `context` is None if no runner works on it here. Raises StorageTrouble.

    `told` is the `owner_view` of the node that works on it. Times are seconds since the epoch.
    """
    own = owner_view(context) if context else told or {}
    kinds = [
        await storage.read(overview, stored.id, kind) for kind in (context.kind_states if context else SYNCED_KINDS)
    ]
    webhooks = await storage.read(registrations.found, stored.id)
    status: ConnectionStatus = {
        "site": str(stored.site),
        "platform": stored.platform,
        "state": stored.state if stored.paused_at is None else "paused",
        "paused_since": stored.paused_at,
        "blocked": own.get("blocked"),
        "blocked_since": own.get("blocked_since"),
        "remedy": remedy(own.get("blocked")),
        "last_webhook": last_webhook,
        "webhooks": _webhooks(webhooks, vault, now) if webhooks else None,
        "kinds": {
            kind.kind.value: {
                **_kind(kind, now, vault),
                "blocked": own.get("kinds", {}).get(kind.kind.value),
                "blocked_since": own.get("kinds_since", {}).get(kind.kind.value),
                "refused": own.get("refused", {}).get(kind.kind.value),
                "remedy": remedy(own.get("kinds", {}).get(kind.kind.value)),
            }
            for kind in kinds
        },
        "throttles": own.get("throttles", []),
        "attention": [],
        "late": False,
    }
    return judged(status)


def judged(status: ConnectionStatus) -> ConnectionStatus:
    """Return a status with the values that follow from its others."""
    return {**status, "attention": list(attention(status)), "late": any(late_kinds(status))}


def owner_view(context: ConnectionContext) -> dict[str, Any]:
    """Return the part of the status that only the process knows that works on the connection."""
    return {
        "blocked": _cause(context.pause),
        "blocked_since": context.pause.began_at,
        "kinds": {kind.value: _cause(state.pause) for kind, state in context.kind_states.items()},
        "kinds_since": {kind.value: state.pause.began_at for kind, state in context.kind_states.items()},
        "refused": {
            kind.value: {"reason": state.refusal, "seconds": round(trio.current_time() - state.refused_since, 1)}
            for kind, state in context.kind_states.items()
            if state.refused_since is not None
        },
        "throttles": [
            _shown(limiter.statistics()) for limiter in (context.platform.limiter, context.sparklayer.limiter)
        ],
    }


def registration_status(found: StoredRegistration, vault: Vault) -> WebhooksStatus:
    """Return the registration of the webhooks, with the missing scopes in the platform's words.

    `well_at` is the time at which it was last right; `mended` is what the last look that changed anything has found.
    """
    told: Any = vault.decrypt(found.encrypted)
    return {
        "registered": found.registered,
        "missing": [{"scope": scope, "why": why} for scope, why in told.get("missing", {}).items()],
        "trouble": told.get("trouble"),
        "destination": told.get("destination"),
        "looked_at": found.looked_at,
        "well_at": told.get("well_at"),
        "mended": told.get("mended"),
    }


def _webhooks(found: StoredRegistration, vault: Vault, now: float) -> WebhooksStatus:
    """Return the registration of the webhooks, and for how long it could not be looked at."""
    status = registration_status(found, vault)
    unchecked = None
    if status["trouble"] is not None and found.looked_at is not None:
        unchecked = round(age_if_known(found.looked_at, now), 1)
    return {**status, "unchecked_seconds": unchecked}


def _cause(pause: Pause) -> str | None:
    return f"{pause.cause.side.value}: {pause.cause.reason}" if pause.cause else None


def _kind(kind: KindOverview, now: float, vault: Vault) -> KindStatus:
    pending, census = [depth for depth in kind.depths if depth.state is RowState.PENDING], kind.census
    live = [depth for depth in pending if depth.lane is Lane.LIVE]
    return {
        "outbox": {
            "live": sum(depth.rows for depth in live),
            "backfill": sum(depth.rows for depth in pending if depth.lane is Lane.BACKFILL),
            "parked": sum(depth.rows for depth in kind.depths if depth.state is RowState.PARKED),
            "oldest_seconds": _oldest(pending, now),
            "oldest_live_seconds": _oldest(live, now),
        },
        "full_sync": _run(kind.run, kind, vault) if kind.run else None,
        "issues": kind.issues,
        "ledger": kind.ledger,
        "held_removals": kind.held,
        "census": {"began_at": census.began_at, "seconds": round(census.seconds, 1)} if census else None,
        "gap": {"due_at": kind.gap.due_at} if kind.gap else None,
    }


def _oldest(depths: Sequence[Depth], now: float) -> float | None:
    oldest = min((depth.oldest for depth in depths), default=None)
    return None if oldest is None else round(age_if_known(oldest, now), 1)


def _run(run: Run, kind: KindOverview, vault: Vault) -> RunStatus:
    """Return a run, and the entities that it waits for: their number, and some of them with their last error."""
    return {
        **run_shown(run),
        "total_hint": run.seen if run.enumerated_at else max(kind.ledger, run.seen) or None,
        "held_up": kind.held_up,
        "held_up_by": [
            {
                "id": retrying.external_id,
                "attempts": retrying.attempts,
                "error": str(vault.decrypt(retrying.encrypted)) if retrying.encrypted else "",
            }
            for retrying in kind.retrying
        ],
    }


def _shown(now: LimiterStatistics) -> dict[str, Any]:
    numbers = {name: value for name, value in asdict(now.numbers).items() if value is not None}
    waiting = sum(now.waiting.values())
    held = {"held_back": now.held_back, "held_seconds": now.held_seconds}
    return {"api": now.api, "waiting": waiting, "in_flight": now.in_flight, "breaker": now.breaker, **numbers, **held}
