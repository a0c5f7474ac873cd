"""`ignite-sync restore`: a backup in the place of the database."""

import time
from pathlib import Path

import click

from daemon.cli.backup import refuse_server
from daemon.cli.group import Stop, config_option, load_settings
from daemon.cli.output import say
from daemon.errors import StorageTrouble
from daemon.storage.restore import restore as put_back
from daemon.storage.vault import Vault


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def restore(path: Path | None, file: Path) -> None:
    """Replace the database by the backup FILE. Stop the daemon first.

    FILE must be intact, of this release or an earlier one, and readable with the settings' secret_keys. The present
    files are kept under other names; the new file gets their owner and mode. The next start writes everything to
    SparkLayer again, because SparkLayer has changed since the backup was made.
    """
    settings = load_settings(path)
    refuse_server(settings.database)
    database = settings.database.path
    try:
        aside = put_back(file, database, Vault(settings.security.secret_keys), time.time())
    except StorageTrouble as error:
        raise Stop(f"database {database}: {error}; nothing was changed") from None
    say(f"{database}: restored from {file}; the next start writes everything to SparkLayer again")
    if aside is not None:
        say(f"the previous database is now {aside}; delete it once the restored one works")
