"""`ignite-sync pause` and `resume`: no calls for a connection until an operator resumes it."""

import click

from daemon.cli.client import ask
from daemon.cli.group import say, settings_option, site_argument
from daemon.config import Settings


@click.command()
@site_argument
@settings_option
def pause(settings: Settings, site: str) -> None:
    """Stop all calls to the store and to SparkLayer for SITE.

    Webhooks are still accepted, and their changes wait. A running full sync continues after: ignite-sync resume SITE.
    Disconnecting the site ends the pause.
    """
    changed = ask(settings, "POST /admin/pause", site=site)["changed"]
    say(f"{site} is paused" if changed else f"{site} was already paused")


@click.command()
@site_argument
@settings_option
def resume(settings: Settings, site: str) -> None:
    """Resume the calls for SITE: waiting changes are synced, and a running full sync continues."""
    changed = ask(settings, "POST /admin/resume", site=site)["changed"]
    say(f"{site} was resumed" if changed else f"{site} was not paused")
