"""The garbage collector's work on what stays for the daemon's whole life."""

import gc

import trio

FREEZE_SECONDS = 60.0
"""Time until connections, caches and compiled statements are built. With twenty connections, each full collection would
scan them for 20 ms, every few seconds, and stop every thread meanwhile."""


async def freeze() -> None:
    """Hide from the collector what the daemon has built by the end of its first minute."""
    await trio.sleep(FREEZE_SECONDS)
    gc.collect()
    gc.freeze()
