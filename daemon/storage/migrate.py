"""Brings a database forward to the schema of this release, never back. The steps are in `migrations/versions`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from daemon.errors import ConfigError

HERE = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run every step that the database has not seen, in the present transaction of `connection`.

    Raises ConfigError when a newer release wrote the database.
    """
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise ConfigError(f"database: {error}; it was written by a newer release, install that one") from error
