"""The daemon at rest: its memory, and the CPU time of open pages, of `ignite-sync status` and of a scrape of /metrics.

A store of 5,000 products (15,000 variants) is synced first, so that the counts behind /metrics have rows. Then the
daemon is started again, since memory that a full sync has freed stays with the process. The sizes are the kernel's.
"""

import resource
import statistics
import sys
import tempfile
from pathlib import Path

import trio

from benchmarks.pages import open_pages
from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Daemon, open_daemon, open_sandbox
from benchmarks.table import Figure

PRODUCTS = 5_000
REST_SECONDS = 5.0
PAGES = (0, 1, 50)
"""Open pages of an operator, which live texts keep up to date."""
PAGES_SECONDS = 30.0
SCRAPES = 50
STATUSES = 5
MEGABYTE = 2**20


async def measure(platform: BenchPlatform = BIGCOMMERCE) -> list[Figure]:
    """Measure a daemon with one connection."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as name:
        folder = Path(name)
        async with open_sandbox(PRODUCTS, platform) as sandbox:
            async with open_daemon(sandbox.told, folder=folder) as daemon:
                await trio.sleep(REST_SECONDS)
                first = daemon.process.memory_info().rss
                await daemon.full_sync()
                await trio.sleep(REST_SECONDS)  # the next start finds nothing left to do
            async with open_daemon(sandbox.told, folder=folder) as daemon:
                await trio.sleep(REST_SECONDS)
                again = daemon.process.memory_info().rss
                pages = [
                    Figure(f"  CPU, ms a second with {number} open pages", f"{await _with_pages(daemon, number):.1f}")
                    for number in PAGES
                ]
                scrape = await _scrape_seconds(daemon)
                status = [await _status_seconds(folder / "bench.toml") for _ in range(STATUSES)]
    return [
        Figure(f"at rest, one connection, {PRODUCTS:,} products"),
        Figure("  memory, MB", f"{again / MEGABYTE:.1f}", "75"),
        Figure("  memory of a start with a new database, MB", f"{first / MEGABYTE:.1f}"),
        *pages,
        Figure("  the daemon's CPU, ms a scrape of /metrics", f"{1000 * scrape:.1f}"),
        Figure("  CPU s of the command status", f"{statistics.median(status):.2f}", "0.4"),
    ]


async def _with_pages(daemon: Daemon, number: int) -> float:
    """Return the CPU time that the daemon takes with this number of open pages, in ms a second."""
    async with open_pages(daemon, number):
        before = daemon.cpu_seconds()
        await trio.sleep(PAGES_SECONDS)
        return 1000 * (daemon.cpu_seconds() - before) / PAGES_SECONDS


async def _scrape_seconds(daemon: Daemon) -> float:
    before = daemon.cpu_seconds()
    for _ in range(SCRAPES):
        await daemon.metric("connections")
    return (daemon.cpu_seconds() - before) / SCRAPES


async def _status_seconds(config: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await trio.run_process(
        [sys.executable, "-m", "daemon", "status", "--config", str(config)], capture_stdout=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
