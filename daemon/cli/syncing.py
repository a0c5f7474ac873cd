"""The commands that start full syncs, and tell how everything does."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.group import KINDS, Stop, config_option, load_settings, main, moment, site_named
from daemon.cli.target import ask, talking

if TYPE_CHECKING:
    from daemon.cli.client import Daemon, FullSync, Status, ThrottleStatus, Waiting, WebhookStatus
    from daemon.cli.progress import Progress

_POLL_SECONDS = 1.0
_LONG_WAIT = 10.0
"""Seconds; shorter waits for an API are its usual pace."""


@main.command()
@click.argument("site", callback=site_named)
@click.argument("kind", type=click.Choice((*KINDS, "all")), metavar="KIND")
@click.option("--refresh", is_flag=True, help="Write everything, also what SparkLayer seems to have.")
@click.option("--allow-removals", is_flag=True, help="Let removals go, however many they are, and those that wait.")
@click.option("--cancel", is_flag=True, help="End the full sync that is on its way; it counts as failed.")
@click.option("--watch", is_flag=True, help="Show the progress until the run is over.")
@config_option
@click.pass_context
def sync(
    ctx: click.Context,
    path: Path | None,
    site: str,
    kind: str,
    *,
    refresh: bool,
    allow_removals: bool,
    cancel: bool,
    watch: bool,
) -> None:
    """Start a full sync of KIND at SITE.

    SITE is live/SITE_ID or test/SITE_ID, KIND is store, products, customers, orders or all. The running daemon does
    it; it is found by the settings of its listener.

    One that is on its way already goes on as it is. With --watch it is watched as well, and is as good as a new one
    unless --refresh or --allow-removals asks for more; else it is something that could not be started: exit code 1.

    With --cancel nothing is started. What the cancelled run has not synced yet is synced as ordinary changes.
    """
    from daemon.cli.client import Daemon

    if cancel and (refresh or allow_removals or watch):
        raise click.UsageError("--cancel cannot be combined with --refresh, --allow-removals or --watch")
    daemon = Daemon(load_settings(path).listener)
    if cancel:
        with talking():
            ctx.exit(0 if _cancelled(daemon, site, KINDS if kind == "all" else (kind,)) else 1)
    with talking():
        runs = [
            _begun(daemon, site, one, refresh=refresh, allow_removals=allow_removals)
            for one in (KINDS if kind == "all" else (kind,))
        ]
        fine = all(new for _, _, new in runs)
        if watch:
            ended = [_watched(daemon, site, one, run_id) for one, run_id, _ in runs]
            fine = (fine or not (refresh or allow_removals)) and all(run.succeeded for run in ended)
        ctx.exit(0 if fine else 1)


def _begun(daemon: "Daemon", site: str, kind: str, *, refresh: bool, allow_removals: bool) -> tuple[str, int, bool]:
    """Start a run, say so at once, and return its kind and id; False: it is one that was on its way already."""
    from daemon.cli.client import UnderWayError, decode_status

    try:
        run_id = daemon.start(site, kind, refresh=refresh, allow_removals=allow_removals)
    except UnderWayError:
        latest = decode_status(daemon.status()).full_sync(site, kind)
        if latest is None:
            raise
        click.echo(f"full sync {latest.id} of {kind} at {site} is on its way already")
        return kind, latest.id, False
    click.echo(f"full sync {run_id} of {kind} at {site} started")
    return kind, run_id, True


def _cancelled(daemon: "Daemon", site: str, kinds: Sequence[str]) -> bool:
    """Cancel the full syncs of `kinds` and say so; False when none was on its way."""
    from daemon.cli.client import UnderWayError

    cancelled = False
    for kind in kinds:
        try:
            run_id = daemon.cancel(site, kind)
        except UnderWayError:
            click.echo(f"no full sync of {kind} at {site} is on its way")
        else:
            click.echo(f"full sync {run_id} of {kind} at {site} was cancelled")
            cancelled = True
    return cancelled


def _watched(daemon: "Daemon", site: str, kind: str, run_id: int) -> "FullSync":
    from daemon.cli.progress import Progress

    try:
        with Progress(f"{site} {kind}", sys.stderr) as progress:
            ended = follow(daemon, site, kind, run_id=run_id, progress=progress, pause=_pause)
    except KeyboardInterrupt:
        click.echo(f"full sync {run_id} of {kind} goes on in the daemon; look at: ignite-sync status", err=True)
        raise
    click.echo(_outcome(ended))
    return ended


def _pause() -> None:
    time.sleep(_POLL_SECONDS)


def follow(
    daemon: "Daemon", site: str, kind: str, *, run_id: int, progress: "Progress", pause: Callable[[], None]
) -> "FullSync":
    """Show a run's progress until it is over, and return its end; `pause` waits between two looks.

    Raises Stop when the run is no longer the latest one, so that its end cannot be seen any more.
    """
    from daemon.cli.client import decode_status

    while True:
        status = decode_status(daemon.status())
        latest = status.full_sync(site, kind)
        if latest and latest.id > run_id:
            raise Stop(f"full sync {run_id} was followed by {latest.id}; look at: ignite-sync status")
        if latest and latest.id == run_id:
            progress.update(latest.done + latest.failed, latest.total_hint, latest.state)
            if latest.finished_at is not None:
                return latest
        pause()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@config_option
def status(path: Path | None, *, as_json: bool) -> None:
    """Show how every connection does.

    The running daemon tells; when none answers, the database does.
    """
    from daemon.cli.client import decode_status

    with talking():
        answer = ask(load_settings(path), lambda daemon: daemon.status(), lambda offline: offline.status())
        lines = [json.dumps(answer, indent=2)] if as_json else describe(decode_status(answer))
        for line in lines:
            click.echo(line)


def describe(status: "Status") -> Iterator[str]:
    """Word a status as lines for people."""
    if not status.connections:
        yield "no connections"
    for connection in status.connections:
        blocked = f", blocked: {connection.blocked}" if connection.blocked else ""
        yield f"{connection.site}: {connection.state}{blocked}"
        if connection.webhooks:
            yield from (f"  {line}" for line in webhook_lines(connection.webhooks))
        yield from (f"  {line}" for throttle in connection.throttles for line in _silence(throttle))
        for kind, now in connection.kinds.items():
            paused = f", blocked: {now.blocked}" if now.blocked else ""
            yield f"  {kind}: {now.ledger} in SparkLayer, {now.issues} with issues, {_waiting(now.outbox)}{paused}"
            if now.held_removals:
                see = f"ignite-sync removals list {connection.site} {kind}"
                yield f"    {now.held_removals} have removals that wait for a person: {see}"
            if now.gap:
                yield f"    webhooks may have been missing; everything is read after {moment(now.gap.due_at)}"
            if now.full_sync:
                yield f"    {_outcome(now.full_sync)}"
                yield from (f"      {line}" for line in _held_up(now.full_sync))


def webhook_lines(webhooks: "WebhookStatus") -> Iterator[str]:
    """Word how webhooks are registered: a line for the whole, and one for each that is missing."""
    looked = f"looked at {moment(webhooks.looked_at)}" if webhooks.looked_at else "never looked at"
    missing = f", {len(webhooks.missing)} missing" if webhooks.missing else ""
    yield f"webhooks: {webhooks.registered} registered{missing}, {looked}"
    if webhooks.trouble:
        yield f"  they cannot be looked at: {webhooks.trouble}"
    for one in webhooks.missing:
        yield f"  missing: {one.scope}{': ' if one.why else ''}{one.why}"


def _silence(throttle: "ThrottleStatus") -> Iterator[str]:
    """Word for how long an API wants to be left alone, or some of its requests."""
    if throttle.pause >= _LONG_WAIT:
        yield f"{throttle.api} answered 429: nothing is sent to it for another {throttle.pause:.0f} s, as it asked"
    if throttle.held_seconds >= _LONG_WAIT:
        many = "1 request that was" if throttle.held_back == 1 else f"{throttle.held_back} requests that were"
        yield f"{many} answered 429 by {throttle.api} must wait, the last for another {throttle.held_seconds:.0f} s"


def _held_up(latest: "FullSync") -> Iterator[str]:
    """Word what a run waits for."""
    for one in latest.held_up_by:
        yield f"waits for {one.id}, tried {one.attempts} times: {one.error}"
    if more := latest.held_up - len(latest.held_up_by):
        yield f"and for {more} more"


def _waiting(outbox: "Waiting") -> str:
    oldest = "" if outbox.oldest_seconds is None else f" (oldest {outbox.oldest_seconds:.0f} s)"
    return f"waiting: {outbox.live} live, {outbox.backfill} backfill, {outbox.parked} parked{oldest}"


def _outcome(latest: "FullSync") -> str:
    counts = f"{latest.done} done, {latest.failed} failed"
    if latest.finished_at is None:
        total = "" if latest.total_hint is None else f" of about {latest.total_hint}"
        return f"full sync {latest.id} is {latest.state}: {counts}{total}"
    held = f", {latest.held_removals} removals held (see: ignite-sync removals list)" if latest.held_removals else ""
    return f"full sync {latest.id} {'succeeded' if latest.succeeded else 'did not succeed'}: {counts}{held}"
