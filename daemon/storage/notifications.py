"""The knowledge of each receiver of notifications about a connection, certain or not.

A message is stored before it is sent (`OPENING`, `RESOLVING`), and once more when the receiver has taken it (`OPEN`,
`RESOLVED`). So after a crash, a timeout, or on another node, it is sent again with the same id, and never forgotten.
"""

from attrs import asdict, frozen
from sqlalchemy import Connection, select

from daemon.model import ConnectionId
from daemon.storage.group_commit import ConnectionCall
from daemon.storage.outbox import while_active
from daemon.storage.states import NotificationState
from daemon.storage.tables import notifications
from daemon.storage.upsert import replacing


@frozen(kw_only=True)
class Notification(ConnectionCall):
    """The state of one notification. `kind` is empty for the whole connection; `told_at` is the last success.

    `cause` is that of the latest message; None of one without a cause. For issues, those opened until `told_until`
    (seconds since the epoch) were told, and those until `telling_until` are being told.
    """

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


@while_active
def store(conn: Connection, call: Notification) -> bool:
    """Store a notification; return True."""
    others = [column.name for column in notifications.c if not column.primary_key]
    conn.execute(replacing(notifications, *others), [asdict(call)])
    return True
