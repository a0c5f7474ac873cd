"""An adapter's notes in the database; see `daemon.platforms.adapter_state` for what they are and what is promised."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from daemon.model import ConnectionId
from daemon.storage.database import Storage
from daemon.storage.outbox import active
from daemon.storage.tables import in_parts, shelf


class Note(Protocol):
    """What is noted about an owner under a name."""

    @property
    def owner(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102


@frozen(kw_only=True)
class Change:
    """What shall become of a shelf: the notes of `forgotten` owners go, then notes are put there."""

    connection_id: ConnectionId
    shelf: str
    notes: Sequence[Note] = ()
    epoch: int = 0
    forgotten: Sequence[str] = ()


@frozen
class StoredAdapterState:
    """The notes of one connection."""

    storage: Storage
    connection_id: ConnectionId

    async def put(self, shelf: str, notes: Sequence[Note], epoch: int) -> None:
        """Write notes."""
        await self._change(Change(connection_id=self.connection_id, shelf=shelf, notes=notes, epoch=epoch))

    async def replace(self, shelf: str, owner: str, notes: Sequence[Note], epoch: int) -> None:
        """Write all notes of an owner."""
        mine = self.connection_id
        await self._change(Change(connection_id=mine, shelf=shelf, notes=notes, epoch=epoch, forgotten=[owner]))

    async def look_up(self, shelf: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return notes by owner."""
        return await self.storage.read(_look_up, self.connection_id, shelf, owners)

    async def next_owner(self, shelf: str, after: str) -> str | None:
        """Return the owner that follows."""
        return await self.storage.read(_next_owner, self.connection_id, shelf, after)

    async def forget(self, shelf: str, owners: Sequence[str]) -> None:
        """Take notes away."""
        await self._change(Change(connection_id=self.connection_id, shelf=shelf, forgotten=owners))

    async def older(self, shelf: str, epoch: int, most: int) -> Sequence[str]:
        """Return owners of old notes."""
        return await self.storage.read(_older, self.connection_id, shelf, epoch, most)

    async def newest_epoch(self, shelf: str) -> int:
        """Return the newest epoch."""
        return await self.storage.read(_newest_epoch, self.connection_id, shelf)

    async def _change(self, change: Change) -> None:
        await self.storage.write(_store, change)


def _store(conn: Connection, calls: Sequence[Change]) -> list[None]:
    alive = active(conn, (call.connection_id for call in calls))
    for call in calls:
        if call.connection_id in alive:
            _change(conn, call)
    return [None] * len(calls)


def _change(conn: Connection, call: Change) -> None:
    c = shelf.c
    mine = (c.connection_id == call.connection_id, c.shelf == call.shelf)
    for part in in_parts(call.forgotten):
        conn.execute(delete(shelf).where(*mine, c.owner.in_(part)))
    if call.notes:
        new = insert(shelf)
        replacing = {"text": new.excluded.text, "epoch": new.excluded.epoch}
        newest = max(call.epoch, _newest_epoch(conn, call.connection_id, call.shelf))
        fixed = {"connection_id": call.connection_id, "shelf": call.shelf, "epoch": newest}
        conn.execute(
            new.on_conflict_do_update(index_elements=["connection_id", "shelf", "owner", "name"], set_=replacing),
            [{**fixed, "owner": note.owner, "name": note.name, "text": note.text} for note in call.notes],
        )


def _look_up(
    conn: Connection, connection_id: ConnectionId, name: str, owners: Sequence[str]
) -> dict[str, dict[str, str]]:
    c = shelf.c
    query = select(c.owner, c.name, c.text).where(c.connection_id == connection_id, c.shelf == name)
    found: dict[str, dict[str, str]] = {}
    for part in in_parts(owners):
        for row in conn.execute(query.where(c.owner.in_(part))):
            found.setdefault(row.owner, {})[row.name] = row.text
    return found


def _next_owner(conn: Connection, connection_id: ConnectionId, name: str, after: str) -> str | None:
    c = shelf.c
    return conn.execute(
        select(func.min(c.owner)).where(c.connection_id == connection_id, c.shelf == name, c.owner > after)
    ).scalar()


def _older(conn: Connection, connection_id: ConnectionId, name: str, epoch: int, most: int) -> list[str]:
    c = shelf.c
    old = select(c.owner).where(c.connection_id == connection_id, c.shelf == name, c.epoch < epoch)
    return list(conn.execute(old.group_by(c.owner).order_by(func.min(c.epoch), c.owner).limit(most)).scalars())


def _newest_epoch(conn: Connection, connection_id: ConnectionId, name: str) -> int:
    c = shelf.c
    newest = select(func.max(c.epoch)).where(c.connection_id == connection_id, c.shelf == name)
    return conn.execute(newest).scalar() or 0
