"""Owners and waiters of every kind instead of SKUs alone, and an adapter's notes."""

from alembic import op

revision = "0003"
down_revision = "0001"

STATEMENTS = """
CREATE TABLE owners (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    PRIMARY KEY (connection_id, kind, key)
) WITHOUT ROWID;
INSERT INTO owners SELECT connection_id, 'products', sku, external_id FROM sku_owners;
DROP TABLE sku_owners;

CREATE TABLE waiters (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    PRIMARY KEY (connection_id, kind, key, external_id)
) WITHOUT ROWID;
CREATE INDEX waiters_entity ON waiters (connection_id, kind, external_id);
INSERT INTO waiters SELECT connection_id, 'products', sku, external_id FROM sku_waiters;
DROP TABLE sku_waiters;

CREATE TABLE shelf (
    connection_id INTEGER NOT NULL,
    shelf VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (connection_id, shelf, owner, name)
) WITHOUT ROWID;
"""


def upgrade() -> None:
    """Make the new tables, and move the rows over."""
    for statement in STATEMENTS.split(";"):
        if statement.strip():
            op.execute(statement)
