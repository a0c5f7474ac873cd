"""`ignite-sync connect` and `disconnect`: a site and its store; the running daemon connects and disconnects them."""

from pathlib import Path

import click

from daemon.cli.client import DaemonClient
from daemon.cli.group import answer_to, say, settings_option, site_argument
from daemon.config import Settings
from daemon.config.texts import UnreadableError, read_text_file
from daemon.model.identifiers import credential_fault, trimmed


@click.command()
@site_argument
@click.option("--store-id", help="The platform's id of the store. Not needed if the settings name the store.")
@click.option("--client-id", help="Client id of the site's SparkLayer API credentials. Without it the command asks.")
@click.option(
    "--client-secret-file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="File with the client secret alone. Without it the command asks for the secret.",
)
@settings_option
def connect(settings: Settings, site: str, store_id: str | None, client_id: str | None, file: Path | None) -> None:
    """Connect SITE to a store. SITE may have been disconnected before."""
    if client_id is None:
        client_id = _asked("SparkLayer's client id", "--client-id")
    client_id = _credential("--client-id", client_id)
    if file is None:
        name = "SparkLayer's client secret"
        secret = _credential(name, _asked(name, "--client-secret-file", hidden=True))
    else:
        try:
            text = read_text_file(file, "name a file with the secret alone")
        except UnreadableError as error:
            raise click.UsageError(f"--client-secret-file: cannot read {file} {error}") from None
        secret = _credential("--client-secret-file", text)
    store_id = None if store_id is None else _credential("--store-id", store_id)
    answer = DaemonClient(settings.listener).call(
        "POST /admin/connect", site=site, client_id=client_id, client_secret=secret, store_id=store_id
    )
    if "redirect_url" in answer:
        say(f"{site} is connected once the merchant lets Ignite Sync in at {answer['redirect_url']}")
    else:
        say(f"{site} is connected")


@click.command()
@site_argument
@click.confirmation_option(
    prompt="Everything known about this site is deleted here. Continue?", help="Skip the question."
)
@settings_option
def disconnect(settings: Settings, site: str) -> None:
    """Disconnect SITE: remove its webhooks and sync-log, and delete everything known about it here."""
    answer = DaemonClient(settings.listener).call("POST /admin/disconnect", site=site)
    say(f"{site} is {answer['state']}")


def _asked(name: str, option: str, *, hidden: bool = False) -> str:
    text = answer_to(name, hidden=hidden)
    if not text:
        raise click.UsageError(f"{option}: is needed, since there was no answer")
    return text


def _credential(name: str, text: str) -> str:
    """Return a credential without the space around it. Raises UsageError if HTTP cannot carry it."""
    if fault := credential_fault(text):
        raise click.UsageError(f"{name}: {fault}")
    return trimmed(text)
