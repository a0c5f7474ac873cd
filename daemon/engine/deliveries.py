"""The signs in a connection's webhook deliveries that some were missing.

Two gaps are known from here: deliveries answered 5xx for longer than `LONGEST_OUTAGE`, and `SILENCE` without a delivery
in which a sweep found changes. All of it is in memory: a restart begins a new hour.
"""

from collections.abc import Callable, Collection

import trio

from daemon.engine.signal import Signal
from daemon.model import Kind

LONGEST_OUTAGE = 10.0
"""Seconds. After a shorter one the platform's own repeats are enough."""

SILENCE = 3600.0

Report = Callable[[Collection[Kind]], None]


class Deliveries:
    """The deliveries of one connection. `report` is called with the kinds that have a gap; none means every kind."""

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
        """Note a delivery that was answered 5xx, about `kinds`; none: its content is not known."""
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
