"""Connections that come and go: one may leave beside the present one; installs of apps, and who waits for them."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
ALTER TABLE connections ADD COLUMN by_ignite BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN leaving_since FLOAT;
DROP INDEX connections_site;
CREATE UNIQUE INDEX connections_active ON connections (site_env, site_id) WHERE state = 'active';

CREATE TABLE installs (
    platform VARCHAR NOT NULL,
    store_id VARCHAR NOT NULL,
    sealed BLOB NOT NULL,
    installed_at FLOAT NOT NULL,
    PRIMARY KEY (platform, store_id)
) WITHOUT ROWID;

CREATE TABLE wishes (
    site_env VARCHAR NOT NULL,
    site_id VARCHAR NOT NULL,
    store_id VARCHAR NOT NULL,
    sealed BLOB NOT NULL,
    wished_at FLOAT NOT NULL,
    PRIMARY KEY (site_env, site_id)
) WITHOUT ROWID;
"""


def upgrade() -> None:
    """Change the table of connections, and make the new ones."""
    for statement in STATEMENTS.split(";"):
        if statement.strip():
            op.execute(statement)
