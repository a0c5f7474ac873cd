"""The answer of /admin/status, as JSON values. Times are seconds since the epoch."""

from typing import Any, NotRequired, TypedDict

from daemon.admin.shapes import EntityFailing, RunShown


class MissingWebhook(TypedDict):
    """A webhook that is not registered, and the platform's reason."""

    scope: str
    why: str


class WebhooksStatus(TypedDict):
    """The registration of the webhooks at the last look; `destination` is the address that they should have.

    `trouble` is why the platform could not be asked since. Then `unchecked_seconds` is the time since the last look.
    """

    registered: int
    missing: list[MissingWebhook]
    trouble: str | None
    destination: str | None
    unchecked_seconds: NotRequired[float | None]
    looked_at: float | None
    well_at: float | None
    mended: dict[str, Any] | None


class OutboxStatus(TypedDict):
    """Changes that wait, by lane, and parked ones. The ages are those of changes that wait."""

    live: int
    backfill: int
    parked: int
    oldest_seconds: float | None
    oldest_live_seconds: float | None


class RetryingEntity(EntityFailing):
    """An entity that a full sync waits for."""

    attempts: int


class RunStatus(RunShown):
    """The latest full sync of a kind, and some of the entities that it waits for."""

    total_hint: int | None
    held_up: int
    held_up_by: list[RetryingEntity]


class CensusStatus(TypedDict):
    """The last list of all ids."""

    began_at: float
    seconds: float


class GapStatus(TypedDict):
    """A possible gap in the webhooks; everything is read by `due_at`."""

    due_at: float


class RefusalStatus(TypedDict):
    """The platform does not answer what the full sync asks for: the reason of its latest refusal."""

    reason: str
    seconds: float


class KindStatus(TypedDict):
    """The state of one kind. `remedy` is the way out of what blocks it."""

    outbox: OutboxStatus
    full_sync: RunStatus | None
    issues: int
    ledger: int
    held_removals: int
    census: CensusStatus | None
    gap: GapStatus | None
    blocked: NotRequired[str | None]
    blocked_since: NotRequired[float | None]
    refused: NotRequired[RefusalStatus | None]
    remedy: NotRequired[str | None]


class ThrottleStatus(TypedDict):
    """The throttle of one API; unknown numbers are left out."""

    api: str
    waiting: int
    in_flight: int
    breaker: str
    held_back: int
    held_seconds: float
    rate: NotRequired[float]
    ceiling: NotRequired[float]
    remaining: NotRequired[int]
    quota: NotRequired[int]
    pause: NotRequired[float]


class ConnectionStatus(TypedDict):
    """The state of one connection; `node` only with several nodes.

    `remedy` is the way out of what blocks it, `attention` the reasons why a person should look at it. It is `late` if
    changes wait for too long though nothing is blocked. `in_settings` is only with a connection that has left: True if
    the settings name its site, which has no other connection.
    """

    site: str
    platform: str
    state: str
    blocked: str | None
    blocked_since: float | None
    remedy: str | None
    attention: list[str]
    late: bool
    paused_since: float | None
    last_webhook: float | None
    webhooks: WebhooksStatus | None
    kinds: dict[str, KindStatus]
    throttles: list[ThrottleStatus]
    node: NotRequired[str | None]
    in_settings: NotRequired[bool]


class StatusAnswer(TypedDict):
    """The state of every connection; `wakeups` only with several nodes."""

    connections: list[ConnectionStatus]
    wakeups: NotRequired[str]
