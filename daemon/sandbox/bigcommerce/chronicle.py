"""The clock of a store, and the events that its listeners receive.

Every part of a store dates its edits and announces them here. Knows neither what stands in the store nor HTTP.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from attrs import define, field

from daemon.sandbox.bigcommerce.events import Event


@define(eq=False, kw_only=True)
class Chronicle:
    """A store's clock and its listeners."""

    clock: Callable[[], float] = time.time
    stamping: bool = field(default=True, init=False)
    """False: an edit leaves the date of what it changes alone."""
    _listeners: list[Callable[[Event], None]] = field(factory=list, init=False, repr=False)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event that is announced from now on."""
        self._listeners.append(listener)

    def announce(self, *announced: Event, silent: bool = False) -> None:
        """Tell the listeners; `silent` tells nobody, as when a webhook got lost."""
        for event in () if silent else announced:
            for listener in self._listeners:
                listener(event)

    def now(self) -> int:
        """Return the present second since the epoch."""
        return int(self.clock())

    def stamp(self) -> str:
        """Return the present second as BigCommerce writes it in v3."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")

    @contextlib.contextmanager
    def unstamped(self) -> Iterator[None]:
        """Leave `date_modified` alone in the block's edits. Use together with `silent=True`."""
        self.stamping = False
        try:
            yield
        finally:
            self.stamping = True

    @contextlib.contextmanager
    def at(self, seconds: float) -> Iterator[None]:
        """Let the block happen at another time; how a sample store gets a past."""
        clock, self.clock = self.clock, lambda: seconds
        try:
            yield
        finally:
            self.clock = clock
