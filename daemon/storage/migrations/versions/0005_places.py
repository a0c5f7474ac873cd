"""Where each connection puts its stock."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE places (
            connection_id INTEGER NOT NULL PRIMARY KEY,
            location VARCHAR NOT NULL,
            wanted VARCHAR
        )
        """
    )
