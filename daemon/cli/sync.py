"""`ignite-sync sync`: full syncs, started, watched and cancelled in the running daemon."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from daemon.cli.client import DaemonClient, UnderWayError, connection_of, known_format, latest_run
from daemon.cli.group import KINDS, Stop, kinds_argument, say, settings_option, site_argument
from daemon.cli.progress import Progress, progress
from daemon.cli.status import describe_run
from daemon.config import Settings

_POLL_SECONDS = 1.0


@click.command()
@site_argument
@kinds_argument
@click.option("--refresh", is_flag=True, help="Write everything, including what SparkLayer seems to have.")
@click.option("--allow-removals", is_flag=True, help="Allow all removals, however many, including those held.")
@click.option("--cancel", is_flag=True, help="Cancel the running full sync. It counts as failed.")
@click.option("--watch", is_flag=True, help="Show the progress until the full sync ends.")
@settings_option
@click.pass_context
def sync(
    ctx: click.Context,
    settings: Settings,
    site: str,
    kind: str,
    *,
    refresh: bool,
    allow_removals: bool,
    cancel: bool,
    watch: bool,
) -> None:
    """Start a full sync of KIND at SITE in the running daemon. KIND may be all.

    If one is already running, it is left alone and the exit code is 1. With --watch it is followed and counts as
    success, unless --refresh or --allow-removals was given.

    --cancel starts nothing. Entities that the cancelled run has not synced yet are synced as ordinary changes.
    """
    if cancel and (refresh or allow_removals or watch):
        raise click.UsageError("--cancel cannot be combined with --refresh, --allow-removals or --watch")
    daemon = DaemonClient(settings.listener)
    kinds = KINDS if kind == "all" else (kind,)
    if cancel:
        ctx.exit(0 if _cancelled(daemon, site, kinds) else 1)
    runs = [_started(daemon, site, each, refresh=refresh, allow_removals=allow_removals) for each in kinds]
    fine = all(new for _, _, new in runs)
    if watch:
        ended = [_watched(daemon, site, each, run_id) for each, run_id, _ in runs]
        fine = (fine or not (refresh or allow_removals)) and all(run["succeeded"] for run in ended)
    ctx.exit(0 if fine else 1)


def _started(
    daemon: DaemonClient, site: str, kind: str, *, refresh: bool, allow_removals: bool
) -> tuple[str, int, bool]:
    """Start a run and say so at once; return its kind and id. The flag is False for a run that was under way."""
    try:
        order = {"site": site, "kind": kind, "refresh": refresh, "allow_removals": allow_removals}
        run_id = daemon.run("POST /admin/sync", **order)
    except UnderWayError:
        latest = latest_run(daemon.call("GET /admin/status"), site, kind)
        if latest is None:
            raise
        say(f"full sync {latest['id']} of {kind} at {site} is already running")
        return kind, latest["id"], False
    say(f"full sync {run_id} of {kind} at {site} started")
    return kind, run_id, True


def _cancelled(daemon: DaemonClient, site: str, kinds: Sequence[str]) -> bool:
    """Cancel the full syncs of `kinds` and say so; return False if none was running."""
    cancelled = False
    for kind in kinds:
        try:
            run_id = daemon.run("POST /admin/sync/cancel", site=site, kind=kind)
        except UnderWayError:
            say(f"no full sync of {kind} at {site} is running")
        else:
            say(f"full sync {run_id} of {kind} at {site} was cancelled")
            cancelled = True
    return cancelled


def _watched(daemon: DaemonClient, site: str, kind: str, run_id: int) -> Any:
    try:
        with progress(f"{site} {kind}", sys.stderr) as shown:
            ended = follow(daemon, site, kind, run_id=run_id, shown=shown, pause=partial(time.sleep, _POLL_SECONDS))
    except KeyboardInterrupt:
        say(f"full sync {run_id} of {kind} continues in the daemon; look at: ignite-sync status", err=True)
        raise
    say(describe_run(ended))
    return ended


def follow(
    daemon: DaemonClient, site: str, kind: str, *, run_id: int, shown: Progress, pause: Callable[[], None]
) -> Any:
    """Show a run's progress until it ends, and return its end; `pause` waits between two looks.

    Raises Stop if a later run has begun, which hides the end of this one, if the run is blocked, and if its connection
    has left.
    """
    name = f"full sync {run_id} of {kind} at {site}"
    blocked_before = None
    while True:
        status = daemon.call("GET /admin/status")
        with known_format():
            connection = connection_of(status, site)
            if connection is None:
                raise Stop(f"{name} has stopped, because {site} is not connected")
            state, of_kind = connection["state"], connection["kinds"].get(kind, {})
            latest = of_kind.get("full_sync")
            if latest and latest["id"] > run_id:
                raise Stop(f"full sync {run_id} was followed by {latest['id']}; look at: ignite-sync status")
            if latest and latest["id"] == run_id:
                shown.update(latest["done"] + latest["failed"], latest["total_hint"], latest["state"])
                if latest["finished_at"] is not None:
                    return latest
                blocked = connection["blocked"] or of_kind.get("blocked")
                if state == "paused":
                    blocked = f"an operator has paused {site}; resume it with: ignite-sync resume {site}"
                # An API that fails for a second is blocked at one look, and works at the next.
                if blocked and blocked == blocked_before:
                    more = "it continues once that is fixed; look at: ignite-sync status"
                    raise Stop(f"{name} is blocked ({blocked}); {more}")
                blocked_before = blocked
            if state not in {"active", "paused"}:
                raise Stop(f"{name} has stopped, because {site} is {state}")
            if latest is None:  # connected again: the new connection has no run yet
                raise Stop(f"{name} is gone, because the connection was removed meanwhile")
        pause()
