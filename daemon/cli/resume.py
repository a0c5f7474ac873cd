"""`ignite-sync resume`: the end of a pause."""

from pathlib import Path

import click

from daemon.cli.client import ask
from daemon.cli.group import config_option, site_argument
from daemon.cli.output import say


@click.command()
@site_argument
@config_option
def resume(path: Path | None, site: str) -> None:
    """Resume the calls for SITE: waiting changes are synced, and a running full sync continues."""
    changed = ask(path, lambda source: source.set_pause(site, paused=False))["changed"]
    say(f"{site} was resumed" if changed else f"{site} was not paused")
