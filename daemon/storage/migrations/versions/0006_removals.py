"""Removals as they are decided, and those that wait for a person."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE removals (
            connection_id INTEGER NOT NULL,
            kind VARCHAR NOT NULL,
            external_id VARCHAR NOT NULL,
            variant VARCHAR NOT NULL,
            cause VARCHAR NOT NULL,
            state VARCHAR NOT NULL,
            run INTEGER,
            decided_at FLOAT NOT NULL,
            sealed BLOB,
            PRIMARY KEY (connection_id, kind, external_id, variant),
            CONSTRAINT cause CHECK (cause IN ('absent', 'deleted', 'excluded', 'variant')),
            CONSTRAINT state CHECK (state IN ('waiting', 'held', 'allowed', 'going'))
        ) WITHOUT ROWID
        """
    )
