"""`ignite-sync parked`: the changes that used up their retries."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import config_option, counted, json_option, kinds_argument, moment, optional_site, site_argument
from daemon.cli.output import say

_ids = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group()
def parked() -> None:
    """List, retry or drop changes that used up their retries."""


@parked.command("list")
@optional_site
@json_option
@config_option
def list_parked(path: Path | None, site: str | None, *, as_json: bool) -> None:
    """List the parked changes of SITE, or of every site."""
    answer = ask(path, lambda source: source.parked(site))
    show(answer, _lines(answer["parked"]), as_json=as_json)


def _lines(changes: Sequence[Any]) -> Iterator[str]:
    if not changes:
        yield "nothing is parked"
    for change in changes:
        tried = f"tried {change['attempts']} times since {moment(change['since'])}"
        yield f"{change['site']} {change['kind']} {change['id']}: {tried}: {change['error']}"


@parked.command("retry")
@site_argument
@kinds_argument
@_ids
@config_option
def retry_parked(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Retry parked changes at SITE: all of KIND, or those with these IDs. KIND may be all."""
    say(f"{counted(_changed(path, 'retry', site, kind, ids), 'parked change')} to be retried")


@parked.command("drop")
@site_argument
@kinds_argument
@_ids
@config_option
def drop_parked(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Drop parked changes at SITE: all of KIND, or those with these IDs. KIND may be all.

    The next change of such an entity is processed as usual.
    """
    say(f"{counted(_changed(path, 'drop', site, kind, ids), 'parked change')} dropped")


def _changed(path: Path | None, action: str, site: str, kind: str, ids: Sequence[str]) -> Any:
    chosen = None if kind == "all" else kind
    return ask(path, lambda source: source.change_parked(action, site, chosen, ids))["changed"]
