"""The command that looks after the database file."""
# ruff: noqa: PLC0415  what is heavy is imported by the command that needs it

from pathlib import Path

import click

from daemon.cli.group import Stop, config_option, load_settings, main
from daemon.errors import StorageTrouble


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def backup(path: Path | None, file: Path) -> None:
    """Write a backup of the database to FILE, also while the daemon runs.

    It replaces an earlier one only when it is whole. How to go back to one: see the README.
    """
    settings = load_settings(path)
    from daemon.storage.backup import back_up

    try:
        size = back_up(settings.database.path, file)
    except StorageTrouble as error:
        raise Stop(str(error)) from None
    click.echo(f"{file}: a backup of {settings.database.path}, {size / 1024:,.0f} KiB")
