"""The cause that a receiver of notifications was told.

A node of an older release leaves it as it is: after a roll-out, a cause may be told once more.
"""

from alembic import op
from sqlalchemy import Column, String, inspect

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column, unless the first step has made it."""
    if "cause" not in {present["name"] for present in inspect(op.get_bind()).get_columns("notifications")}:
        op.add_column("notifications", Column("cause", String))
