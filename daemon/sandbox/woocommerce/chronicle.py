"""The clock of a WooCommerce shop, its time zone, and the events that its listeners receive.

A shop keeps each date twice: in GMT and in the site's local time of that moment (woocommerce-more.md, Time). A change
of the zone moves no stored local date, so the two drift apart; that is what breaks a search by local dates.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from attrs import define, field, frozen


@frozen
class Event:
    """An announcement: a webhook topic, and the id of the product, order or customer."""

    topic: str
    id: int


@frozen
class Moment:
    """A stored date: in GMT, and as the site's clock showed it then. Both are naive, of whole seconds."""

    gmt: datetime
    local: datetime


@define(eq=False, kw_only=True)
class Chronicle:
    """A shop's clock, zone and listeners."""

    clock: Callable[[], float] = time.time
    zone: ZoneInfo = field(factory=lambda: ZoneInfo("UTC"))
    stamping: bool = field(default=True, init=False)
    """False: an edit leaves the date of what it changes alone."""
    _listeners: list[Callable[[Event], None]] = field(factory=list, init=False, repr=False)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event that is announced from now on."""
        self._listeners.append(listener)

    def announce(self, *announced: Event, silent: bool = False) -> None:
        """Hand events to the listeners, or to none of them if `silent`: a plugin wrote past all hooks."""
        for event in () if silent else announced:
            for listener in self._listeners:
                listener(event)

    def moment(self) -> Moment:
        """Return the present second."""
        gmt = datetime.fromtimestamp(int(self.clock()), UTC).replace(tzinfo=None)
        return Moment(gmt, self.local(gmt))

    def local(self, gmt: datetime) -> datetime:
        """Return the local form of a naive GMT time, by the present zone."""
        return gmt.replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)

    def set_zone(self, name: str) -> None:
        """Move the site to another time zone, such as `Australia/Sydney`. Stored local dates stay as they are."""
        self.zone = ZoneInfo(name)

    @contextlib.contextmanager
    def unstamped(self) -> Iterator[None]:
        """Leave dates alone in the block's edits, as direct writes to the database do. Use with `silent=True`."""
        self.stamping = False
        try:
            yield
        finally:
            self.stamping = True

    @contextlib.contextmanager
    def at(self, seconds: float) -> Iterator[None]:
        """Let the block happen at another time, in seconds since the epoch; how a sample shop gets a past."""
        clock, self.clock = self.clock, lambda: seconds
        try:
            yield
        finally:
            self.clock = clock
