"""The commands that look after the database file: back it up, and go back to a backup."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.group import Stop, config_option, load_settings, main
from daemon.cli.target import talking
from daemon.errors import StorageTrouble

if TYPE_CHECKING:
    from daemon.config import Settings


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def backup(path: Path | None, file: Path) -> None:
    """Write a backup of the database to FILE, which must not be there yet; only its owner can read it.

    The running daemon makes it; when none answers, it is copied from the database file. How to go back to one: see
    `ignite-sync restore --help`.
    """
    settings = load_settings(path)
    try:
        with talking():
            size, source = _backed_up(settings, file)
    except StorageTrouble as error:
        raise Stop(str(error)) from None
    click.echo(f"{file}: a backup of {settings.database.path}, {size / 1024:,.0f} KiB, {source}")


def _backed_up(settings: "Settings", file: Path) -> tuple[int, str]:
    """Make a backup; return its size and who made it. Raises ConfigError, StorageTrouble and RefusedError."""
    from daemon.cli.client import Daemon, UnreachableError
    from daemon.storage.backup import back_up, receive

    if settings.listener.admin_token is None:
        reason = "listener.admin_token is not set, so no running daemon was asked"
    else:
        daemon = Daemon(settings.listener)
        try:
            return receive(daemon.backup(), file), f"made by the daemon at {daemon.address}"
        except UnreachableError as error:
            reason = str(error)
    click.echo(f"ignite-sync: {reason}; the database file is copied", err=True)
    return back_up(settings.database.path, file), "copied from the file"


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def restore(path: Path | None, file: Path) -> None:
    """Put the backup FILE in the place of the database, while the daemon is stopped.

    FILE must be whole, of this release or an earlier one, and readable with the settings' secret_keys. The present
    files are kept under other names; the new one gets their owner and mode. The next start writes everything to
    SparkLayer once more, since SparkLayer has moved on since the backup was made.
    """
    settings = load_settings(path)
    from daemon.storage.restore import restore as put_back
    from daemon.storage.vault import Vault

    database = settings.database.path
    try:
        aside = put_back(file, database, Vault(settings.security.secret_keys), time.time())
    except StorageTrouble as error:
        raise Stop(f"{error}; nothing was changed") from None
    click.echo(f"{database}: restored from {file}; the next start writes everything to SparkLayer once more")
    if aside is not None:
        click.echo(f"what was there before is now {aside}; delete it when all is well")
