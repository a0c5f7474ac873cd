"""The commands that connect a site to a store, and disconnect it; the running daemon does it."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

from pathlib import Path

import click

from daemon.cli.group import config_option, load_settings, main, site_named
from daemon.cli.target import talking
from daemon.identifiers import credential_fault, trimmed


@main.command()
@click.argument("site", callback=site_named)
@click.option("--store-id", help="The platform's id of the store; needless when the settings name it.")
@click.option("--client-id", required=True, help="SparkLayer's API credentials of the site.")
@click.option("--client-secret-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@config_option
def connect(
    path: Path | None, site: str, store_id: str | None, client_id: str, client_secret_file: Path | None
) -> None:
    """Connect SITE to a store, also one that was disconnected. The secret is asked for, or read from FILE."""
    from daemon.cli.client import Daemon
    from daemon.model import Secret

    settings = load_settings(path)
    secret = Secret(
        _credential("--client-secret-file", _read(client_secret_file))
        if client_secret_file
        else _credential(
            "SparkLayer's client secret", click.prompt("SparkLayer's client secret", hide_input=True, err=True)
        )
    )
    client_id = _credential("--client-id", client_id)
    store_id = None if store_id is None else _credential("--store-id", store_id)
    with talking():
        answer = Daemon(settings.listener).connect(site, store_id, client_id, secret)
    if "redirect_url" in answer:
        click.echo(f"{site} is connected once the app is installed at {answer['redirect_url']}")
    else:
        click.echo(f"{site} is connected")


def _read(file: Path) -> str:
    from daemon.config.text_file import UnreadableError, read_text_file

    try:
        return read_text_file(file, "name a file that has the secret alone")
    except UnreadableError as error:
        raise click.UsageError(f"--client-secret-file: cannot read {file} {error}") from None


def _credential(name: str, text: str) -> str:
    """Return what is to be sent on, without the space around it."""
    if fault := credential_fault(text):
        raise click.UsageError(f"{name}: {fault}")
    return trimmed(text)


@main.command()
@click.argument("site", callback=site_named)
@click.confirmation_option(prompt="Everything that is known of this site is forgotten here. Go on?")
@config_option
def disconnect(path: Path | None, site: str) -> None:
    """Disconnect SITE: webhooks and sync-log go, and all that is known of it here."""
    from daemon.cli.client import Daemon

    with talking():
        answer = Daemon(load_settings(path).listener).disconnect(site)
    click.echo(f"{site} is {answer['state']}")
