"""Checks between two lives of the daemon, and at each end of a full sync.

* What differs in SparkLayer although its last edit was acknowledged waits in the database of the dead process.
* A full sync's end is told when all that nobody has edited since the run began is equal, as succeeded, and if it is
  told again, with the same value.
"""

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field

from daemon.sandbox.message import Request, Response
from tests.prove.crash.harness import Harness
from tests.prove.crash.merchant import Entity, Merchant

WAITING = "SELECT kind, external_id FROM outbox UNION SELECT kind, external_id FROM dependencies"
CART_OF = "metafields:order:"
"""Prefix in the outbox for an order whose cart is read first."""
_LINE = re.compile(
    r"(products|stock of|stock|prices|variant|customer|purchase) (\S+?)(?: .*)?: the (?:store|shop) (?:says|has)",
    re.DOTALL,
)


@define(eq=False)
class Observer:
    """Looks at both sides and into the database; what it finds wrong stands in `complaints`."""

    harness: Harness
    merchant: Merchant
    complaints: list[str] = field(factory=list)
    closings: int = 0
    _ends: dict[str, tuple[int, datetime]] = field(factory=dict)
    """The run that ended last, and its end, by kind."""
    _products: dict[str, set[str]] = field(factory=dict)
    """Products by each SKU that they ever had, and by the ids of their variants."""
    _carts: dict[str, str] = field(factory=dict)

    def watch(self) -> None:
        """Look at every full sync's end, and learn what belongs to what, from now on."""
        self._look_up()
        self.harness.premises.store.listen(lambda _: self._look_up())
        self.harness.site.faults.add("PATCH */sync-log/*", self._look, after_effect=True)

    def unequal(self, concerns: Callable[[Entity], bool]) -> list[str]:
        """Return what SparkLayer holds otherwise than the store, if `concerns` all who may have to do with it."""
        return [context for context in self.harness.unequal if all(concerns(one) for one in self._entities(context))]

    def lost(self, folder: Path) -> list[str]:
        """Return what nobody will bring to SparkLayer any more: acknowledged, not there, and not in the database."""
        diary = self.merchant.diary
        diary.read(self.harness.premises.webhooks.attempts)
        waiting = _waiting(self.harness.process.database, folder) | self.harness.premises.unannounced()
        return self.unequal(lambda one: diary.settled(one) and one not in waiting)

    async def _look(self, request: Request, response: Response | None) -> None:
        told: dict[str, Any] = msgspec.json.decode(request.body)
        if response is None or response.status >= 300 or "last_full_sync" not in told:
            return
        self.closings += 1
        kind = request.path.rpartition("/")[2]
        log = self.harness.state.sync_log.logs[self.harness.store_type.platform, kind]
        began, ended = map(datetime.fromisoformat, (log.started_full_sync, log.last_full_sync))
        early = self.unequal(lambda one: one[0] == kind and self._rests_since(one, began.timestamp()))
        self.complaints += [f"the full sync of {kind} was told to be over although {context}" for context in early]
        if log.last_full_sync_succeeded is not True:
            self.complaints.append(f"a full sync of {kind} did not succeed")
        run, before = _closed(self.harness.process.database, kind), self._ends.get(kind)
        # Times have whole seconds, so two short runs may begin in the same one.
        if before is not None and (ended < before[1] or (before[0] == run and before[1] != ended)):
            self.complaints.append(f"the end {ended} of a full sync of {kind} follows {before[1]}")
        self._ends[kind] = run, ended

    def _rests_since(self, entity: Entity, moment: float) -> bool:
        return self.merchant.diary.edited_before(entity, moment) and entity not in self.merchant.contested

    def _look_up(self) -> None:
        for article in self.harness.premises.trade.articles():
            for item in article.items:
                for name in (item.sku, str(item.id)):
                    self._products.setdefault(name, set()).add(str(article.id))
        self._carts.update(self.harness.premises.carts())

    def _entities(self, context: str) -> set[Entity]:
        """Return who may have to do with a difference: a SKU's stock and price are of whoever ever had it."""
        match = _LINE.match(context)
        assert match is not None, context
        part, key = match.groups()
        match part:
            case "products":
                return {("products", key)}
            case "customer":
                return {("customers", key)}
            case "purchase":
                return {("orders", self._carts[key])}
        return {("products", one) for one in self._products[key]}


def _closed(database: Path, kind: str) -> int:
    """Return the id of the run of a kind whose end is told."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [(run,)] = connection.execute(
            "SELECT max(id) FROM full_syncs WHERE kind = ? AND finished_at IS NOT NULL", (kind,)
        )
    return int(run)


def _waiting(database: Path, folder: Path) -> set[Entity]:
    """Return what waits in the database of a dead process; looked at in a copy, the next life finds it as it was."""
    copy = folder / "copy.db"
    for ending in ("", "-wal", "-journal"):
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
        original = database.with_name(database.name + ending)
        if original.exists():
            shutil.copyfile(original, copy.with_name(copy.name + ending))
    connection = sqlite3.connect(copy)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return set()  # it died before there was a schema
        return {(kind, external_id.removeprefix(CART_OF)) for kind, external_id in connection.execute(WAITING)}
    finally:
        connection.close()
