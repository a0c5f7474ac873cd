"""The first schema."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE meta (name VARCHAR NOT NULL PRIMARY KEY, sealed BLOB NOT NULL);

CREATE TABLE connections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    site_env VARCHAR NOT NULL,
    site_id VARCHAR NOT NULL,
    platform VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('active', 'leaving', 'gone')),
    sealed BLOB NOT NULL,
    created_at FLOAT NOT NULL
);
CREATE UNIQUE INDEX connections_site ON connections (site_env, site_id);

CREATE TABLE outbox (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    full_sync_id INTEGER,
    due_at FLOAT NOT NULL,
    attempts INTEGER NOT NULL,
    first_queued_at FLOAT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('pending', 'parked')),
    sealed BLOB,
    PRIMARY KEY (connection_id, kind, external_id),
    CONSTRAINT parked_rows_leave_their_run CHECK (state <> 'parked' OR full_sync_id IS NULL)
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (connection_id, kind, state, lane, due_at);
CREATE INDEX outbox_run ON outbox (full_sync_id) WHERE full_sync_id IS NOT NULL;

CREATE TABLE ledger (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    digest BLOB,
    parts BLOB NOT NULL,
    settled_run INTEGER NOT NULL,
    seen_run INTEGER NOT NULL,
    PRIMARY KEY (connection_id, kind, external_id)
) WITHOUT ROWID;

CREATE TABLE sku_owners (
    connection_id INTEGER NOT NULL,
    sku VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    PRIMARY KEY (connection_id, sku)
) WITHOUT ROWID;

CREATE TABLE sku_waiters (
    connection_id INTEGER NOT NULL,
    sku VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    PRIMARY KEY (connection_id, sku, external_id)
) WITHOUT ROWID;
CREATE INDEX sku_waiters_entity ON sku_waiters (connection_id, external_id);

CREATE TABLE full_syncs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    mode VARCHAR NOT NULL CHECK (mode IN ('normal', 'refresh', 'daily')),
    state VARCHAR NOT NULL CHECK (state IN ('enumerating', 'draining', 'ending', 'ended')),
    cursor VARCHAR,
    started_at FLOAT NOT NULL,
    enumerated_at FLOAT,
    finished_at FLOAT,
    succeeded BOOLEAN,
    seen INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    held_removals INTEGER NOT NULL,
    allow_removals BOOLEAN NOT NULL,
    again BOOLEAN NOT NULL,
    CONSTRAINT the_end_is_stored_before_it_is_sent CHECK (state <> 'ending' OR finished_at IS NOT NULL)
);
CREATE INDEX full_syncs_open ON full_syncs (connection_id, kind, state);

CREATE TABLE issues (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL,
    untold BOOLEAN NOT NULL,
    maybe_told BOOLEAN NOT NULL,
    opened_at FLOAT NOT NULL,
    PRIMARY KEY (connection_id, kind, external_id)
) WITHOUT ROWID;

CREATE TABLE synced (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (connection_id, kind, external_id)
) WITHOUT ROWID;

CREATE TABLE sync_log (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    put_for INTEGER,
    ever_put BOOLEAN NOT NULL,
    started_at FLOAT,
    last_full_sync FLOAT,
    last_succeeded BOOLEAN,
    PRIMARY KEY (connection_id, kind)
) WITHOUT ROWID;

CREATE TABLE sweeps (
    connection_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    since FLOAT NOT NULL,
    PRIMARY KEY (connection_id, kind)
) WITHOUT ROWID;
"""


def upgrade() -> None:
    """Create every table."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
