"""The deliveries of one connection's webhooks: signs that some were lost, and what follows from them.

Two gaps are known from here: deliveries answered 5xx for longer than `LONGEST_OUTAGE`, and `SILENCE` without a delivery
in which a sweep found changes. A delivery that the platform will not send again, or that is too large to be taken, is
lost: every kind is swept and the webhooks are looked at, as soon as the database can be written. All of it is in
memory: a restart begins a new hour.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog
import trio

from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble
from daemon.model import Change, Kind
from daemon.platforms.base import PlatformType

TRY_EVERY = 1.0
"""Seconds between two tries to write to the database."""

LONGEST_OUTAGE = 10.0
"""Seconds. After a shorter one the platform's own repeats are enough, or else a sweep."""

SILENCE = 3600.0

MOST_EXPECTED = 10_000
"""Changes whose delivery is expected, or came lately. More are not remembered: memory must not grow."""

REST = 60.0
"""Seconds between two catch-ups. Anyone can send a request that is too large, and each of them may be a delivery."""

Report = Callable[[Collection[Kind]], None]

log = structlog.get_logger()


class Deliveries:
    """The deliveries of one connection.

    `report` is called with the kinds that have a gap; none means every kind. `count` is called with the kind of each
    change that no delivery told of.
    """

    def __init__(self, report: Report, platform: PlatformType, count: Callable[[Kind], None]) -> None:
        self._report = report
        self._platform = platform
        self._count = count
        self._times = platform.webhooks
        self._heard_at = trio.current_time()
        self._missed_at = -1.0
        self._missed = Signal()
        self._lost = Signal()
        self._arrived: dict[Change, float] = {}
        self._due: dict[Change, float] = {}
        """Times until which the deliveries of changes may come that a sweep has found first, the earliest first."""
        self._expected = Signal()
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

    def arrived(self, changes: Iterable[Change]) -> None:
        """Note the changes of a delivery."""
        if not self._times.delivered_within:
            return
        now = trio.current_time()
        for change in changes:
            self._due.pop(change, None)
            self._arrived.pop(change, None)
            self._arrived[change] = now
        while self._arrived:
            oldest = next(iter(self._arrived))
            if len(self._arrived) <= MOST_EXPECTED and now - self._arrived[oldest] <= self._times.delivered_within:
                return
            del self._arrived[oldest]

    def swept(self, change: Change, *, removed: bool = False) -> None:
        """Note a change that a sweep or a census found, which may be a removal.

        It was missed, unless its delivery comes in time, or the platform sends none of such a change.
        """
        platform = self._platform
        if change.kind not in platform.webhook_kinds or (removed and change.kind in platform.census_kinds):
            return
        now, within = trio.current_time(), self._times.delivered_within
        if not within:
            self._count(change.kind)
            self.missed()
        elif now - self._arrived.get(change, -within - 1) > within and len(self._due) < MOST_EXPECTED:
            self._due.setdefault(change, now + within)
            self._expected.set()

    async def expect(self) -> None:
        """Count the swept changes whose deliveries do not come in time. Runs until cancelled."""
        while True:
            if not self._due:
                await self._expected.wait()
                continue
            change, due = next(iter(self._due.items()))
            await trio.sleep_until(due)
            if self._due.get(change) == due:
                del self._due[change]
                self._count(change.kind)
                self.missed()

    def missed(self) -> None:
        """Note that webhooks do not tell of every change."""
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
            written = False
            while not written:
                try:
                    await write()
                    written = True
                except StorageTrouble:
                    await trio.sleep(TRY_EVERY)
            log.info("catching up with lost webhooks")
            catch_up()
            await trio.sleep(REST)
