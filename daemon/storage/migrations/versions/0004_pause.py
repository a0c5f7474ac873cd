"""Connections that an operator has paused."""

from alembic import op
from sqlalchemy import Column, Float, inspect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, unless the first step has made it."""
    if "paused_at" not in {present["name"] for present in inspect(op.get_bind()).get_columns("connections")}:
        op.add_column("connections", Column("paused_at", Float))
