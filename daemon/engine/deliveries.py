"""The deliveries of one connection's webhooks: signs that some were lost, and what follows from them.

Two gaps are known from here: deliveries answered 5xx for longer than `LONGEST_OUTAGE`, and `SILENCE` without a delivery
in which a sweep found changes. A delivery that the platform will not send again, or that is too large to be taken, is
lost: every kind is swept and the webhooks are looked at, as soon as the database can be written. All of it is in
memory: a restart begins a new hour.
"""

from collections.abc import Awaitable, Callable, Collection

import structlog
import trio

from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.model import Kind
from daemon.platforms.base import WebhookTimes

LONGEST_OUTAGE = 10.0
"""Seconds. After a shorter one the platform's own repeats are enough, or else a sweep."""

SILENCE = 3600.0

TRY_EVERY = 1.0
"""Seconds between two tries to write to the database."""

REST = 60.0
"""Seconds between two catch-ups. Anyone can send a request that is too large, and each of them may be a delivery."""

Report = Callable[[Collection[Kind]], None]

log = structlog.get_logger()


class Deliveries:
    """The deliveries of one connection. `report` is called with the kinds that have a gap; none means every kind."""

    def __init__(self, report: Report, times: WebhookTimes) -> None:
        self._report = report
        self._times = times
        self._heard_at = trio.current_time()
        self._missed_at = -1.0
        self._missed = Signal()
        self._lost = Signal()
        self._failing_since: float | None = None
        self._failed: set[Kind] = set()
        self._unknown = False

    def taken(self) -> None:
        """Note a delivery that was answered 2xx."""
        self._heard_at = trio.current_time()
        self._failing_since = None

    def failed(self, kinds: Collection[Kind]) -> None:
        """Note a delivery that was answered 5xx, about `kinds`; none: its content is not known."""
        now = trio.current_time()
        if self._failing_since is None:
            self._failing_since, self._unknown = now, False
            self._failed.clear()
        self._failed.update(kinds)
        self._unknown = self._unknown or not kinds
        if now - self._failing_since > LONGEST_OUTAGE:
            self._report(() if self._unknown else self._failed)
        self.lost(for_good=False)

    def lost(self, *, for_good: bool) -> None:
        """Note a delivery that was not taken; `for_good`: sending it again would not help."""
        if for_good or not self._times.repeats:
            self._lost.set()

    def missed(self) -> None:
        """Note a change that only a sweep found."""
        self._missed_at = trio.current_time()
        self._missed.set()

    async def watch(self) -> None:
        """Report an hour without deliveries in which a sweep found changes. Runs until cancelled."""
        while True:
            await self._missed.wait()
            began = self._heard_at
            if self._missed_at < began:
                continue  # a delivery came after it, so webhooks work
            await trio.sleep_until(began + SILENCE)
            if self._heard_at == began:
                # From here a new hour begins, or each find would report the same silence again.
                self._heard_at = trio.current_time()
                self._report(())

    async def make_up(self, write: Callable[[], Awaitable[None]], catch_up: Callable[[], None]) -> None:
        """Call `catch_up` after lost deliveries, once `write` to the database works. Runs until cancelled."""
        while True:
            await self._lost.wait()
            await _until_it_works(write)
            log.info("catching up with lost webhooks")
            catch_up()
            await trio.sleep(REST)


async def _until_it_works(write: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await write()
        except StorageTrouble:
            await trio.sleep(TRY_EVERY)
