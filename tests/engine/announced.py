"""Dry runs on a bench, and the writes of the sync that follows, both by entity.

dry, held = await rehearse(bench)
actions = announced(dry, bench.kind)          # {"1": Action.CREATE, ...}
async with recorded(bench) as writes:
...                                       # a full sync
assert writes.actions == actions
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from attrs import define, field
from sqlalchemy import Connection, Table, select

from daemon.admin.lists import held_removals
from daemon.engine.dry_run import Action, DryRun, dry_context
from daemon.model import Kind
from daemon.sandbox.message import Request, Response
from daemon.storage import connections
from daemon.storage.dry_run import take_along
from daemon.storage.tables import metadata
from tests.databases import new_database
from tests.engine.fakes import Bench

READS = ("GET ", "POST /api/auth/token", "POST /api/v1/batch-fetch-stock")
"""Begin the names of calls that write nothing."""


async def rehearse(bench: Bench, *, named: int | None = None) -> tuple[DryRun, list[Any]]:
    """Make a dry run; return it with the held removals that it announces."""
    live, scratch = bench.context, new_database()
    try:
        await take_along(live.storage, scratch, live.connection.id)
        context, writes = dry_context(live, storage=scratch, platform=bench.shop)
        dry = DryRun(context, writes, named=named)
        await dry.run([bench.kind])
        return dry, await held(bench, scratch)
    finally:
        scratch.close()


async def held(bench: Bench, storage: Any = None) -> list[Any]:
    """Return the held removals in a database, by default the bench's own, without the time of each."""
    storage = storage or bench.context.storage
    stored = [one for one in await storage.read(connections.everyone) if one.id == bench.context.connection.id]
    found = await held_removals(storage, bench.context.vault, stored, [bench.kind])
    return sorted(({**removal, "since": 0} for removal in found), key=str)


def announced(dry: DryRun, kind: Kind) -> dict[str, Action]:
    """Return the entities that a dry run says will be written."""
    return {key: action for key, action in dry.kinds[kind].actions.items() if action is not Action.UNCHANGED}


def writes_of(bench: Bench) -> dict[str, int]:
    """Return the calls so far that may have written something."""
    return {name: number for name, number in bench.calls.items() if not name.startswith(READS)}


async def everything(bench: Bench) -> dict[str, Any]:
    """Return the bench's whole database."""
    return {table.name: await bench.context.storage.read(_all, table) for table in metadata.sorted_tables}


def _all(conn: Connection, table: Table) -> list[Any]:
    return [tuple(row) for row in conn.execute(select(table))]


@define
class Writes:
    """The accepted writes of a site by entity."""

    owners: Mapping[str, str] = field(factory=dict)
    """Products by SKU, before the writes."""
    actions: dict[str, Action] = field(factory=dict)
    skus: dict[str, bool] = field(factory=dict)
    """SKUs of stock and prices; True for a removal."""

    def take(self, asked: Request, response: Response, purchases: Mapping[str, Any]) -> None:
        if response.status >= 300 or asked.method == "GET":
            return
        body: Any = msgspec.json.decode(asked.body) if asked.body else None
        named = unquote(asked.path.rpartition("/")[2])
        if asked.path.startswith("/api/v1/products"):
            new = Action.CREATE if asked.method == "POST" else Action.CHANGE
            self._note(body["external_id"], new if "title" in body else Action.REMOVE)
        elif asked.path.startswith("/api/v2/customers/"):
            new = Action.CREATE if response.status == 201 else Action.CHANGE
            self._note(body["external_id"] if body else named, new if body else Action.REMOVE)
        elif asked.path.startswith("/api/v1/purchases/"):
            new = Action.CHANGE if named in purchases else Action.CREATE
            gone = all(package["type"] == "cancelled" for package in body["packages"])
            self._note(body["purchase_identifiers"]["platform"], Action.REMOVE if gone else new)
        elif asked.path.endswith(("/batch-update-stock", "/pricing")):
            self.skus |= {row["sku"]: row.get("pricing") == [] for row in body}
        elif asked.path.endswith("/batch-delete-stock"):
            self.skus |= dict.fromkeys(body["skus"], True)

    def _note(self, external_id: str, action: Action) -> None:
        if self.actions.get(external_id) is not Action.CREATE or action is Action.REMOVE:
            self.actions[external_id] = action

    def of_skus(self, owners: Mapping[str, str]) -> None:
        """Add the products, and the leftovers, of which only stock and prices were written."""
        for sku, gone in self.skus.items():
            owner = owners.get(sku) or self.owners.get(sku)
            if owner is not None:
                self.actions.setdefault(owner, Action.CHANGE)
            else:
                assert gone, sku
                self._note(f"sku:{sku}", Action.REMOVE)


@contextlib.asynccontextmanager
async def recorded(bench: Bench) -> AsyncIterator[Writes]:
    """Note the accepted writes of a block."""
    writes, answer = (
        Writes({sku: str(owner) for sku, owner in (await bench.harness.owners()).items()}),
        bench.site.answer,
    )

    def noting(request: Request, match: Any) -> Response:
        purchases = dict(bench.site.state.comparable()["purchases"])
        response = answer(request, match)
        writes.take(request, response, purchases)
        return response

    bench.site.answer = noting  # type: ignore[method-assign]
    try:
        yield writes
    finally:
        bench.site.answer = answer  # type: ignore[method-assign]
    writes.of_skus(await bench.harness.owners())
