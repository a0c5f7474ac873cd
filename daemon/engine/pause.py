"""Whether a connection may work now.

A `Blocked` failure begins the pause: whatever works for the connection waits here, which costs neither attempts nor
parking time, until the prober finds that the side which failed works again. `Retry` keeps it closed, so does the
next `Blocked`; any other answer shows that the side is back.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog
import trio

from daemon.errors import Blocked, Rejected, Retry, Side
from daemon.model import Kind, Site

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
RELAPSE = 60.0
"""Seconds. A pause that begins this soon after the last one goes on with its delays: the probe misled us."""

log = structlog.get_logger()


async def _nothing() -> None:
    """Probe nothing."""


class Pause:
    """The pause of one connection, or of one kind of it."""

    def __init__(self, site: Site, kind: Kind | None = None) -> None:
        self.ended: Callable[[], None] = lambda: None
        """Called whenever the pause ends, to wake tasks that sleep without waiting here."""
        self._told = {"site": str(site)} | ({"kind": kind.value} if kind else {})
        self._open = trio.Event()
        self._open.set()
        self._closed = trio.Event()
        self._cause: Blocked | None = None
        self._since = 0.0
        self._blocked_before = 0.0
        self._delay = FIRST_PAUSE
        self._opened_at = -RELAPSE

    @property
    def cause(self) -> Blocked | None:
        """Return the cause of the pause, None while there is none."""
        return self._cause

    @property
    def blocked_seconds(self) -> float:
        """Return the seconds of all pauses since the start."""
        now = trio.current_time() - self._since if self._cause else 0.0
        return self._blocked_before + now

    async def over(self) -> None:
        """Wait until there is no pause."""
        await self._open.wait()

    def start(self, cause: Blocked) -> None:
        """Stop the connection because of `cause`."""
        if self._cause is None:
            self._since = trio.current_time()
            if self._since - self._opened_at > RELAPSE:
                self._delay = FIRST_PAUSE
            self._open = trio.Event()
            log.warning("blocked", side=cause.side.value, reason=cause.reason, **self._told)
            self._cause = cause
            self._closed.set()
        elif (cause.after or 0.0) > (self._cause.after or 0.0):
            self._cause = cause  # what is blocked together is probed when all of it may be

    async def run_prober(self, probes: Mapping[Side, Callable[[], Awaitable[None]]]) -> None:
        """Probe with growing delays during a pause, until it can end.

        Where there is no probe for the side that failed, the pause ends after the delay: the next work is
        the probe, and closes it again.
        """
        while True:
            await self._closed.wait()
            while (cause := self._cause) is not None:
                await trio.sleep(min(max(self._delay, cause.after or 0.0), LONGEST_PAUSE))
                self._delay = min(self._delay * 2, LONGEST_PAUSE)
                await self._probe(probes.get(cause.side, _nothing))

    async def _probe(self, probe: Callable[[], Awaitable[None]]) -> None:
        try:
            await probe()
        except Blocked as still:
            self._cause = still
            return
        except Retry:
            return
        except Rejected:
            pass
        self._blocked_before = self.blocked_seconds
        self._cause = None
        self._opened_at = trio.current_time()
        self._closed = trio.Event()
        self._open.set()
        self.ended()
        log.info("works again", **self._told)
