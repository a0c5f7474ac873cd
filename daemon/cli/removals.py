"""`ignite-sync removals`: the removals that the brake holds until a person allows them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import KINDS, Stop, config_option, counted, json_option, kind_argument, moment, site_argument
from daemon.cli.output import say

CAUSES = {
    "absent": "not seen by a full sync that saw nothing at all",
    "deleted": "no longer in the store",
    "excluded": "in the store, but not for SparkLayer (a customer: in no B2B group)",
    "variant": "no longer a variant of the product",
}


@click.group()
def removals() -> None:
    """List or allow removals that are held because there are too many."""


@removals.command("list")
@site_argument
@click.argument("kind", type=click.Choice(KINDS), metavar="[KIND]", required=False)
@json_option
@config_option
def list_removals(path: Path | None, site: str, kind: str | None, *, as_json: bool) -> None:
    """List the held removals at SITE: entities that are in SparkLayer but no longer in the store.

    An entity that is back in the store leaves the list by itself.
    """
    answer = ask(path, lambda source: source.removals(site, kind))
    show(answer, _lines(answer["removals"]), as_json=as_json)


def _lines(held: Sequence[Any]) -> Iterator[str]:
    if not held:
        yield "no removals are held"
    for removal in held:
        variant = f" variant {removal['variant']}" if removal["variant"] else ""
        name = f", {removal['name']}" if removal["name"] else ""
        cause = f"since {moment(removal['since'])}: {CAUSES[removal['cause']]}"
        yield f"{removal['site']} {removal['kind']} {removal['id']}{variant}{name}: {cause}"
    for site, kind in dict.fromkeys((removal["site"], removal["kind"]) for removal in held):
        yield f"If the store is right: ignite-sync removals allow {site} {kind} ID..."
        yield f"All of them: ignite-sync sync {site} {kind} --allow-removals"


@removals.command("allow")
@site_argument
@kind_argument
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@config_option
def allow_removals(path: Path | None, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Remove these entities of KIND, or the variants that they lost, from SparkLayer at SITE."""
    answer = ask(path, lambda source: source.allow_removals(site, kind, ids))
    if not answer["allowed"]:
        raise Stop(f"no removals of these {kind} are held at {site}; look at: ignite-sync removals list {site}")
    say(f"{counted(answer['allowed'], 'removal')} of {kind} allowed")
