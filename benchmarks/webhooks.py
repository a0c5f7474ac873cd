"""Durable webhooks: signed deliveries of distinct products through the real daemon to the committed outbox.

Each delivery is as its platform sends it: BigCommerce's carries the secret header and a Standard Webhooks signature,
WooCommerce's is a whole product, signed. It comes on one of 64 connections, each of which waits for its answer. Every
acknowledged id is then looked up in the database file. The same run measures the listener's ceiling, empty answers, for
comparison. Daemon and load have one CPU each. The debounce is so long that no actor works on BigCommerce's. WooCommerce
gathers edits itself, so there the actor begins at once, and finds no store.

Findings of profiles, and their remedies. The daemon's CPU per webhook, on two busy cores: 230 us before, 88 after;
webhooks/s: 3,400 to 4,500 before, 10,400 after.

| slow | done |
|---|---|
| looking for due rows read the whole outbox 20 times a second (an OR, a lane left open) | ranges of the index |
| SQLAlchemy's asynchronous engine: 26 crossings between threads a commit | 4: `storage.sqlite.WorkerConnection` |
| SQLAlchemy on each statement and row: 38 us a row of 32 | `storage.prepared`: 20 us, half of it SQLite and its fsync |
| an index entry of each row's run, which webhooks have none of | a partial index |
| a task of anyio's portal for each commit | asyncio's `run_coroutine_threadsafe` |
| trio's stream: a receive that fails before each wait, a pause after each send | `listener.stream`: 8 us less |
| a signature verified twice, a statement for each row, an event for each wake-up | none of these: 9 us less |
| commits of half the connections, in turns | a pause of one step of trio's before each commit: 33 to 60 in each |
| threads waiting 5 ms for each other's interpreter lock | 1 ms (`app`) |

Tried and dropped: longer pauses before a commit (no larger groups), plain sqlite3 instead of SQLAlchemy for the rest (3
us a row), the driver's private queue instead of asyncio's loop (the same CPU per webhook in eight alternating pairs of
runs). The machine matters more: the same code gave 10,000 per second on one and 15,000 on another of the same kind.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from attrs import frozen

from benchmarks.listener import empty_answers
from benchmarks.load import MEASURED, Result, load, seat
from benchmarks.platforms import BIGCOMMERCE, PLATFORMS, BenchPlatform
from benchmarks.processes import Daemon, open_daemon
from benchmarks.table import Figure
from daemon.model import Secret

DEBOUNCE = 600.0
"""Seconds. More than 900 would look like a clock that has jumped."""

SITE = "test/bench"
SPARKLAYER = {"url": "http://127.0.0.1:9", "site_id": "bench", "client_id": "unused", "client_secret": "unused"}
"""Addresses of a site that is never called."""


def deliveries(count: int, platform: str) -> list[bytes]:
    """Return deliveries of the products 1 to `count`, as a platform sends them."""
    stamp = str(int(time.time())).encode()
    return [PLATFORMS[platform].delivery(SITE, number, stamp) for number in range(1, count + 1)]


@frozen(kw_only=True)
class Durable:
    """Result of a load on the daemon. `group` is the mean number of deliveries in a commit."""

    result: Result
    acknowledged: int
    missing: int
    group: float
    cpu_seconds: float


Beside = Callable[[Daemon], AbstractAsyncContextManager[None]]
"""The company of a load, for as long as it lasts."""


async def durable(
    seconds: float, url: Secret | None = None, beside: Beside | None = None, platform: BenchPlatform = BIGCOMMERCE
) -> Durable:
    """Load a daemon, and look up every acknowledged id in its database, a file or the one at `url`."""
    nowhere = {platform.name: dict(platform.nowhere), "sparklayer": SPARKLAYER}
    async with open_daemon(nowhere, debounce=DEBOUNCE, prepare=seat(MEASURED), url=url) as daemon:
        before = [await daemon.metric("storage_rows_total"), await daemon.metric("storage_commits_total")]
        used = daemon.cpu_seconds()
        count = int(seconds * platform.most_per_second)
        async with beside(daemon) if beside else nullcontext():
            requests = "benchmarks.webhooks:deliveries"
            result = await load(daemon.port, requests, platform.name, count=count, seconds=seconds)
        used = daemon.cpu_seconds() - used
        rows = await daemon.metric("storage_rows_total") - before[0]
        commits = await daemon.metric("storage_commits_total") - before[1]
        acknowledged = result.statuses.get("200", 0)
        return Durable(
            result=result,
            acknowledged=acknowledged,
            missing=_missing(daemon, min(count, sum(result.statuses.values()))),
            group=rows / commits,
            cpu_seconds=used,
        )


def _missing(daemon: Daemon, sent: int) -> int:
    """Return the number of the products 1 to `sent` that are missing from the outbox."""
    stored = {int(external_id) for (external_id,) in daemon.query("SELECT external_id FROM outbox")}
    return len(set(range(1, sent + 1)) - stored)


ROUNDS = 5
"""Number of rounds. A shared machine's speed varies, so the median counts, and the range is shown."""


async def measure(platform: BenchPlatform = BIGCOMMERCE, seconds: float = 4.0) -> list[Figure]:
    """Measure both, alternately."""
    ceilings, found = [], []
    for _ in range(ROUNDS):
        ceilings.append(await empty_answers(seconds / 2))
        found.append(await durable(seconds, platform=platform))
        figures(found[-1], ceilings[-1], platform)
    found.sort(key=lambda one: one.result.per_second)
    ceilings.sort(key=lambda one: one.per_second)
    slowest, fastest = found[0].result.per_second, found[-1].result.per_second
    return [
        *figures(found[ROUNDS // 2], ceilings[ROUNDS // 2], platform),
        Figure(f"  slowest and fastest of {ROUNDS} rounds", f"{slowest:,.0f}, {fastest:,.0f}"),
    ]


def figures(found: Durable, ceiling: Result, platform: BenchPlatform = BIGCOMMERCE) -> list[Figure]:
    """Compare a round with the ceiling. Raises RuntimeError if an acknowledged id was lost, or a delivery refused."""
    if found.missing or set(found.result.statuses) != {"200"}:
        raise RuntimeError(f"{found.missing} acknowledged webhooks are not in the outbox: {found.result.statuses}")
    share = found.result.per_second / ceiling.per_second
    each = found.cpu_seconds / found.acknowledged
    return [
        Figure("durable signed webhooks/s, the median", f"{found.result.per_second:,.0f}", *platform.promised),
        Figure("  empty answers/s of the same listener", f"{ceiling.per_second:,.0f}"),
        Figure("  share of that ceiling", f"{share:.0%}"),
        Figure("  p50, p99 of an acknowledgement, ms", f"{found.result.p50 * 1e3:.1f}, {found.result.p99 * 1e3:.1f}"),
        Figure("  webhooks in a commit", f"{found.group:.1f}"),
        Figure("  the daemon's CPU, us a webhook", f"{each * 1e6:.0f}"),
        Figure("  acknowledged, all found in the database", f"{found.acknowledged:,}"),
    ]
