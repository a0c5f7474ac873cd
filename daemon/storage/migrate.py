"""Brings a database forward to the schema of this release, never back. The steps are in `migrations/versions`.

Steps only add, so while nodes are replaced one after another, an earlier release works on with the schema of a later
one. A step that an earlier release cannot live with names the first step that a release must know, its `floor`.
"""

import re
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, func, inspect, select

from daemon.errors import ConfigError
from daemon.storage.tables import floor, metadata

HERE = Path(__file__).parent / "migrations"

seen = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's table, with the last step that the database has seen."""

_FLOOR = re.compile(r'^floor = "(\w+)"$', re.MULTILINE)


def upgrade(connection: Connection, *, roll_out: bool = False) -> None:
    """Run every step that the database has not seen, in the present transaction of `connection`.

    Raises ConfigError when a newer release wrote the database; with `roll_out`, only if that one no longer lets this
    release work beside it.
    """
    present = present_step(connection)
    if present == newest_step():
        return
    if present is not None and present < min(steps()):
        raise ConfigError("database: it was written by a trial before the first release; start with a new one")
    if roll_out and present is not None and present not in steps():
        needed = connection.execute(select(func.max(floor.c.step))).scalar()
        if needed is not None and needed <= newest_step():
            return
    if present is None:
        # The tables that all steps together lead to.
        metadata.create_all(connection)
        seen.create(connection)
        connection.execute(seen.insert().values(version_num=newest_step()))
    else:
        run_steps(connection)
    # Most steps leave the floor as it is.
    if lowest_release() > (connection.execute(select(func.max(floor.c.step))).scalar() or ""):
        connection.execute(floor.insert().values(step=lowest_release()))


def run_steps(connection: Connection) -> None:
    """Run every step that the database has not seen, from the first on if it is empty. Raises ConfigError."""
    # Imported late: few starts have a step to run, and Alembic takes 10 MB and a third of a second.
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415  see above
    from alembic.util import CommandError  # noqa: PLC0415  see above

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(f"database: {error}; it was written by a newer release, install that one") from error


def present_step(connection: Connection) -> str | None:
    """Return the last step that a database has seen; None when it has none of the daemon's tables."""
    if not inspect(connection).has_table(seen.name):
        return None
    step: str | None = connection.execute(select(seen.c.version_num)).scalar()
    return step


def steps() -> dict[str, Path]:
    """Return the files of this release's steps; a file's name begins with its step."""
    return {path.name.partition("_")[0]: path for path in (HERE / "versions").glob("[0-9]*.py")}


def lowest_release() -> str:
    """Return the first step that a release must know: the last `floor` that a step names."""
    # Read as texts, because an import of the steps would load Alembic.
    floors: list[str] = [found for path in steps().values() for found in _FLOOR.findall(path.read_text("utf-8"))]
    return max(floors)


def newest_step() -> str:
    """Return the last step of this release."""
    # All have four digits, so their order as texts is that of their numbers.
    return max(steps())
