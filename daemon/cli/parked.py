"""`ignite-sync parked`: the changes that used up their retries."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import (
    counted,
    json_option,
    kinds_argument,
    moment,
    optional_site,
    say,
    settings_option,
    site_argument,
)
from daemon.config import Settings

_ids = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group()
def parked() -> None:
    """List, retry or drop changes that used up their retries."""


@parked.command("list")
@optional_site
@json_option
@settings_option
def list_parked(settings: Settings, site: str | None, *, as_json: bool) -> None:
    """List the parked changes of SITE, or of every site."""
    answer = ask(settings, "GET /admin/parked", site=site)
    show(answer, _lines(answer), as_json=as_json)


def _lines(answer: Any) -> Iterator[str]:
    if not answer["parked"]:
        yield "nothing is parked"
    for change in answer["parked"]:
        tried = f"tried {change['attempts']} times since {moment(change['since'])}"
        yield f"{change['site']} {change['kind']} {change['id']}: {tried}: {change['error']}"


@parked.command("retry")
@site_argument
@kinds_argument
@_ids
@settings_option
def retry_parked(settings: Settings, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Retry parked changes at SITE: all of KIND, or those with these IDs. KIND may be all."""
    say(f"{counted(_changed(settings, 'retry', site, kind, ids), 'parked change')} to be retried")


@parked.command("drop")
@site_argument
@kinds_argument
@_ids
@settings_option
def drop_parked(settings: Settings, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Drop parked changes at SITE: all of KIND, or those with these IDs. KIND may be all.

    The next change of such an entity is processed as usual.
    """
    say(f"{counted(_changed(settings, 'drop', site, kind, ids), 'parked change')} dropped")


def _changed(settings: Settings, action: str, site: str, kind: str, ids: Sequence[str]) -> Any:
    chosen = None if kind == "all" else kind
    return ask(settings, "POST /admin/parked", action=action, site=site, kind=chosen, ids=list(ids) or None)["changed"]
