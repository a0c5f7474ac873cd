"""Rebuild the daemon's database as a loss of power leaves it, at moments of a recorded history."""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DatabaseError

from daemon.storage.migrate import upgrade
from daemon.storage.sqlite import prepare
from daemon.storage.tables import outbox
from tests.prove.power.disk import Disk
from tests.prove.power.trace import Acknowledged, Delivered, Event


@frozen
class Finding:
    """State of a rebuilt database: `damage` is None if it is whole, `lost` has acknowledged changes that are gone."""

    damage: str | None = None
    lost: frozenset[str] = frozenset()


def lose_power(trace: Sequence[Event], chance: random.Random, folder: Path, images: int) -> Iterator[Finding]:
    """Rebuild the disk at random moments, and tell what became of each."""
    disk = Disk()
    acknowledged: dict[str, int] = {}
    told: dict[str, int] = {}
    likely = [4 if isinstance(event, Acknowledged) else 1 for event in trace]
    moments = sorted(chance.choices(range(len(trace)), likely, k=images))
    for number, event in enumerate(trace):
        disk.apply(event)
        if isinstance(event, Acknowledged | Delivered):
            known = acknowledged if isinstance(event, Acknowledged) else told
            known[event.external_id] = max(known.get(event.external_id, 0), event.version)
        while moments and moments[0] == number:
            moments.pop(0)
            owed = {one for one, version in acknowledged.items() if told.get(one, 0) < version}
            yield _judged(disk, chance, folder, owed)


def _judged(disk: Disk, chance: random.Random, folder: Path, owed: set[str]) -> Finding:
    """Rebuild a disk, open what is on it as the daemon does, and see whether what is owed waits there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    disk.lose_power(chance, folder)
    # As the daemon opens it, but that here nothing must outlive another loss of power: that would cost minutes.
    engine = prepare(create_engine(f"sqlite:///{folder / 'ignite-sync.db'}"), "BEGIN IMMEDIATE", "synchronous=OFF")
    try:
        with engine.begin() as conn:
            upgrade(conn)
            damage = "\n".join(conn.exec_driver_sql("PRAGMA integrity_check").scalars())
            mine = select(outbox.c.external_id).where(outbox.c.kind == "products", outbox.c.state == "pending")
            waiting = set(conn.execute(mine).scalars())
    except DatabaseError as error:
        return Finding(str(error.orig))
    finally:
        engine.dispose()
    return Finding(None if damage == "ok" else damage, frozenset(owed - waiting))
