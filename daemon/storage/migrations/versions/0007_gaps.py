"""Gaps in what webhooks told, and how their registration was found."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.execute(
        """
        CREATE TABLE gaps (
            connection_id INTEGER NOT NULL,
            kind VARCHAR NOT NULL,
            due_at FLOAT NOT NULL,
            at_once BOOLEAN NOT NULL,
            PRIMARY KEY (connection_id, kind)
        ) WITHOUT ROWID
        """
    )
    op.execute(
        """
        CREATE TABLE registrations (
            connection_id INTEGER NOT NULL PRIMARY KEY,
            registered INTEGER NOT NULL,
            missing INTEGER NOT NULL,
            looked_at FLOAT,
            sealed BLOB NOT NULL
        )
        """
    )
