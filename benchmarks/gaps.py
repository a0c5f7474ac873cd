"""Closing a gap in the webhooks: changes without a date (stock, deletions, addresses), on BigCommerce's Standard plan.

A synced shop of 500 products, 500 customers and 200 orders is edited twice without webhooks: in the minute after the
registration, while BigCommerce still activates them, and after all registrations were lost beside the running daemon,
which finds that by its own look at them. The seconds count from the edits, and from the registration that repairs the
loss. The hour in which a loss goes unseen passes in the database only, and the look comes each minute.

A write is spare if no edit needs it. Every accepted write counts, by the entity or SKU that it names: a batch of stock
levels is one write for each SKU. A call of the sync-log is a report and no write.
"""

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio
from attrs import field, frozen

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Daemon, open_daemon, until
from benchmarks.table import Figure
from daemon.platforms.bigcommerce.webhooks import REGISTERED
from daemon.sandbox import (
    BigCommerceOptions,
    Sandbox,
    SparkLayerOptions,
    Store,
    open_sandbox,
    synthetic,
)
from daemon.sandbox.expectation import customer_differences, differences, order_differences
from daemon.sandbox.message import Request, Response
from daemon.sandbox.opening import whereabouts

PRODUCTS, CUSTOMERS, ORDERS = 500, 500, 200
RATE = 20.0
"""Requests per second that SparkLayer is assumed to allow; it publishes no number."""

EDITS = 10
"""Number of edited entities of each sort."""

LONGEST = 600.0
HOUR = 3600.0
LOOK = 60.0
"""Seconds between the daemon's looks at its webhooks."""

KINDS = ("store", "products", "customers", "orders")
ADDRESS = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}

NO_WRITES = ("/auth/", "/batch-fetch-", "/sync-log")
"""Parts of the paths of calls other than GET that write nothing, and of the sync-log's."""


def written(method: str, path: str, body: bytes) -> list[str]:
    """Return the names of what a call writes. A call of an unknown route is one write."""
    if method == "GET" or any(part in path for part in NO_WRITES):
        return []
    last = path.rpartition("/")[2]
    if last in {"batch-update-stock", "batch-delete-stock"}:
        content: Any = msgspec.json.decode(body)
        skus = content["skus"] if isinstance(content, dict) else [row["sku"] for row in content]
        return [f"stock {sku}" for sku in skus]
    if method == "PATCH" and last == "pricing":
        return [f"price {row['sku']}" for row in msgspec.json.decode(body)]
    for kind in ("product", "customer"):
        if f"/{kind}s/" in path:
            return [f"{kind} {last}"]
    return [f"{method} {path}"]


@frozen
class Journal:
    """The names of what was written to a site."""

    writes: Counter[str] = field(factory=Counter)

    async def note(self, request: Request, response: Response | None) -> None:
        """Note an answered call; a fault of the stand-in, which changes nothing."""
        # A refused call, such as one answered 429, has written nothing.
        if response is not None and response.status < 400:  # noqa: PLR2004  the first status of a refusal
            self.writes.update(written(request.method, request.path, request.body))


async def close_gaps() -> list[tuple[float, list[str]]]:
    """Edit a shop in both gaps, and wait each time until SparkLayer equals the store; see `_close`."""
    shop, site = BigCommerceOptions(quota=BIGCOMMERCE.quota), SparkLayerOptions(rate=RATE, settings_writable=True)
    store, journal = synthetic(PRODUCTS, customers=CUSTOMERS, orders=ORDERS), Journal()
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as name:
        async with open_sandbox(store=store, bigcommerce=shop, sparklayer=site) as sandbox:
            sandbox.sparklayer.faults.add("*", journal.note, after_effect=True)
            told = whereabouts(sandbox.bigcommerce, sandbox.sparklayer)
            daemon_of = partial(open_daemon, told, folder=Path(name))
            # Without webhooks: this takes longer than the minute in which a registration is new.
            async with daemon_of() as daemon:
                for kind in KINDS:
                    await daemon.full_sync(kind)
                await _closed(daemon)
            async with daemon_of(webhooks=True, sync={"webhooks_seconds": LOOK}) as daemon:
                await _registered(sandbox)
                registering = await _close(sandbox, daemon, journal, edit(sandbox.store, first=1))
                with closing(sqlite3.connect(daemon.database)) as database, database:
                    database.execute("UPDATE full_syncs SET started_at = started_at - ?", (HOUR,))
                sandbox.bigcommerce.hooks.registered.clear()
                needed = edit(sandbox.store, first=1 + 3 * EDITS)
                await _registered(sandbox)
                return [registering, await _close(sandbox, daemon, journal, needed)]


def edit(store: Store, first: int) -> Counter[str]:
    """Edit stock levels and addresses, and delete products and customers, without webhooks.

    Return the names of the writes that this needs.
    """
    needed = Counter[str]()
    for number in range(first, first + EDITS):
        variant = store.entries[number].variants[0]
        store.set_stock(variant.id, 7_777, silent=True)
        store.customers.add_address(number, silent=True, **ADDRESS)
        lost = number + EDITS
        skus = [variant.sku for variant in store.entries[lost].variants]
        store.delete_product(lost, silent=True)
        store.customers.delete(lost, silent=True)
        needed.update([f"stock {variant.sku}", f"customer {number}", f"product {lost}", f"customer {lost}"])
        needed.update(f"{part} {sku}" for part in ("stock", "price") for sku in skus)
    return needed


async def _registered(sandbox: Sandbox) -> None:
    await until(lambda: len(sandbox.bigcommerce.hooks.registered) >= len(REGISTERED), LONGEST)


async def _close(sandbox: Sandbox, daemon: Daemon, journal: Journal, needed: Counter[str]) -> tuple[float, list[str]]:
    """Wait until both sides are equal, and then for the end of all work.

    Return the seconds until they were equal, and the writes that no edit needed.
    """
    began, before = trio.current_time(), journal.writes.copy()
    await until(lambda: _equal(sandbox), LONGEST, pause=1.0)
    seconds = trio.current_time() - began
    await _closed(daemon)
    return seconds, sorted((journal.writes - before - needed).elements())


def _equal(sandbox: Sandbox) -> bool:
    store, state = sandbox.store, sandbox.sparklayer.state
    held = state.comparable()
    return not (
        differences(store, state)
        or customer_differences(store, held["customers"])
        or order_differences(store, held["purchases"])
    )


async def _closed(daemon: Daemon) -> None:
    """Wait until no gap is known and no change waits: a stop during a batch would write it again."""
    await until(lambda: not daemon.query("SELECT 1 FROM outbox UNION ALL SELECT 1 FROM gaps"), LONGEST)


async def measure(_platform: BenchPlatform = BIGCOMMERCE) -> list[Figure]:
    """Measure both gaps."""
    registering, lost = await close_gaps()
    return [
        Figure(f"a gap in the webhooks of {PRODUCTS} products, {CUSTOMERS} customers, {ORDERS} orders; Standard plan"),
        *(
            figure
            for what, (seconds, spare) in (
                ("the first minute after registering", registering),
                ("all lost for an hour", lost),
            )
            for figure in (
                Figure(f"  {what}: seconds until both sides are equal", f"{seconds:.0f}", "", "180"),
                Figure(f"  {what}: writes that no edit needed", f"{len(spare)}", "0", "0"),
            )
        ),
    ]
