"""`ignite-sync disconnect`: the end of a connection; the running daemon cleans up."""

from pathlib import Path

import click

from daemon.cli.client import DaemonClient
from daemon.cli.group import config_option, load_settings, site_argument
from daemon.cli.output import say


@click.command()
@site_argument
@click.confirmation_option(
    prompt="Everything known about this site is deleted here. Continue?", help="Skip the question."
)
@config_option
def disconnect(path: Path | None, site: str) -> None:
    """Disconnect SITE: remove its webhooks and sync-log, and delete everything known about it here."""
    answer = DaemonClient(load_settings(path).listener).disconnect(site)
    say(f"{site} is {answer['state']}")
