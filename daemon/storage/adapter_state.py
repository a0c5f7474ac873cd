"""An adapter's notes in the database; see `daemon.platforms.adapter_state` for what they are and what is promised."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen
from sqlalchemy import Connection, delete, func, select

from daemon.model import ConnectionId
from daemon.storage.database import Storage
from daemon.storage.outbox import active
from daemon.storage.tables import adapter_state, in_parts
from daemon.storage.upsert import insert


class Entry(Protocol):
    """What is noted about an owner under a name."""

    @property
    def owner(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102


@frozen(kw_only=True)
class Change:
    """Changes of an adapter's state: the entries of `forgotten` owners go, then entries are written."""

    connection_id: ConnectionId
    section: str
    entries: Sequence[Entry] = ()
    scan_id: int = 0
    forgotten: Sequence[str] = ()


@frozen
class StoredAdapterState:
    """The notes of one connection."""

    storage: Storage
    connection_id: ConnectionId

    async def put(self, section: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write notes."""
        await self._change(Change(connection_id=self.connection_id, section=section, entries=entries, scan_id=scan_id))

    async def replace(self, section: str, owner: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write all notes of an owner."""
        mine = self.connection_id
        await self._change(
            Change(connection_id=mine, section=section, entries=entries, scan_id=scan_id, forgotten=[owner])
        )

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return notes by owner."""
        return await self.storage.read(_look_up, self.connection_id, section, owners)

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the owner that follows."""
        return await self.storage.read(_next_owner, self.connection_id, section, after)

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Take notes away."""
        await self._change(Change(connection_id=self.connection_id, section=section, forgotten=owners))

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return owners of old notes."""
        return await self.storage.read(_older, self.connection_id, section, scan_id, most)

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id."""
        return await self.storage.read(_newest_epoch, self.connection_id, section)

    async def _change(self, change: Change) -> None:
        await self.storage.write(_store, change)


def _store(conn: Connection, calls: Sequence[Change]) -> list[None]:
    alive = active(conn, (call.connection_id for call in calls))
    for call in calls:
        if call.connection_id in alive:
            _change(conn, call)
    return [None] * len(calls)


def _change(conn: Connection, call: Change) -> None:
    c = adapter_state.c
    mine = (c.connection_id == call.connection_id, c.section == call.section)
    for part in in_parts(call.forgotten):
        conn.execute(delete(adapter_state).where(*mine, c.owner.in_(part)))
    if call.entries:
        new = insert(adapter_state)
        replacing = {"text": new.excluded.text, "scan_id": new.excluded.scan_id}
        newest = max(call.scan_id, _newest_epoch(conn, call.connection_id, call.section))
        fixed = {"connection_id": call.connection_id, "section": call.section, "scan_id": newest}
        conn.execute(
            new.on_conflict_do_update(index_elements=["connection_id", "section", "owner", "name"], set_=replacing),
            [{**fixed, "owner": entry.owner, "name": entry.name, "text": entry.text} for entry in call.entries],
        )


def _look_up(
    conn: Connection, connection_id: ConnectionId, name: str, owners: Sequence[str]
) -> dict[str, dict[str, str]]:
    c = adapter_state.c
    query = select(c.owner, c.name, c.text).where(c.connection_id == connection_id, c.section == name)
    found: dict[str, dict[str, str]] = {}
    for part in in_parts(owners):
        for row in conn.execute(query.where(c.owner.in_(part))):
            found.setdefault(row.owner, {})[row.name] = row.text
    return found


def _next_owner(conn: Connection, connection_id: ConnectionId, name: str, after: str) -> str | None:
    c = adapter_state.c
    return conn.execute(
        select(func.min(c.owner)).where(c.connection_id == connection_id, c.section == name, c.owner > after)
    ).scalar()


def _older(conn: Connection, connection_id: ConnectionId, name: str, scan_id: int, most: int) -> list[str]:
    c = adapter_state.c
    old = select(c.owner).where(c.connection_id == connection_id, c.section == name, c.scan_id < scan_id)
    return list(conn.execute(old.group_by(c.owner).order_by(func.min(c.scan_id), c.owner).limit(most)).scalars())


def _newest_epoch(conn: Connection, connection_id: ConnectionId, name: str) -> int:
    c = adapter_state.c
    newest = select(func.max(c.scan_id)).where(c.connection_id == connection_id, c.section == name)
    return conn.execute(newest).scalar() or 0
