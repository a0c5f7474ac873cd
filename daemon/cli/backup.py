"""`ignite-sync backup` and `restore`: a copy of the database, and its way back to the database's place."""

import time
from pathlib import Path

import click

from daemon.cli.client import DaemonClient, UnreachableError
from daemon.cli.group import Stop, say, settings_option
from daemon.config import DatabaseSettings, Settings
from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.storage.backup import back_up, receive
from daemon.storage.restore import restore as put_back
from daemon.storage.vault import Vault


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@settings_option
def backup(settings: Settings, file: Path) -> None:
    """Write a backup of the database to FILE.

    FILE must not exist; only its owner can read it. The running daemon makes the backup. If none answers, the
    database file is copied. To use a backup, see `ignite-sync restore --help`. For PostgreSQL, use pg_dump.
    """
    _refuse_server(settings.database)
    try:
        size, source = _backed_up(settings, file)
    except StorageTrouble as error:
        raise Stop(str(error)) from None
    say(f"{file}: a backup of {settings.database.path}, {size / 1024:,.0f} KiB, {source}")


def _backed_up(settings: Settings, file: Path) -> tuple[int, str]:
    """Make a backup; return its size in bytes and its source. Raises ConfigError, StorageTrouble and RefusedError."""
    if settings.listener.command_token is None:
        reason = "listener.admin_token is not set, so no running daemon was asked"
    else:
        daemon = DaemonClient(settings.listener)
        try:
            return receive(daemon.backup(), file), f"made by the daemon at {daemon.address}"
        except UnreachableError as error:
            reason = error.reason
    say(f"ignite-sync: {reason}; the database file is copied", err=True)
    return back_up(settings.database.path, file), "copied from the file"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@settings_option
def restore(settings: Settings, file: Path) -> None:
    """Replace the database by the backup FILE. Stop the daemon first.

    FILE must be intact, of this release or an earlier one, and readable with the settings' secret_keys. The present
    files are kept under other names; the new file gets their owner and mode. The next start writes everything to
    SparkLayer again, because SparkLayer has changed since the backup was made.
    """
    _refuse_server(settings.database)
    database = settings.database.path
    try:
        aside = put_back(file, database, Vault(settings.security.secret_keys), time.time())
    except StorageTrouble as error:
        raise Stop(f"database {database}: {error}; nothing was changed") from None
    say(f"{database}: restored from {file}; the next start writes everything to SparkLayer again")
    if aside is not None:
        say(f"the previous database is now {aside}; delete it once the restored one works")


def _refuse_server(database: DatabaseSettings) -> None:
    """Raise ConfigError, which names the tool to use instead, for a database on PostgreSQL."""
    if isinstance(database.place, Secret):
        raise ConfigError(
            f"database {database.shown}: is on PostgreSQL, so use its own tools: pg_dump for a backup, pg_restore to"
            " restore one, then: ignite-sync sync SITE all --refresh"
        )
