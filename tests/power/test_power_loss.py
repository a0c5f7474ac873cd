"""A webhook that was answered survives a loss of power, at whatever moment, whatever the disk makes of it.

The real process is recorded while webhooks come, a full sync runs, it is killed and stopped; then the disk is rebuilt
at hundreds of moments. In each rebuilt database that is whole, every change acknowledged until then waits in the
outbox, or SparkLayer has it.
"""

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
from attrs import frozen
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from daemon.platforms.bigcommerce.webhooks import SECRET_HEADER
from daemon.sandbox import delay, synthetic
from daemon.sandbox.faults import call
from daemon.sandbox.message import Request
from daemon.sandbox.post import Poster
from daemon.storage.database import InlineDatabase
from daemon.storage.tables import outbox
from tests.e2e.harness import House, OpenHouse
from tests.e2e.process import SITE, WEBHOOK_SECRET
from tests.power.disk import Disk
from tests.power.trace import Acknowledged, Event, Pen, Synced, Told, read_trace

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PRODUCTS = 30
WEBHOOKS = 150
"""In each life of the process."""
AT_ONCE = 6
IMAGES = 300
"""How many disks are rebuilt."""
SLOWNESS = 0.03
"""Seconds that SparkLayer takes for a product, so that changes wait."""


@frozen
class Verdict:
    """What became of a rebuilt database; `damage` is None when it is whole."""

    damage: str | None
    lost: frozenset[str]


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    return random.Random(seed)


@frozen
class Recording:
    """A daemon under observation, and a shop that tells it of one change after the other."""

    house: House
    pen: Pen
    poster: Poster

    async def tell(self, number: int) -> None:
        """Change a product, and send its webhook."""
        product = 1 + number % PRODUCTS
        self.house.store.set_title(product, f"Version {number}", silent=True)
        body = {"scope": "store/product/updated", "data": {"type": "product", "id": product}, "hash": str(number)}
        url = f"http://127.0.0.1:{self.house.process.port}/webhooks/{SITE}"
        status = await self.poster.post(url, {SECRET_HEADER: WEBHOOK_SECRET}, json.dumps(body).encode())
        assert status == 200

    async def tell_many(self, numbers: Sequence[int]) -> None:
        """Do so for many versions, several at a time."""
        todo = iter(numbers)

        async def teller() -> None:
            for number in todo:
                await self.tell(number)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(teller)

    def note(self, request: Request) -> None:
        """Note that SparkLayer has a product's title."""
        product = json.loads(request.body)
        words = str(product.get("title", "")).split()
        if words[:1] == ["Version"]:
            self.pen.write(Told(product["external_id"], int(words[1])))


async def record(house: OpenHouse, folder: Path, level: str) -> list[Event]:
    """Record three lives of the daemon: one that is killed, one that is stopped, and one more."""
    path = folder / "trace"
    pen, poster = Pen(path), Poster()
    async with house(synthetic(PRODUCTS, 1), start=False) as h:
        recording = Recording(h, pen, poster)
        h.site.faults.add("PATCH */products/*", delay(SLOWNESS))
        h.site.faults.add("P* */products*", call(recording.note), after_effect=True)
        h.process.entry = ("tests.power.recorder", str(path), level)
        await h.process.start()
        await h.first_sync()
        for life, end in enumerate((h.process.kill, h.process.terminate, h.process.terminate)):
            if life:
                await h.process.start()
            await recording.tell_many(range(1 + life * WEBHOOKS, 1 + (life + 1) * WEBHOOKS))
            await end()
    await poster.aclose()
    pen.close()
    return list(read_trace(path))


def lose_power(trace: Sequence[Event], chance: random.Random, folder: Path, images: int) -> Iterator[Verdict]:
    """Rebuild the disk at random moments, and tell what became of each."""
    disk = Disk()
    acknowledged: dict[str, int] = {}
    told: dict[str, int] = {}
    likely = [4 if isinstance(event, Acknowledged) else 1 for event in trace]
    moments = sorted(chance.choices(range(len(trace)), likely, k=images))
    for number, event in enumerate(trace):
        disk.apply(event)
        if isinstance(event, Acknowledged | Told):
            known = acknowledged if isinstance(event, Acknowledged) else told
            known[event.external_id] = max(known.get(event.external_id, 0), event.version)
        while moments and moments[0] == number:
            moments.pop(0)
            owed = {one for one, version in acknowledged.items() if told.get(one, 0) < version}
            yield _judged(disk, chance, folder, owed)


def _judged(disk: Disk, chance: random.Random, folder: Path, owed: set[str]) -> Verdict:
    """Rebuild a disk, open what is on it as the daemon does, and see whether what is owed waits there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    disk.lose_power(chance, folder)
    try:
        database = InlineDatabase(f"sqlite:///{folder / 'ignite-sync.db'}")
        try:
            with database._engine.begin() as conn:
                damage = "\n".join(conn.exec_driver_sql("PRAGMA integrity_check").scalars())
                mine = select(outbox.c.external_id).where(outbox.c.kind == "products", outbox.c.state == "pending")
                waiting = set(conn.execute(mine).scalars())
        finally:
            database.close()
    except DatabaseError as error:
        return Verdict(str(error.orig), frozenset())
    return Verdict(None if damage == "ok" else damage, frozenset(owed - waiting))


async def test_what_was_acknowledged_survives_a_loss_of_power(
    house: OpenHouse, tmp_path: Path, chance: random.Random
) -> None:
    trace = await record(house, tmp_path, "FULL")
    verdicts = list(lose_power(trace, chance, tmp_path / "image", IMAGES))
    assert [verdict for verdict in verdicts if verdict != Verdict(None, frozenset())] == []
    assert len(verdicts) == IMAGES
    forgetful = [event for event in trace if not isinstance(event, Synced)]
    verdicts = list(lose_power(forgetful, chance, tmp_path / "image", IMAGES // 3))
    assert [verdict for verdict in verdicts if verdict.damage], "a disk that never syncs does damage, and it is seen"


async def test_with_less_than_full_synchronisation_it_would_not(
    house: OpenHouse, tmp_path: Path, chance: random.Random
) -> None:
    trace = await record(house, tmp_path, "NORMAL")
    verdicts = list(lose_power(trace, chance, tmp_path / "image", IMAGES))
    assert [verdict for verdict in verdicts if verdict.lost]
    assert [verdict for verdict in verdicts if verdict.damage] == [], "SQLite promises that much"
