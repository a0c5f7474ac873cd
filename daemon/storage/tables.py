"""The tables, as SQLAlchemy Core sees them; `migrations` creates them.

A table with a column `connection_id` has rows of connections, by their surrogate key, so that a row of an earlier
generation can never be taken for one of the present; all of them go with their connection. Times are seconds since
the epoch. A column named `encrypted` is encrypted by `Vault`: it holds credentials or texts that may quote a person's
data. Nothing else here is about persons: the outbox holds ids, the ledger ids and keyed fingerprints.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    false,
    text,
)

from daemon.model import ConnectionId, Kind
from daemon.storage.columns import String, metadata, one_of
from daemon.storage.operator_tables import audit, notifications
from daemon.storage.states import DependencyReason, RemovalCause, RemovalState, RowState, RunMode, RunState

# Importers need the metadata with all of its tables, so they take it from here.
__all__ = ["audit", "metadata", "notifications"]


def _entity() -> list[Column[Any]]:
    """Return the columns of the key of an entity."""
    texts = [Column(name, String, primary_key=True) for name in ("kind", "external_id")]
    return [Column("connection_id", Integer, primary_key=True), *texts]


meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("encrypted", LargeBinary, nullable=False),
)

# The first step of `migrations` that a release must know to work on this database: the highest row counts.
floor = Table("floor", metadata, Column("step", String, primary_key=True))

# The server's timeline at the last look of any node, in one row; see `daemon.storage.failover`.
server_timeline = Table("server_timeline", metadata, Column("number", Integer, primary_key=True, autoincrement=False))

connections = Table(
    "connections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site_env", String, nullable=False),
    Column("site_id", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("state", String, nullable=False),
    Column("encrypted", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("by_ignite", Boolean, nullable=False, default=False),
    Column("leaving_since", Float),
    # Set while an operator wants no call to either side made for it.
    Column("paused_at", Float),
    CheckConstraint("state in ('active', 'leaving', 'gone')", name="state"),
    # One store a site: two connections would write over each other.
    Index(
        "connections_active",
        "site_env",
        "site_id",
        unique=True,
        sqlite_where=text("state = 'active'"),
    ),
    # An id is never used twice: it is the generation.
    sqlite_autoincrement=True,
)

# One row for each process that shares the database; the `name` is for people. With SQLite there is none.
nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("release", String, nullable=False),
    Column("config", String, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("draining", Boolean, nullable=False, server_default=false()),
)

# Valid as long as its node has a row: so a beat is one UPDATE for each node, however many connections it has.
leases = Table(
    "leases",
    metadata,
    Column(
        "connection_id",
        Integer,
        ForeignKey("connections.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("node_id", String),
    # Grows with every change of hands.
    Column("token", BigInteger, nullable=False),
    Column("taken_at", Float),
    Column("not_before", Float, nullable=False),
    Column("crashes", Integer, nullable=False),
    # The owner's view of the connection, for other nodes' status.
    Column("told", String),
)

installs = Table(
    "installs",
    metadata,
    Column("platform", String, primary_key=True),
    Column("store_id", String, primary_key=True),
    Column("encrypted", LargeBinary, nullable=False),
    Column("installed_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

pending_connections = Table(
    "pending_connections",
    metadata,
    Column("site_env", String, primary_key=True),
    Column("site_id", String, primary_key=True),
    Column("platform", String, nullable=False),
    Column("store_id", String, nullable=False),
    Column("encrypted", LargeBinary, nullable=False),
    Column("asked_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

install_states = Table(
    "install_states",
    metadata,
    # A hash: a copy of the database must not let anyone answer for a platform.
    Column("hashed", String, primary_key=True),
    Column("site_env", String, nullable=False),
    Column("site_id", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("store_id", String, nullable=False),
    Column("asked_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    *_entity(),
    Column("revision", Integer, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("full_sync_id", Integer),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_queued_at", Float, nullable=False),
    Column("state", one_of(RowState, "RowState"), nullable=False),
    Column("encrypted", LargeBinary),
    # The latest run when the row was parked, which `daemon.storage.ledger` compares.
    Column("parked_run", Integer),
    # A node that had lost its lease may have sent an older state of the entity.
    Column("doubted", Boolean, nullable=False, server_default=false()),
    # The parts that it may have sent; see `daemon.storage.last_word`.
    Column("stale_parts", LargeBinary),
    CheckConstraint(f"state <> '{RowState.PARKED}' or full_sync_id is null", name="parked_rows_leave_their_run"),
    # A claim compares all but the last column, and sorts by that one: so it need not read the whole queue.
    Index("outbox_due", "connection_id", "kind", "state", "lane", "due_at"),
    # Partial: most rows belong to no run.
    Index(
        "outbox_run",
        "full_sync_id",
        sqlite_where=text("full_sync_id IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

ledger = Table(
    "ledger",
    metadata,
    *_entity(),
    Column("fingerprint", LargeBinary),
    Column("parts", LargeBinary, nullable=False),
    # Runs instead of times: no clock decides what came before a run.
    Column("settled_run", Integer, nullable=False),
    Column("seen_run", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Entities that the last owner of a connection may have been sending at a takeover; see `daemon.storage.last_word`.
second_looks = Table(
    "second_looks",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("external_id", String, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("stale_parts", LargeBinary),
    sqlite_with_rowid=False,
)

owners = Table(
    "owners",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("external_id", String, nullable=False),
    sqlite_with_rowid=False,
)

dependencies = Table(
    "dependencies",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    # The key before the reason: a lookup by keys must not be served by all rows of one reason.
    Column("key", String, primary_key=True),
    Column("reason", one_of(DependencyReason, "Reason"), primary_key=True),
    Column("external_id", String, primary_key=True),
    Index("dependencies_entity", "connection_id", "kind", "external_id"),
    sqlite_with_rowid=False,
)

adapter_state = Table(
    "adapter_state",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("section", String, primary_key=True),
    Column("owner", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("text", String, nullable=False),
    Column("scan_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)

full_syncs = Table(
    "full_syncs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connection_id", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("mode", one_of(RunMode, "RunMode"), nullable=False),
    Column("state", one_of(RunState, "RunState"), nullable=False),
    Column("cursor", String),
    Column("started_at", Float, nullable=False),
    Column("enumerated_at", Float),
    Column("finished_at", Float),
    Column("succeeded", Boolean),
    Column("seen", Integer, nullable=False, default=0),
    Column("done", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("held_removals", Integer, nullable=False, default=0),
    Column("allow_removals", Boolean, nullable=False, default=False),
    Column("again", Boolean, nullable=False, default=False),
    Column("waited_seconds", Float, nullable=False, default=0.0),
    CheckConstraint(
        f"state <> '{RunState.ENDING}' or finished_at is not null", name="the_end_is_stored_before_it_is_sent"
    ),
    Index("full_syncs_open", "connection_id", "kind", "state"),
    sqlite_autoincrement=True,
)

issues = Table(
    "issues",
    metadata,
    *_entity(),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("encrypted", LargeBinary, nullable=False),
    Column("untold", Boolean, nullable=False),
    Column("maybe_told", Boolean, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("settled_run", Integer, nullable=False, default=0),
    sqlite_with_rowid=False,
)

synced = Table(
    "synced",
    metadata,
    *_entity(),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)

sync_log = Table(
    "sync_log",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("put_for", Integer),
    Column("ever_put", Boolean, nullable=False, default=False),
    Column("started_at", Float),
    Column("last_full_sync", Float),
    Column("last_succeeded", Boolean),
    # PUTs that are owed because a node without its lease may have sent a report.
    Column("puts_owed", Integer, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("since", Float, nullable=False),
    sqlite_with_rowid=False,
)

censuses = Table(
    "censuses",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("began_at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    sqlite_with_rowid=False,
)

places = Table(
    "places",
    metadata,
    # The id of another table: as a lone integer key it would get a sequence of its own on PostgreSQL.
    Column("connection_id", Integer, primary_key=True, autoincrement=False),
    Column("location", String, nullable=False),
    Column("wanted", String),
)

removals = Table(
    "removals",
    metadata,
    *_entity(),
    Column("variant", String, primary_key=True),
    Column("cause", one_of(RemovalCause, "RemovalCause"), nullable=False),
    Column("state", one_of(RemovalState, "RemovalState"), nullable=False),
    Column("run", Integer),
    Column("decided_at", Float, nullable=False),
    Column("encrypted", LargeBinary),
    sqlite_with_rowid=False,
)

gaps = Table(
    "gaps",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("at_once", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

registrations = Table(
    "registrations",
    metadata,
    Column("connection_id", Integer, primary_key=True, autoincrement=False),
    Column("registered", Integer, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("looked_at", Float),
    Column("encrypted", LargeBinary, nullable=False),
)

# When the latest verified delivery of a connection came; written a few times a minute at most.
last_webhooks = Table(
    "last_webhooks",
    metadata,
    Column("connection_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
)

# What became of entities. An entity's rows lie together, so none of its settlements needs the index.
settlements = Table(
    "settlements",
    metadata,
    *_entity(),
    Column("at", Float, primary_key=True),
    Column("result", String, nullable=False),
    Column("reason", String),
    Column("run", Integer),
    Index("settlements_at", "connection_id", "at"),
    sqlite_with_rowid=False,
)

Conditions = tuple[ColumnElement[bool], ...]


@lru_cache(2048)  # it took a third of the time in which statements were built
def of_kind(table: Table, connection_id: ConnectionId, kind: Kind) -> Conditions:
    """Return the conditions for a connection's rows of one kind."""
    return table.c.connection_id == connection_id, table.c.kind == kind.value
