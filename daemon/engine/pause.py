"""The pause of a connection, or of one kind of it, while nothing can be done for it.

A `Blocked` failure begins the pause. Tasks wait here, which costs neither attempts nor parking time, until the prober
finds that the side which failed works again. `Retry` and `Blocked` keep the pause going; any other answer ends it.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
import trio

from daemon.engine.signal import Signal
from daemon.errors import Blocked, Rejected, Retry, Side
from daemon.model import Kind, Site
from daemon.transport.backoff import backoff

LONGEST_PAUSE = 300.0
RELAPSE = 60.0
"""Seconds. A pause that begins this soon after the last one continues it: the probe succeeded by accident."""

log = structlog.get_logger()


class Pause:
    """The pause of one connection, or of one kind of it."""

    def __init__(self, site: Site, kind: Kind | None = None) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called when the pause begins and when it ends, for tasks that do not wait here."""
        self._fields = {"site": str(site)} | ({"kind": kind.value} if kind else {})
        self._turned = Signal()
        self._cause: Blocked | None = None
        self._since = 0.0
        self._began_at = 0.0
        self._blocked_before = 0.0
        self._probes = 0
        self._ended_at = -RELAPSE

    @property
    def cause(self) -> Blocked | None:
        """Return the cause of the pause, None while there is none."""
        return self._cause

    @property
    def began_at(self) -> float | None:
        """Return the wall-clock time at which the pause began, None while there is none; a relapse continues it."""
        return None if self._cause is None else self._began_at

    @property
    def blocked_seconds(self) -> float:
        """Return the seconds of all pauses since the start."""
        now = trio.current_time() - self._since if self._cause else 0.0
        return self._blocked_before + now

    async def over(self) -> None:
        """Wait until there is no pause."""
        while self._cause is not None:
            await self._turned.wait()

    def start(self, cause: Blocked) -> None:
        """Begin a pause because of `cause`, or prolong the present one if `cause` asks for a longer wait."""
        if self._cause is None:
            self._since = trio.current_time()
            if self._since - self._ended_at > RELAPSE:
                self._probes = 0
                self._began_at = time.time()
            log.warning("blocked", side=cause.side.value, reason=cause.reason, **self._fields)
            self._turn(cause)
        elif (cause.after or 0.0) > (self._cause.after or 0.0):
            # One probe decides for all that is blocked, so it waits for the longest time asked for.
            self._cause = cause

    async def run_prober(self, probes: Mapping[Side, Callable[[], Awaitable[None]]]) -> None:
        """Probe during a pause, with growing delays, until it can end. Runs until cancelled.

        Without a probe for the side that failed, the pause ends after the delay: the next work is the probe, and
        begins the pause again.
        """
        while True:
            while (cause := self._cause) is None:
                await self._turned.wait()
            # No jitter: a connection probes alone, and its merchant waits.
            await trio.sleep(backoff(self._probes, 1.0, cause.after, longest=LONGEST_PAUSE))
            self._probes += 1
            try:
                if (probe := probes.get(cause.side)) is not None:
                    await probe()
            except Blocked as still:
                self._cause = still
                continue
            except Retry:
                continue
            except Rejected:
                pass  # the side answers, and has something against the probe only
            self._blocked_before = self.blocked_seconds
            self._ended_at = trio.current_time()
            self._turn(None)
            log.info("unblocked", **self._fields)

    def _turn(self, cause: Blocked | None) -> None:
        self._cause = cause
        self._turned.set()
        self.changed()
