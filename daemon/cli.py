"""The command `ignite-sync`.

What holds: exit codes are 0 for success, 2 for a bad configuration or usage, 1 for anything else; a 2 comes with
one line on stderr that says what to do, and never with a traceback. Results go to stdout, all else to stderr.

A command here reads its arguments and settings, calls one function of the house, and prints what it returns. What
is heavy is imported by the command that needs it, so that `--help` answers at once.
"""
# ruff: noqa: PLC0415  see the last sentence

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import __version__
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from daemon.config import Settings
    from daemon.console import Progress
    from daemon.remote import Daemon, FullSync, Status, Waiting

_SYNCED = ("products",)
_KINDS = ("products", "customers", "orders", "store", "all")
_POLL_SECONDS = 1.0


class Stop(click.ClickException):
    """Ends the command with one line on stderr and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the line."""
        click.echo(f"ignite-sync: {self.message}", file=file, err=file is None)


class Misuse(Stop):
    """The same with exit code 2: the configuration or the command must change."""

    exit_code = 2


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn what is the user's to mend into one line, also click's own errors, which take four."""
    try:
        yield
    except ConfigError as error:
        raise Misuse(str(error)) from None
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "ignite-sync"
        text = " ".join(error.format_message().split())
        raise Misuse(f"{text} (see: {command} --help)") from None


class _Commands(click.Group):
    """Commands whose errors are one line."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line():
            return super().invoke(ctx)


_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    envvar="IGNITE_SYNC_CONFIG",
    metavar="FILE",
    help="Settings as TOML; without it they come from the environment alone.",
)


def _load(path: Path | None) -> "Settings":
    from daemon.config import load
    from daemon.platforms import load_platforms

    return load(path, os.environ, load_platforms())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ignite-sync", message="%(prog)s %(version)s")
def main() -> None:
    """Keep SparkLayer sites in step with e-commerce stores."""


