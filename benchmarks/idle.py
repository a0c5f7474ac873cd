"""The daemon at rest: its memory, and the CPU time of `ignite-sync status` and of a scrape of /metrics.

A store of 5,000 products (15,000 variants) is synced first, so that the counts behind /metrics have rows. Then the
daemon is started again, since memory that a full sync has freed stays with the process. The sizes are the kernel's.
"""

import resource
import statistics
import sys
import tempfile
from pathlib import Path

import trio

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Daemon, open_daemon, open_sandbox
from benchmarks.table import Figure

PRODUCTS = 5_000
REST_SECONDS = 5.0
SCRAPES = 50
STATUSES = 5
MEGABYTE = 2**20


async def measure(platform: BenchPlatform = BIGCOMMERCE) -> list[Figure]:
    """Measure a daemon with one connection."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-bench-") as name:
        folder = Path(name)
        async with open_sandbox(PRODUCTS, platform) as sandbox:
            async with open_daemon(folder, sandbox.told) as daemon:
                await trio.sleep(REST_SECONDS)
                first = daemon.process.memory_info().rss
                await daemon.full_sync()
            async with open_daemon(folder, sandbox.told) as daemon:
                await trio.sleep(REST_SECONDS)
                again = daemon.process.memory_info().rss
                scrape = await _scrape_seconds(daemon)
                status = [await _status_seconds(folder / "bench.toml") for _ in range(STATUSES)]
    return [
        Figure(f"at rest, one connection, {PRODUCTS:,} products"),
        Figure("  memory, MB", f"{again / MEGABYTE:.1f}", "75"),
        Figure("  memory of a start with a new database, MB", f"{first / MEGABYTE:.1f}"),
        Figure("  the daemon's CPU, ms a scrape of /metrics", f"{1000 * scrape:.1f}"),
        Figure("  CPU s of the command status", f"{statistics.median(status):.2f}", "0.4"),
    ]


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
