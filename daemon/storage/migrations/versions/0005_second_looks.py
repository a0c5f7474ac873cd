"""Second looks that are owed after a takeover."""

from alembic import op

from daemon.storage.tables import metadata, second_looks

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table, unless the first step has made it."""
    metadata.create_all(op.get_bind(), tables=[second_looks])
