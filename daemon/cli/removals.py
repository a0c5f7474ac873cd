"""The commands for removals that wait for a person: there were too many of them at once."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from daemon.cli.group import KINDS, Stop, config_option, load_settings, main, site_named
from daemon.cli.target import ask, talking

CAUSES = {
    "absent": "not seen by a full sync that saw nothing at all",
    "deleted": "the store has it no longer",
    "excluded": "in the store, but not for SparkLayer (a customer: in no B2B group)",
    "variant": "the product no longer has it",
}

_site = click.argument("site", callback=site_named)


@main.group()
def removals() -> None:
    """Show or allow removals that are held because there are too many."""


@removals.command("list")
@_site
@click.argument("kind", type=click.Choice(KINDS), metavar="[KIND]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@config_option
def list_removals(path: Path | None, site: str, kind: str | None, *, as_json: bool) -> None:
    """Show what SparkLayer has, the store has no longer, and a person must allow to be removed, at SITE.

    What is back in the store leaves the list by itself.
    """
    with talking():
        answer = ask(
            load_settings(path),
            lambda daemon: daemon.removals(site, kind),
            lambda offline: offline.removals(site, kind),
        )
    for line in [json.dumps(answer, indent=2)] if as_json else _lines(answer["removals"]):
        click.echo(line)


def _lines(found: Sequence[Any]) -> Iterator[str]:
    if not found:
        yield "no removals are held"
    for one in found:
        variant = f" variant {one['variant']}" if one["variant"] else ""
        name = f", {one['name']}" if one["name"] else ""
        since = f"{datetime.fromtimestamp(one['since'], UTC):%Y-%m-%d %H:%M} UTC"
        yield f"{one['site']} {one['kind']} {one['id']}{variant}{name}: since {since}: {CAUSES[one['cause']]}"
    for site, kind in dict.fromkeys((one["site"], one["kind"]) for one in found):
        yield f"If the store is right: ignite-sync removals allow {site} {kind} ID..."
        yield f"All of them: ignite-sync sync {site} {kind} --allow-removals"


@removals.command("allow")
@_site
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@config_option
def allow_removals(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Remove the entities ID... of KIND from SparkLayer at SITE, or the variants that they lost."""
    with talking():
        answer = ask(
            load_settings(path),
            lambda daemon: daemon.allow_removals(site, kind, ids),
            lambda offline: offline.allow_removals(site, kind, ids),
        )
    if not answer["allowed"]:
        raise Stop(f"no removals of these {kind} are held at {site}; look at: ignite-sync removals list {site}")
    click.echo(f"removals of {answer['allowed']} {kind} allowed")
