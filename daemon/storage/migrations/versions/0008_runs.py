"""How long each full sync has waited for its last items, and in which run issues were settled and changes parked."""

from alembic import op

revision = "0008"
down_revision = "0006"

STATEMENTS = """
ALTER TABLE full_syncs ADD COLUMN waited_seconds FLOAT NOT NULL DEFAULT 0;
ALTER TABLE issues ADD COLUMN settled_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN parked_run INTEGER
"""


def upgrade() -> None:
    """Add the columns. What is there already was settled before any run to come."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
