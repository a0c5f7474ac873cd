"""An adapter's entries in the database; `daemon.platforms.adapter_state` says what it promises about them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select

from daemon.model import ConnectionId
from daemon.storage.database import Storage
from daemon.storage.group_commit import ConnectionCall
from daemon.storage.outbox import while_active
from daemon.storage.prepared import PreparedAmong, among
from daemon.storage.tables import adapter_state
from daemon.storage.upsert import replacing


class StoredEntry(Protocol):
    """A text of an owner, under a name."""

    @property
    def owner(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102


@frozen(kw_only=True)
class StateChange(ConnectionCall):
    """A change of an adapter's state: the entries of `forgotten` owners are deleted, then `entries` are written."""

    section: str
    entries: Sequence[StoredEntry] = ()
    scan_id: int = 0
    forgotten: Sequence[str] = ()


@frozen
class StoredAdapterState:
    """The entries of one connection."""

    storage: Storage
    connection_id: ConnectionId

    async def put(self, section: str, entries: Sequence[StoredEntry], scan_id: int) -> None:
        """Write entries."""
        await self._change(section, entries=entries, scan_id=scan_id)

    async def replace(self, section: str, owner: str, entries: Sequence[StoredEntry], scan_id: int) -> None:
        """Write all entries of an owner."""
        await self._change(section, entries=entries, scan_id=scan_id, forgotten=[owner])

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return texts by owner and name."""
        return await self.storage.read(_look_up, self.connection_id, section, owners)

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the owner that follows."""
        return await self.storage.read(_next_owner, self.connection_id, section, after)

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Delete entries."""
        await self._change(section, forgotten=owners)

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return owners of old entries."""
        return await self.storage.read(_older, self.connection_id, section, scan_id, most)

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id."""
        return await self.storage.read(_newest_scan_id, self.connection_id, section)

    async def _change(self, section: str, **changes: Any) -> None:
        await self.storage.write(_store, StateChange(connection_id=self.connection_id, section=section, **changes))


@while_active  # a scan may outlive its connection
def _store(conn: Connection, call: StateChange) -> None:
    of_section = _of_section(call.connection_id, call.section)
    if call.forgotten:
        conn.execute(delete(adapter_state).where(of_section, among(conn, adapter_state.c.owner, call.forgotten)))
    if call.entries:
        # A scan that is still at work must not make entries look older than those of a later one.
        newest = max(call.scan_id, _newest_scan_id(conn, call.connection_id, call.section))
        fixed = {"connection_id": call.connection_id, "section": call.section, "scan_id": newest}
        rows = [{**fixed, "owner": entry.owner, "name": entry.name, "text": entry.text} for entry in call.entries]
        conn.execute(replacing(adapter_state, "text", "scan_id"), rows)


def _look_up(
    conn: Connection, connection_id: ConnectionId, section: str, owners: Sequence[str]
) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for row in _TEXTS(conn, owners, connection=connection_id, of_section=section).all():
        texts.setdefault(row.owner, {})[row.name] = row.text
    return texts


def _next_owner(conn: Connection, connection_id: ConnectionId, section: str, after: str) -> str | None:
    owner = adapter_state.c.owner
    return conn.execute(select(func.min(owner)).where(_of_section(connection_id, section), owner > after)).scalar()


def _older(conn: Connection, connection_id: ConnectionId, section: str, scan_id: int, most: int) -> list[str]:
    c = adapter_state.c
    old = select(c.owner).where(_of_section(connection_id, section), c.scan_id < scan_id)
    return list(conn.execute(old.group_by(c.owner).order_by(func.min(c.scan_id), c.owner).limit(most)).scalars())


def _newest_scan_id(conn: Connection, connection_id: ConnectionId, section: str) -> int:
    newest = select(func.max(adapter_state.c.scan_id)).where(_of_section(connection_id, section))
    return conn.execute(newest).scalar() or 0


def _of_section(connection_id: ConnectionId, section: str) -> ColumnElement[bool]:
    return and_(adapter_state.c.connection_id == connection_id, adapter_state.c.section == section)


_C = adapter_state.c
_TEXTS = PreparedAmong(
    select(_C.owner, _C.name, _C.text).where(
        _C.connection_id == bindparam("connection"), _C.section == bindparam("of_section")
    ),
    _C.owner,
)
