"""`ignite-sync move-database`: the whole database, moved to another engine."""

import os
import sys
from pathlib import Path

import click

from daemon.cli.group import Misuse, Stop, say
from daemon.cli.progress import progress
from daemon.config import DatabaseSettings
from daemon.errors import StorageTrouble
from daemon.model import Secret
from daemon.storage.move import move, shown


@click.command("move-database")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def move_database(source: str, target: str) -> None:
    """Move the database FROM one place TO another. Stop the daemon first.

    FROM is the daemon's SQLite file (a path or sqlite:///FILE), TO the URL of an empty PostgreSQL database; or the
    other way round. Every row is copied, read back and compared, all in one transaction. FROM is not changed. Then set
    database.url to TO: the daemon goes on where it stopped. A password in a URL shows in the list of processes: leave
    it out, and set PGPASSWORD.
    """
    places = _place(source, "FROM"), _place(target, "TO")
    try:
        with progress("Moving rows", sys.stderr) as display:
            moved = move(*places, display.update)
    except StorageTrouble as error:
        raise Stop(f"{error}; nothing was moved") from None
    say(f"{sum(moved.values())} rows in {len(moved)} tables moved from {shown(places[0])} and compared")
    say(f"now set database.url to {shown(places[1])}, start the daemon, and keep the old database until it works")


def _place(text: str, name: str) -> Path | Secret:
    """Return the place that an argument names. Raises Misuse."""
    if "://" not in text:
        return Path(text).absolute()
    try:
        return DatabaseSettings(url=text, folder=Path(os.curdir)).place
    except ValueError:
        # Its own words are about the setting.
        raise Misuse(f"{name}: must be a file, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME") from None
