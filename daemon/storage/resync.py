"""The store has become another in what every product depends on, its currency say.

That this is known and the full sync of products that it needs are stored together. So one change starts one run,
however often the store's settings must be sent until SparkLayer takes them, and no crash in between loses it.
"""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from daemon.storage.full_syncs import Start, start
from daemon.storage.ledger import Mark, mark


@frozen(kw_only=True)
class Remap:
    """The store's row with the new print in its parts, and the run that is started because of it."""

    mark: Mark[str]
    resync: Start


def remap(conn: Connection, calls: Sequence[Remap]) -> list[None]:
    """Mark the store unsure and start the run."""
    for call in calls:
        mark(conn, [call.mark])
        start(conn, [call.resync])
    return [None] * len(calls)
