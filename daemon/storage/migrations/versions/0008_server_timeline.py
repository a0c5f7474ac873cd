"""The server's timeline at the last look of any node."""

from alembic import op

from daemon.storage.tables import metadata, server_timeline

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table, unless the first step has made it."""
    metadata.create_all(op.get_bind(), tables=[server_timeline])
