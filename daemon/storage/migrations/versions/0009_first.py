"""The first schema: the tables as `daemon.storage.tables` has them.

It has the number of the last of the nine steps that it replaces, so a database of a trial that has seen them goes on.
Once a release has written databases, this step is frozen to the SQL of that release, and every later change is a step
of its own that only adds.
"""

from alembic import op

from daemon.storage.tables import metadata

revision = "0009"
down_revision = None
floor = "0009"


def upgrade() -> None:
    """Create every table."""
    metadata.create_all(op.get_bind())
