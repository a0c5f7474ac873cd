"""The knowledge of receivers of notifications."""

from alembic import op

from daemon.storage.tables import metadata, notifications

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table, unless the first step has made today's tables."""
    metadata.create_all(op.get_bind(), tables=[notifications])
