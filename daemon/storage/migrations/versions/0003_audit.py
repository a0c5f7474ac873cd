"""The audit log of operators, and the times of the latest webhooks."""

from alembic import op

from daemon.storage.tables import audit, last_webhooks, metadata

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both tables, unless the first step has made them."""
    metadata.create_all(op.get_bind(), tables=[audit, last_webhooks])
