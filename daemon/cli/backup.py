"""`ignite-sync backup`: a copy of the database, made by the running daemon or else from the file."""

from pathlib import Path

import click

from daemon.cli.client import DaemonClient, UnreachableError
from daemon.cli.group import Stop, config_option, load_settings
from daemon.cli.output import say
from daemon.config import DatabaseSettings, Settings
from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.storage.backup import back_up, receive


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def backup(path: Path | None, file: Path) -> None:
    """Write a backup of the database to FILE.

    FILE must not exist; only its owner can read it. The running daemon makes the backup. If none answers, the
    database file is copied. To use a backup, see `ignite-sync restore --help`. For PostgreSQL, use pg_dump.
    """
    settings = load_settings(path)
    refuse_server(settings.database)
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


def refuse_server(database: DatabaseSettings) -> None:
    """Raise ConfigError, which names the tool to use instead, for a database on PostgreSQL."""
    if isinstance(database.place, Secret):
        raise ConfigError(
            f"database {database.shown}: is on PostgreSQL, so use its own tools: pg_dump for a backup, pg_restore to"
            " restore one, then: ignite-sync sync SITE all --refresh"
        )
