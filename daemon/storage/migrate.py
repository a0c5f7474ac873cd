"""Brings a database forward to the schema of this release, never back. The steps are in `migrations/versions`.

Steps only add, so while nodes are replaced one after another, an earlier release works on with the schema of a later
one. A step that an earlier release cannot live with names the first step that a release must know, its `floor`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from daemon.errors import ConfigError
from daemon.storage.tables import floor

HERE = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, revision: str = "head", *, roll_out: bool = False) -> None:
    """Run every step that the database has not seen, in the present transaction of `connection`.

    Raises ConfigError when a newer release wrote the database; with `roll_out`, only if that one no longer lets this
    release work beside it.
    """
    config = _config()
    config.attributes["connection"] = connection
    steps = {step.revision: step.module for step in ScriptDirectory.from_config(config).walk_revisions()}
    present = present_step(connection)
    if roll_out and present is not None and present not in steps:
        needed = connection.execute(select(func.max(floor.c.step))).scalar()
        if needed is not None and needed <= max(steps):
            return
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise ConfigError(f"database: {error}; it was written by a newer release, install that one") from error
    needed = max(getattr(module, "floor", "") for module in steps.values())
    # Most steps leave the floor as it is.
    if needed > (connection.execute(select(func.max(floor.c.step))).scalar() or ""):
        connection.execute(floor.insert().values(step=needed))


def present_step(connection: Connection) -> str | None:
    """Return the last step that a database has seen; None when it has none of the daemon's tables."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_step() -> str | None:
    """Return the last step of this release."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    return config
