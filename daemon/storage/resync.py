"""A full sync of products after a change of a store setting that every product depends on, such as its currency.

The new setting and the full sync are stored together. So one change starts one run, even if the store's settings must
be sent several times until SparkLayer takes them, and no crash in between loses the run.
"""

from attrs import frozen
from sqlalchemy import Connection

from daemon.storage.full_syncs import Start, start
from daemon.storage.group_commit import one_by_one
from daemon.storage.ledger import Mark, mark


@frozen(kw_only=True)
class Remap:
    """The store's row with the new fingerprint in its parts, and the run that is started because of it."""

    mark: Mark[str]
    resync: Start


@one_by_one
def remap(conn: Connection, call: Remap) -> None:
    """Mark the store unsure and start the run."""
    start(conn, [call.resync])  # first: it takes the stronger lock of the connection
    mark(conn, [call.mark])
