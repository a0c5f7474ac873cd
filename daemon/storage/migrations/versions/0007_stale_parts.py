"""Parts that an earlier owner may have sent late, beside its doubted entities and its second looks."""

from alembic import op
from sqlalchemy import Column, LargeBinary, inspect

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns, unless the first step has made them."""
    conn = op.get_bind()
    for table in ("outbox", "second_looks"):
        if "stale_parts" not in {present["name"] for present in inspect(conn).get_columns(table)}:
            op.add_column(table, Column("stale_parts", LargeBinary))
