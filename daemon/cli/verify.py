"""`ignite-sync verify`: the writes and removals of a full sync, before it. Nothing is written on either side."""

import contextlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from daemon.cli.client import DaemonClient, UnreachableError, show
from daemon.cli.group import KINDS, Stop, json_option, say, settings_option, site_argument
from daemon.cli.progress import Progress, progress
from daemon.config import Settings

_POLL_SECONDS = 0.5

_LISTED = ("create", "change", "remove")


@click.command()
@site_argument
@click.argument("kind", type=click.Choice(KINDS), required=False, metavar="[KIND]")
@click.option("--all", "everything", is_flag=True, help="Name every entity, not only the first 20 of each list.")
@json_option
@settings_option
@click.pass_context
def verify(
    ctx: click.Context, settings: Settings, site: str, kind: str | None, *, everything: bool, as_json: bool
) -> None:
    """Show what a full sync of SITE would write, remove and hold, of KIND or of all kinds.

    Both sides are read, and nothing is written: neither in the store, nor in SparkLayer, nor in the database. The
    running daemon does it behind its live work. If none answers, the command does it itself, even before the first
    start.

    As with diff, the exit code is 0 if a full sync would do nothing, and 1 otherwise or if something could not be read.
    """
    with progress(f"Dry run of {site}", sys.stderr) as shown:
        try:
            answer = _asked(DaemonClient(settings.listener), site, kind, shown, everything=everything)
        except UnreachableError as error:
            why = f"{error.reason}; this is from {settings.database.shown} and the settings"
            say(f"ignite-sync: {why}", err=True)
            from daemon.cli.offline import dry_run  # noqa: PLC0415  it loads the whole engine, which a daemon spares

            tell = partial(_show_progress, shown)
            answer = dry_run(settings, site, kind, tell, everything=everything)
    show(answer, _lines(answer), as_json=as_json)
    ctx.exit(0 if answer["nothing_to_do"] else 1)


def _asked(daemon: DaemonClient, site: str, kind: str | None, shown: Progress, *, everything: bool) -> Any:
    """Have the running daemon make the dry run, and return its end. Ctrl-C ends it there too."""
    try:
        # Also while this is answered: the daemon may have begun.
        answer = daemon.call("POST /admin/verify", site=site, kind=kind, all=everything)
        while answer["running"]:
            _show_progress(shown, answer)
            time.sleep(_POLL_SECONDS)  # a command has no event loop, and the daemon answers only when asked
            answer = daemon.call("GET /admin/verify", site=site)
    except KeyboardInterrupt:
        with contextlib.suppress(Stop):  # a dry run whose state is not asked for ends by itself
            daemon.call("POST /admin/verify/cancel", site=site)
        raise
    _show_progress(shown, answer)
    return answer


def _show_progress(shown: Progress, answer: Any) -> None:
    kinds = answer["kinds"]
    present = next((name for name, found in kinds.items() if not found["over"]), None)
    shown.update(sum(found["seen"] for found in kinds.values()), None, present or "")


def _lines(answer: Any) -> Iterator[str]:
    for name, found in answer["kinds"].items():
        counts = found["counts"]
        yield (
            f"{answer['site']} {name}: {counts['create']} to create, {counts['change']} to change,"
            f" {counts['unchanged']} unchanged, {counts['remove']} to remove, {counts['held']} held,"
            f" {counts['issues']} with issues{'' if found['over'] else '; not read to the end'}"
        )
        yield from _entities(found)
    if answer["set_up"]:
        yield f"Before that: {'; '.join(answer['set_up'])}"
    if answer["writes"]:
        calls = ", ".join(f"{number} {name}" for name, number in answer["writes"].items())
        yield f"Calls that would write: {calls}"
    yield from (f"Not known before a sync: {text}" for text in answer["unknown"])
    if answer["trouble"]:
        yield f"This is incomplete: {answer['trouble']}"
    yield "Nothing was written."


def _entities(found: Any) -> Iterator[str]:
    counts = found["counts"]
    for sort in _LISTED:
        yield from (f"  {sort} {entity['id']}  {entity['name']}".rstrip() for entity in found[sort])
        yield from _more(sort, counts[sort] - len(found[sort]))
    for removal in found["held"]:
        variant = f", variant {removal['variant']}" if removal["variant"] else ""
        yield f"  hold the removal of {removal['id']}{variant}  {removal['name']}".rstrip()
    yield from _more("held", counts["held"] - len(found["held"]))
    for issue in found["issues"]:
        yield from (f"  issue {issue['id']}  {issue['name']}: {problem['message']}" for problem in issue["problems"])
    yield from _more("with issues", counts["issues"] - len(found["issues"]))
    yield from (f"  could not be read: {entity['id']}: {entity['error']}" for entity in found["failing"])
    yield from _more("could not be read", counts["failing"] - len(found["failing"]))
    if found["leftovers"]:
        yield f"  not known: what a lost database left in SparkLayer, since {found['leftovers']}"


def _more(sort: str, number: int) -> Iterator[str]:
    if number > 0:
        yield f"  ... and {number} more ({sort}; --all names them)"
