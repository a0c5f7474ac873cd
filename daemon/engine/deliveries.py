"""What a connection's webhooks say of themselves by coming, by being refused by us, and by not coming.

Two gaps are known from here: our own 5xx to deliveries for more than `LONGEST_OUTAGE`, and `SILENCE` without a
delivery in which a sweep found changes. All of it is in memory: a restart begins a new hour.
"""

from collections.abc import Callable, Collection

import trio

from daemon.engine.signal import Signal
from daemon.model import Kind

LONGEST_OUTAGE = 10.0
SILENCE = 3600.0

Report = Callable[[Collection[Kind]], None]


class Deliveries:
    """The deliveries of one connection. `report` is told the kinds that have a gap; none means every kind."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._heard_at = trio.current_time()
        self._missed_at = -1.0
        self._missed = Signal()
        self._failing_since: float | None = None
        self._failed: set[Kind] = set()
        self._unknown = False

    def taken(self) -> None:
        """Note a delivery that was answered 2xx."""
        self._heard_at = trio.current_time()
        self._failing_since = None

    def failed(self, kinds: Collection[Kind]) -> None:
        """Note a delivery, about these kinds or (none) about we know not what, that was answered 5xx."""
        now = trio.current_time()
        if self._failing_since is None:
            self._failing_since, self._unknown = now, False
            self._failed.clear()
        self._failed.update(kinds)
        self._unknown = self._unknown or not kinds
        if now - self._failing_since > LONGEST_OUTAGE:
            self._report(() if self._unknown else self._failed)

    def missed(self) -> None:
        """Note a change that only a sweep found."""
        self._missed_at = trio.current_time()
        self._missed.set()

    async def watch(self) -> None:
        """Report an hour without deliveries in which a sweep found changes, until cancelled."""
        while True:
            await self._missed.wait()
            began = self._heard_at
            if self._missed_at < began:
                continue
            await trio.sleep_until(began + SILENCE)
            if self._heard_at == began:
                self._heard_at = trio.current_time()
                self._report(())
