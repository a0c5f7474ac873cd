"""The tables about operators and their receivers of notifications; `tables` has all the others, and hands these on."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table

from daemon.storage.columns import String, metadata, one_of
from daemon.storage.states import AuditOutcome, NotificationState

# What operators did. Names of tokens are in clear, since the log is kept for the sake of them.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("operator", String, nullable=False),
    Column("action", String, nullable=False),
    Column("site", String),
    Column("kind", String),
    Column("outcome", one_of(AuditOutcome, "AuditOutcome"), nullable=False),
    Column("request_id", String),
    Column("encrypted", LargeBinary, nullable=False),
    Index("audit_at", "at"),
    sqlite_autoincrement=True,
)

# A receiver's knowledge of a condition. `kind` is empty for the whole connection.
notifications = Table(
    "notifications",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("receiver", String, primary_key=True),
    Column("event", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("standing", one_of(NotificationState, "Standing"), nullable=False),
    Column("message_id", String, nullable=False),
    Column("cause", String),
    Column("told_at", Float),
    Column("told_until", Float, nullable=False),
    Column("telling_until", Float, nullable=False),
    sqlite_with_rowid=False,
)
