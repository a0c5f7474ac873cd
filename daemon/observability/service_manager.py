"""Messages to systemd, or to any service manager that sets NOTIFY_SOCKET (sd_notify(3)): ready, alive, stopping.

systemd restarts a daemon that sends no WATCHDOG=1 for WatchdogSec. The daemon sends it each time it has looked at its
own readiness, whatever the result: a restart mends a hang, but not a full disk. STATUS has the result, for
`systemctl status`.
"""

import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio

LONGEST_SECONDS = 30.0
"""Seconds between two looks, unless the watchdog wants a third of its time."""


async def keep_informed(environ: Mapping[str, str], why_not_ready: Callable[[], Awaitable[Sequence[str]]]) -> None:
    """Send READY=1, then the state until cancelled, then STOPPING=1. Do nothing without a service manager."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A name that starts with @ is in the kernel's abstract namespace, which is written with a zero byte.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    seconds = min(LONGEST_SECONDS, _watchdog(environ) / 3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.setblocking(False)

        def tell(*lines: str) -> None:
            # A message that cannot be sent is missed by the manager's watchdog, which is its purpose.
            with contextlib.suppress(OSError):
                messages.sendto("\n".join(lines).encode(), place)

        tell("READY=1")
        try:
            while True:
                reasons = await why_not_ready()
                tell("WATCHDOG=1", f"STATUS={'; '.join(reasons) or 'ready'}")
                await trio.sleep(seconds)
        finally:
            tell("STOPPING=1")


def _watchdog(environ: Mapping[str, str]) -> float:
    """Return the seconds after which the manager restarts a silent process; infinity if it does not."""
    microseconds, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(microseconds) / 1e6 if microseconds.isdecimal() and process == str(os.getpid()) else float("inf")