@main.command()
@_config
@click.pass_context
def run(ctx: click.Context, path: Path | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    settings = _load(path)
    from daemon import app

    ctx.exit(app.run(settings))


@main.command()
@click.option("--exit", "exit_when_done", is_flag=True, help="End after the last change arrived.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one.")
@click.pass_context
def demo(ctx: click.Context, port: int, *, exit_when_done: bool) -> None:
    """Show it all on this machine.

    Starts a sample store, a stand-in for SparkLayer and the daemon between them. Needs nothing.
    """
    from daemon import demo as show

    ctx.exit(show.main(exit_when_done=exit_when_done, port=port))


@main.command()
@_config
@click.pass_context
def check(ctx: click.Context, path: Path | None) -> None:
    """Try the settings and every credential."""
    settings = _load(path)
    click.echo(f"ok      settings: {len(settings.connections)} connection(s) configured")
    click.echo(
        f"note    database: {settings.database.path}; on a disk that does not last (a dyno's), acknowledged changes"
        " of the last seconds may be lost with it, and the full sync at the next start repairs them"
    )
    import trio

    from daemon.checks import check_connections

    results = trio.run(check_connections, settings)
    for result in results:
        click.echo(f"{'ok' if result.ok else 'FAILED':<8}{result.subject}: {result.detail}")
    ctx.exit(0 if all(result.ok for result in results) else 1)


def _site(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"(live|test)/[^\s/]+", value):
        raise click.BadParameter("write it as live/SITE_ID or test/SITE_ID.")
    return value


@main.command()
@click.argument("site", callback=_site)
@click.argument("kind", type=click.Choice(_KINDS), metavar="KIND")
@click.option("--refresh", is_flag=True, help="Write everything, also what SparkLayer seems to have.")
@click.option("--allow-removals", is_flag=True, help="Remove what is gone from the store, however much it is.")
@click.option("--watch", is_flag=True, help="Show the progress until the run is over.")
@_config
@click.pass_context
def sync(
    ctx: click.Context,
    path: Path | None,
    site: str,
    kind: str,
    *,
    refresh: bool,
    allow_removals: bool,
    watch: bool,
) -> None:
    """Start a full sync of KIND at SITE.

    SITE is live/SITE_ID or test/SITE_ID, KIND is products (customers, orders, store and all are to come). The
    running daemon does it; it is found by the settings of its listener.
    """
    if kind not in _SYNCED:
        raise Misuse(f"{kind} is not synced yet; this version syncs: {', '.join(_SYNCED)}")
    settings = _load(path)
    from daemon.console import Progress
    from daemon.remote import Daemon, RefusedError, UnreachableError

    daemon = Daemon(settings.listener)
    try:
        run_id = daemon.start(site, kind, refresh=refresh, allow_removals=allow_removals)
        click.echo(f"full sync {run_id} of {kind} at {site} started")
        if watch:
            with Progress(f"{site} {kind}", sys.stderr) as progress:
                ended = follow(daemon, site, kind, run_id=run_id, progress=progress, pause=_pause)
            click.echo(_outcome(ended))
            ctx.exit(0 if ended.succeeded else 1)
    except UnreachableError as error:
        raise Stop(f"{error}; start it with: ignite-sync run") from None
    except RefusedError as error:
        raise Stop(str(error)) from None


def _pause() -> None:
    import trio

    trio.run(trio.sleep, _POLL_SECONDS)


def follow(
    daemon: "Daemon", site: str, kind: str, *, run_id: int, progress: "Progress", pause: Callable[[], None]
) -> "FullSync":
    """Show a run's progress until it is over, and return its end; `pause` waits between two looks.

    Raises Stop when the run is no longer the latest one, so that its end cannot be seen any more.
    """
    from daemon.remote import decode_status

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
@_config
def status(path: Path | None, *, as_json: bool) -> None:
    """Show how every connection does.

    The running daemon tells; when none answers, the database does.
    """
    settings = _load(path)
    from daemon.remote import RefusedError, decode_status

    try:
        answer = _status(settings)
        lines = [json.dumps(answer, indent=2)] if as_json else describe(decode_status(answer))
    except RefusedError as error:
        raise Stop(str(error)) from None
    for line in lines:
        click.echo(line)


def _status(settings: "Settings") -> Any:
    from daemon.remote import Daemon, UnreachableError

    try:
        return Daemon(settings.listener).status()
    except UnreachableError as error:
        click.echo(f"ignite-sync: {error}; this is what {settings.database.path} has", err=True)
    from daemon.status import offline_status

    return offline_status(settings)


def describe(status: "Status") -> Iterator[str]:
    """Word a status as lines for people."""
    if not status.connections:
        yield "no connections"
    for connection in status.connections:
        blocked = f", blocked: {connection.blocked}" if connection.blocked else ""
        yield f"{connection.site}: {connection.state}{blocked}"
        for kind, now in connection.kinds.items():
            paused = f", blocked: {now.blocked}" if now.blocked else ""
            yield f"  {kind}: {now.ledger} in SparkLayer, {now.issues} with issues, {_waiting(now.outbox)}{paused}"
            if now.full_sync:
                yield f"    {_outcome(now.full_sync)}"


def _waiting(outbox: "Waiting") -> str:
    oldest = "" if outbox.oldest_seconds is None else f" (oldest {outbox.oldest_seconds:.0f} s)"
    return f"waiting: {outbox.live} live, {outbox.backfill} backfill, {outbox.parked} parked{oldest}"


def _outcome(latest: "FullSync") -> str:
    counts = f"{latest.done} done, {latest.failed} failed"
    if latest.finished_at is None:
        total = "" if latest.total_hint is None else f" of about {latest.total_hint}"
        return f"full sync {latest.id} is {latest.state}: {counts}{total}"
    held = f", {latest.held_removals} removals held back (see: ignite-sync sync --help)" if latest.held_removals else ""
    return f"full sync {latest.id} {'succeeded' if latest.succeeded else 'did not succeed'}: {counts}{held}"
