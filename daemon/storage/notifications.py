"""The knowledge of each receiver of notifications about a connection, certain or not.

A message is stored before it is sent (`OPENING`, `RESOLVING`), and once more when the receiver has taken it (`OPEN`,
`RESOLVED`). So after a crash, a timeout, or on another node, it is sent again with the same id, and never forgotten.
"""

from collections.abc import Sequence

from attrs import asdict, frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId
from daemon.storage.outbox import active
from daemon.storage.states import NotificationState
from daemon.storage.tables import notifications
from daemon.storage.upsert import insert

KEYS = ("connection_id", "receiver", "event", "kind")


@frozen(kw_only=True)
class Notification:
    """The state of one notification. `kind` is empty for the whole connection; `told_at` is the last success.

    `cause` is that of the latest message; None of one without a cause. For issues, those opened until `told_until`
    (seconds since the epoch) were told, and those until `telling_until` are being told.
    """

    connection_id: ConnectionId
    receiver: str
    event: str
    kind: str = ""
    standing: NotificationState
    message_id: str
    cause: str | None = None
    told_at: float | None = None
    told_until: float = 0.0
    telling_until: float = 0.0


def known(conn: Connection, connection_id: ConnectionId, receiver: str) -> list[Notification]:
    """Return the notifications that a receiver was told of, or was to be told of."""
    c = notifications.c
    query = select(notifications).where(c.connection_id == connection_id, c.receiver == receiver)
    return [
        Notification(**{**row, "standing": NotificationState(row["standing"])})
        for row in conn.execute(query).mappings()
    ]


def store(conn: Connection, calls: Sequence[Notification]) -> list[bool]:
    """Store notifications; return False for those of connections that are no longer active."""
    alive = active(conn, (call.connection_id for call in calls))
    new = insert(notifications)
    values = {column.name: new.excluded[column.name] for column in notifications.c if column.name not in KEYS}
    upsert = new.on_conflict_do_update(index_elements=KEYS, set_=values)
    for call in calls:
        if call.connection_id in alive:
            conn.execute(upsert, [asdict(call)])
    return [call.connection_id in alive for call in calls]
