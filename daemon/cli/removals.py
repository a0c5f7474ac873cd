"""`ignite-sync removals`: the removals that the brake holds until a person allows them."""

from collections.abc import Iterator
from typing import Any

import click

from daemon.cli.client import ask, show
from daemon.cli.group import (
    KINDS,
    Stop,
    counted,
    json_option,
    kind_argument,
    moment,
    say,
    settings_option,
    site_argument,
)
from daemon.config import Settings

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
@settings_option
def list_removals(settings: Settings, site: str, kind: str | None, *, as_json: bool) -> None:
    """List the held removals at SITE: entities that are in SparkLayer but no longer in the store.

    An entity that is back in the store leaves the list by itself.
    """
    answer = ask(settings, "GET /admin/removals", site=site, kind=kind)
    show(answer, _lines(answer), as_json=as_json)


def _lines(answer: Any) -> Iterator[str]:
    held = answer["removals"]
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
@settings_option
def allow_removals(settings: Settings, site: str, kind: str, ids: tuple[str, ...]) -> None:
    """Remove these entities of KIND, or the variants that they lost, from SparkLayer at SITE."""
    answer = ask(settings, "POST /admin/removals", site=site, kind=kind, ids=list(ids))
    if not answer["allowed"]:
        raise Stop(f"no removals of these {kind} are held at {site}; look at: ignite-sync removals list {site}")
    say(f"{counted(answer['allowed'], 'removal')} of {kind} allowed")
