"""`ignite-sync status`: the state of every connection."""

from collections.abc import Iterator
from pathlib import Path

import click

from daemon.cli.client import FullSync, Status, ThrottleStatus, Waiting, WebhookStatus, ask, decode_status
from daemon.cli.group import config_option, json_option, moment, show

_LONG_WAIT = 10.0
"""Seconds. Shorter waits for an API are its usual pace and not shown."""


@click.command()
@json_option
@config_option
def status(path: Path | None, *, as_json: bool) -> None:
    """Show the state of every connection and of each of its kinds.

    The running daemon answers; if there is none, the database does.
    """
    answer = ask(path, lambda source: source.status())
    show(answer, describe(decode_status(answer)), as_json=as_json)


def describe(status: Status) -> Iterator[str]:
    """Describe a status in lines for people."""
    if not status.connections:
        yield "no connections"
    for connection in status.connections:
        blocked = f", blocked: {connection.blocked}" if connection.blocked else ""
        yield f"{connection.site}: {connection.state}{blocked}"
        if connection.webhooks:
            yield from (f"  {line}" for line in _webhooks(connection.webhooks))
        yield from (f"  {line}" for throttle in connection.throttles for line in _waits(throttle))
        for kind, now in connection.kinds.items():
            paused = f", blocked: {now.blocked}" if now.blocked else ""
            yield f"  {kind}: {now.ledger} in SparkLayer, {now.issues} with issues, {_waiting(now.outbox)}{paused}"
            if now.held_removals:
                see = f"ignite-sync removals list {connection.site} {kind}"
                yield f"    {now.held_removals} removals are held until a person allows them: {see}"
            if now.gap:
                yield f"    webhooks may have been missed; everything is read after {moment(now.gap.due_at)}"
            if now.full_sync:
                yield f"    {describe_run(now.full_sync)}"
                yield from (f"      {line}" for line in _held_up(now.full_sync))


def _webhooks(webhooks: WebhookStatus) -> Iterator[str]:
    """Describe the registration of webhooks: one line for all, and one for each that is missing."""
    checked = f"checked {moment(webhooks.looked_at)}" if webhooks.looked_at else "never checked"
    missing = f", {len(webhooks.missing)} missing" if webhooks.missing else ""
    yield f"webhooks: {webhooks.registered} registered{missing}, {checked}"
    if webhooks.trouble:
        yield f"  the registration cannot be read: {webhooks.trouble}"
    for webhook in webhooks.missing:
        yield f"  missing: {webhook.scope}{': ' if webhook.why else ''}{webhook.why}"


def _waits(throttle: ThrottleStatus) -> Iterator[str]:
    """Describe how long an API, or some of its requests, must wait after answers 429."""
    if throttle.pause >= _LONG_WAIT:
        yield f"{throttle.api} answered 429: it gets no requests for another {throttle.pause:.0f} s, as it asked"
    if throttle.held_seconds >= _LONG_WAIT:
        many = "1 request that was" if throttle.held_back == 1 else f"{throttle.held_back} requests that were"
        yield f"{many} answered 429 by {throttle.api} must wait, the last for another {throttle.held_seconds:.0f} s"


def _held_up(latest: FullSync) -> Iterator[str]:
    """Describe the entities that a run waits for."""
    for entity in latest.held_up_by:
        yield f"waits for {entity.id}, tried {entity.attempts} times: {entity.error}"
    if more := latest.held_up - len(latest.held_up_by):
        yield f"and {more} more"


def _waiting(outbox: Waiting) -> str:
    oldest = "" if outbox.oldest_seconds is None else f" (oldest {outbox.oldest_seconds:.0f} s)"
    return f"waiting: {outbox.live} live, {outbox.backfill} backfill, {outbox.parked} parked{oldest}"


def describe_run(latest: FullSync) -> str:
    """Describe a run in one line."""
    counts = f"{latest.done} done, {latest.failed} failed"
    if latest.finished_at is None:
        total = "" if latest.total_hint is None else f" of about {latest.total_hint}"
        return f"full sync {latest.id} is {latest.state}: {counts}{total}"
    held = f", {latest.held_removals} removals held (see: ignite-sync removals list)" if latest.held_removals else ""
    return f"full sync {latest.id} {'succeeded' if latest.succeeded else 'did not succeed'}: {counts}{held}"
