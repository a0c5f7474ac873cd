"""Whether a connection may work now.

A `Blocked` failure closes the gate: whoever works for the connection waits here, which costs neither attempts nor
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
"""Seconds. A gate that closes this soon after it was opened goes on with the pauses it had: the probe misled us."""

log = structlog.get_logger()


async def _nothing() -> None:
    """Probe nothing."""


class Pause:
    """The gate of one connection, or of one kind of it."""

    def __init__(self, site: Site, kind: Kind | None = None) -> None:
        self.ended: Callable[[], None] = lambda: None
        """Called whenever the gate opens again, to wake who sleeps without waiting here."""
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
        """Why the gate is closed."""
        return self._cause

    @property
    def blocked_seconds(self) -> float:
        """For how long the gate was closed since the start, all together."""
        now = trio.current_time() - self._since if self._cause else 0.0
        return self._blocked_before + now

    async def over(self) -> None:
        """Wait until the gate is open."""
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
        """Whenever the gate is closed, probe with growing pauses until it can be opened.

        Where there is no probe for the side that failed, the gate is opened after the pause: whoever works then is
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
