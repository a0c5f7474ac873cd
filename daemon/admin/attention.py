"""The reasons why a person should look at a connection, and the way out of each cause of a block. Pure.

They are made of a status as JSON values, and are a part of it. Open issues are the merchant's to
fix, and are no reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any

TOO_LONG = 60.0
"""Seconds after which a wait for an API is something to look at."""

LATE = 300.0
"""Seconds that a change may wait until it is late: webhooks are debounced, 429s are normal."""

UNCHECKED = 7200.0
"""Seconds without a successful check after which webhooks cannot be checked. By default one is due each hour, and a
check that fails once is tried again well before this."""

EXPECTED = frozenset({"active", "paused", "leaving", "gone"})
"""States that need no person, or that have a reason of their own."""

SIDES: Mapping[str, str] = {"platform": "The store", "sparklayer": "SparkLayer"}

REMEDIES: Mapping[str, str] = {
    "credentials": "{side} refuses the credentials. Renew them there, put them into the settings, and reload.",
    "scope_missing": "{side} does not allow this. The command `ignite-sync check` names the right that is missing.",
    "forbidden": "{side} refuses this. The site may be suspended, or its credentials may lack a right: ask SparkLayer.",
    "breaker_open": "{side} failed too many times in a row. It is tried again by itself; nothing is lost.",
    "foreign_401": "A server in front of the store refuses us. Let requests to the store's API pass there.",
    "basic_wall": "The whole shop is behind a password, which our requests cannot carry too. Exempt /wp-json from it.",
    "api_restricted": "A plugin or a firewall of the store restricts its API. Allow requests with our keys there.",
    "api_missing": "The store has no WooCommerce API. Activate WooCommerce there, and update it.",
    "stock_location_unknown": "The setting stock_location is not a location of the site. Correct it, and reload.",
    "site_refuses_set_up": "{side} refuses the price list or the stock location of the site. Look at the daemon's log.",
    "customer_read_unknown": "{side} has a customer that it does not show. Look for a newer version of Ignite Sync.",
}
"""The way out, by the reason of a `Blocked`."""

OTHER = "{side} refuses this ({reason}). The daemon tries again by itself; its log may say more."


def attention(connection: Any) -> Iterator[str]:
    """Yield the reasons, in a few words each."""
    if connection["paused_since"]:
        yield "paused"
    elif connection["state"] not in EXPECTED:
        yield connection["state"]
    elif connection.get("in_settings"):
        yield "disconnected, but in the settings"
    if connection["blocked"]:
        yield "blocked"
    for throttle in connection["throttles"]:
        if max(throttle.get("pause", 0.0), throttle["held_seconds"]) >= TOO_LONG:
            yield f"{throttle['api']} asked for a long wait"
    yield from _of_webhooks(connection["webhooks"] or {})
    late = set(late_kinds(connection))
    for kind, now in connection["kinds"].items():
        if kind in late:
            yield f"changes of {kind} are late"
        if now["blocked"] and not connection["blocked"]:
            yield f"{kind} blocked"
        yield from _of_kind(kind, now)


def webhooks_missing(registration: Any) -> bool:
    """Return True if webhooks are missing, as the last successful check has found them."""
    return bool(registration.get("missing")) or registration.get("registered") == 0


def webhooks_unchecked(registration: Any) -> bool:
    """Return True if the check of the webhooks fails, and the last successful one was too long ago."""
    return (registration.get("unchecked_seconds") or 0.0) > UNCHECKED


def late_kinds(connection: Any) -> Iterator[str]:
    """Yield the kinds whose changes wait for too long, without a block or a pause that explains it.

    Those of a full sync may wait: it feeds the outbox faster than it drains.
    """
    if connection["state"] != "active" or connection["blocked"]:
        return
    for kind, now in connection["kinds"].items():
        outbox, run = now["outbox"], now["full_sync"]
        under_way = run is not None and run["finished_at"] is None
        oldest = outbox["oldest_live_seconds" if under_way else "oldest_seconds"]
        if not now["blocked"] and (oldest or 0.0) > LATE:
            yield kind


def _of_webhooks(registration: Any) -> Iterator[str]:
    if webhooks_missing(registration):
        yield "webhooks not registered"
    elif webhooks_unchecked(registration):
        yield "webhooks cannot be checked"


def _of_kind(kind: str, now: Any) -> Iterator[str]:
    refused = now.get("refused")
    if refused and refused["seconds"] >= TOO_LONG:
        yield f"the full sync of {kind} cannot go on"
    if parked := now["outbox"]["parked"]:
        yield f"{parked} {kind if parked != 1 else kind.removesuffix('s')} parked"
    if held := now["held_removals"]:
        yield f"{held} removal{'s' * (held != 1)} of {kind} held"
    if now["full_sync"] and now["full_sync"]["succeeded"] is False:
        yield f"the last full sync of {kind} did not succeed"


def remedy(blocked: str | None) -> str | None:
    """Return the way out of a block, if there is one: `blocked` is its side and reason, as the status has them."""
    if blocked is None:
        return None
    side, _, reason = blocked.partition(": ")
    return REMEDIES.get(reason, OTHER).format(side=SIDES.get(side, side), reason=reason)
