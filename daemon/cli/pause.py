"""`ignite-sync pause`: an operator keeps the daemon from making calls for a connection."""

from pathlib import Path

import click

from daemon.cli.client import ask
from daemon.cli.group import config_option, site_argument
from daemon.cli.output import say


@click.command()
@site_argument
@config_option
def pause(path: Path | None, site: str) -> None:
    """Stop all calls to the store and to SparkLayer for SITE.

    Webhooks are still accepted, and their changes wait. A running full sync continues after: ignite-sync resume SITE.
    Disconnecting the site ends the pause.
    """
    changed = ask(path, lambda source: source.set_pause(site, paused=True))["changed"]
    say(f"{site} is paused" if changed else f"{site} was already paused")
