"""The names, texts and labels of all metrics; `Metrics` feeds them.

Every name except the process's own starts with `ignite_sync_`, has a base unit, and ends in `_total` if it only grows.
Labels have few values: site, kind, lane, side, state, stage, api, change, data_type, method, outcome, receiver, route,
status. Never the id of an entity: a series per product would cost memory for ever, and /metrics must not reveal ids.

Every counter is 0 before its first event. A series that begins with its first event shows no increase to Prometheus, so
no alert would fire. `VALUES` has the label values for that.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from daemon.model import LOGGED_KINDS
from daemon.model.outcome import Result

WebhookOutcome = Literal[
    "recorded",
    "ping",
    "broken",
    "unknown_scope",
    "unknown_site",
    "refused",
    "malformed",
    "too_large",
    "cut_off",
    "unavailable",
]

CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Buckets for single calls."""

WAY_SECONDS = (0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 172800)
"""Buckets from a change to its settling: the debounce alone takes one second, parking comes after 48 hours."""

COUNTERS: dict[str, tuple[str, list[str]]] = {
    "webhooks_total": ("Webhooks answered; site is empty if no connection has it.", ["site", "outcome"]),
    "webhooks_stale_total": ("Webhooks whose signed timestamp was older than five minutes.", []),
    "webhooks_mended_total": ("Changes made to webhooks that were registered before.", ["site"]),
    "webhooks_switched_off_total": ("Webhooks that the platform had switched off.", ["site"]),
    "webhooks_missed_total": ("Entities that only a sweep found changed.", ["site", "kind"]),
    "http_requests_total": ("Requests answered by the listener; route is its pattern.", ["route", "status"]),
    "entities_total": ("Entities worked on.", ["site", "kind", "outcome"]),
    "api_requests_total": (
        "Requests sent; status_class is 2xx to 5xx, or error.",
        ["site", "api", "status_class"],
    ),
    "full_syncs_total": ("Full syncs that ended.", ["site", "kind", "outcome"]),
    "actor_restarts_total": ("Crashed actors that were started again.", ["site", "kind"]),
    "sync_log_calls_total": ("Calls to the sync-log.", ["site", "data_type", "method", "outcome"]),
    "throttle_turns_total": ("Requests that the throttle of an API let through.", ["site", "api"]),
    "throttle_refused_total": ("Requests answered 429 by an API.", ["site", "api"]),
    "throttle_waited_seconds_total": ("Time that requests waited for their turn.", ["site", "api"]),
    "notifications_total": ("Notifications sent to a receiver, or refused by it.", ["receiver", "outcome"]),
    "storage_commits_total": ("Transactions tried by the writer.", ["outcome"]),
    "storage_rows_total": ("Operations handed to the writer, many of which share a commit.", []),
    "lease_changes_total": ("Leases of connections that this node took or gave up.", ["change"]),
    "beats_late_total": ("Beats of this node that came more than 6 seconds after the one before.", []),
}

VALUES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "webhooks_total": {"outcome": get_args(WebhookOutcome)},
    "http_requests_total": {"status": ("500", "503")},  # the others depend on the route, and no alert uses them
    "entities_total": {"outcome": tuple(Result)},
    "api_requests_total": {"status_class": ("2xx", "3xx", "4xx", "5xx", "error")},
    "full_syncs_total": {"outcome": ("succeeded", "failed")},
    "sync_log_calls_total": {
        "data_type": sorted(kind.value for kind in LOGGED_KINDS),
        "method": ("PUT", "PATCH"),
        "outcome": ("accepted", "failed"),
    },
    "notifications_total": {"receiver": ("webhook", "slack"), "outcome": ("sent", "failed")},
    "storage_commits_total": {"outcome": ("committed", "failed")},
    "lease_changes_total": {"change": ("given", "taken_over", "lost", "handed_over", "rested")},
}
"""Known values of labels, by counter: all labels except sites, kinds, APIs and routes."""

GAUGES: dict[str, tuple[str, list[str]]] = {
    "outbox_depth": ("Changes waiting.", ["site", "kind", "lane", "state"]),
    "outbox_oldest_seconds": ("Age of the oldest change waiting.", ["site", "kind", "lane", "state"]),
    "throttle_waiting": ("Requests waiting for their turn at an API.", ["site", "api", "lane"]),
    "throttle_oldest_seconds": ("Age of the oldest request waiting for its turn.", ["site", "api", "lane"]),
    "throttle_in_flight": ("Requests under way.", ["site", "api"]),
    "throttle_pause_seconds": ("Time until an API gets requests again, as it asked.", ["site", "api"]),
    "throttle_held_back": ("Requests answered 429 that wait before they are sent again.", ["site", "api"]),
    "breaker_open": ("1 while the breaker blocks calls.", ["site", "api"]),
    "full_sync_progress_entities": (
        "Entities of the running full sync, by stage.",
        ["site", "kind", "stage"],
    ),
    "issues_open": ("Open issues that the merchant must fix.", ["site", "kind"]),
    "removals_held": ("Entities with a removal that is held until a person allows it.", ["site", "kind"]),
    "gaps_open": ("1 if webhooks may have been missed and not everything was read since.", ["site", "kind"]),
    "census_seconds": ("Time that the platform took for its last list of all ids.", ["site", "kind"]),
    "webhook_scopes": ("Webhook scopes that are registered, or missing.", ["site", "state"]),
    "webhooks_unwell_seconds": ("Time since all webhooks were found registered and working.", ["site"]),
    "webhooks_unchecked_seconds": ("Time since the registration of the webhooks was checked.", ["site"]),
    "sync_log_waiting": ("Errors and synced ids not yet in the sync-log.", ["site", "data_type"]),
    "sync_log_untold": ("Errors not yet in the sync-log, which holds at most 5,000.", ["site", "data_type"]),
    "notifications_late_seconds": ("Time for which a receiver could not be told of something.", ["receiver"]),
    "storage_waiting": ("Operations waiting for the writer's next commit.", []),
    "paused": ("1 while an operator has paused the connection.", ["site"]),
    "blocked": (
        "1 while a side keeps a kind from being synced, until a person or time fixes the cause.",
        ["site", "kind", "side"],
    ),
    "blocked_since_timestamp_seconds": ("Time at which the present block of a kind began.", ["site", "kind"]),
    "full_sync_succeeded_timestamp_seconds": (
        "Time at which the last full sync that succeeded had ended.",
        ["site", "kind"],
    ),
    "build_info": (
        "1 for the release of the daemon, of Python, and the engine of its database.",
        ["version", "python", "database"],
    ),
    "wakeups": ("1 for the way by which this node learns what others have committed: notify, or poll.", ["way"]),
    "leases": ("Connections that this node works on.", []),
    "beat_age_seconds": ("Time since this node's last beat.", []),
    "clock_offset_seconds": ("Seconds that the database's clock is ahead of this node's.", []),
    "nodes_differing": ("Other nodes with other settings.", []),
    "connections": ("Connections: active, blocked, paused by an operator, or being disconnected (leaving).", ["state"]),
}

HISTOGRAMS: dict[str, tuple[str, list[str], Sequence[float]]] = {
    "push_seconds": ("Time from queueing a change to settling it.", ["site", "kind", "lane"], WAY_SECONDS),
    "api_seconds": ("Time from sending a request to reading its answer.", ["api"], CALL_SECONDS),
    "storage_commit_seconds": ("Time from BEGIN to the end of COMMIT.", [], CALL_SECONDS),
}
