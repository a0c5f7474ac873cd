"""The conditions of a connection that people are told of, read from its status. Pure.

A condition carries numbers and codes only. So no text from a store, a merchant or an API gets into a notification.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from daemon.admin.attention import webhooks_missing, webhooks_unchecked
from daemon.model import Kind

UNCHECKED = "unchecked"
"""Cause of webhooks that are taken for missing because the platform cannot be asked about them."""


class Event(StrEnum):
    """The conditions by name."""

    BLOCKED = "blocked"
    REMOVALS_HELD = "removals_held"
    PARKED = "parked"
    FULL_SYNC_FAILED = "full_sync_failed"
    WEBHOOKS_MISSING = "webhooks_missing"
    ISSUES = "issues"


@frozen(kw_only=True)
class Condition:
    """A condition of a connection, or of one kind of it. `holds` is None while nothing is known about it.

    `cause` has codes, as "platform: credentials" or `UNCHECKED`. `counts` of issues are the open ones by kind.
    """

    event: Event
    kind: Kind | None = None
    holds: bool | None
    counts: Mapping[str, int] = field(factory=dict)
    cause: str | None = None


def conditions(status: Mapping[str, Any]) -> Iterator[Condition]:
    """Yield every condition of a connection, whether it holds or not, from a status as `connection_status` returns."""
    yield _blocked(None, status["blocked"])
    yield _webhooks(status["webhooks"])
    kinds: Mapping[str, Mapping[str, Any]] = status["kinds"]
    for name, counted in kinds.items():
        kind = Kind(name)
        yield _blocked(kind, counted["blocked"])
        numbers = {Event.REMOVALS_HELD: counted["held_removals"], Event.PARKED: counted["outbox"]["parked"]}
        for event, number in numbers.items():
            yield Condition(event=event, kind=kind, holds=number > 0, counts={"entities": number})
        yield _full_sync(kind, counted["full_sync"])
    issues = {name: counted["issues"] for name, counted in kinds.items() if counted["issues"]}
    yield Condition(event=Event.ISSUES, holds=bool(issues), counts=issues)


def _blocked(kind: Kind | None, cause: str | None) -> Condition:
    return Condition(event=Event.BLOCKED, kind=kind, holds=cause is not None, cause=cause)


def _webhooks(registration: Mapping[str, Any] | None) -> Condition:
    """Return the condition of the webhooks; without a registration none are wanted, or not yet."""
    if registration is None:
        return Condition(event=Event.WEBHOOKS_MISSING, holds=False)
    counts = {"registered": registration["registered"], "missing": len(registration["missing"])}
    missing, unchecked = webhooks_missing(registration), webhooks_unchecked(registration)
    cause = UNCHECKED if unchecked and not missing else None
    return Condition(event=Event.WEBHOOKS_MISSING, holds=missing or unchecked, counts=counts, cause=cause)


def _full_sync(kind: Kind, run: Mapping[str, Any] | None) -> Condition:
    """Return the condition of the latest full sync. A running one says nothing yet."""
    holds = False if run is None else None if run["succeeded"] is None else not run["succeeded"]
    counts = {name: run[name] for name in ("done", "failed", "held_removals")} if run else {}
    return Condition(event=Event.FULL_SYNC_FAILED, kind=kind, holds=holds, counts=counts)
