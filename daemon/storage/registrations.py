"""The state of a connection's webhooks on its platform, as it was when the daemon last looked.

The missing scopes, and the platform's reasons, are encrypted: another system's words may quote anything.
"""

from collections.abc import Sequence

from attrs import asdict, field, frozen
from sqlalchemy import Connection, delete, select

from daemon.model import ConnectionId
from daemon.storage.group_commit import ConnectionCall
from daemon.storage.outbox import while_active
from daemon.storage.tables import registrations
from daemon.storage.upsert import replacing


@frozen(kw_only=True)
class StoredRegistration(ConnectionCall):
    """A registration as it was at `looked_at` (None: the daemon never could look). Both numbers count scopes.

    `encrypted` has {"missing": {scope: reason}, "trouble": reason why the daemon could not look, or None,
    "destination": the address that the webhooks should have}. Once that was ever so it also has "well_at": the time at
    which all were last right, and "mended": {"at", "changes": their number, "made": scopes, "switched_off": scopes that
    the platform had switched off} of the last look that changed anything.
    """

    registered: int
    missing: int
    looked_at: float | None
    encrypted: bytes = field(repr=False)


@while_active  # a look at the platform takes seconds; the connection may have left in between
def store(conn: Connection, call: StoredRegistration) -> None:
    """Store a registration in place of an earlier one."""
    conn.execute(replacing(registrations, "registered", "missing", "looked_at", "encrypted"), [asdict(call)])


def found(conn: Connection, connection_id: ConnectionId) -> StoredRegistration | None:
    """Return a registration; None when webhooks are not registered, or not yet."""
    query = select(registrations).where(registrations.c.connection_id == connection_id)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else StoredRegistration(**row)


def forget(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Forget registrations: no webhooks are wanted any more."""
    conn.execute(delete(registrations).where(registrations.c.connection_id.in_(calls)))
    return [None] * len(calls)
