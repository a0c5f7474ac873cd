"""The clock of a store, and the events that its listeners receive.

Every part of a store dates its edits and announces them here. Knows neither what stands in the store nor HTTP.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from attrs import define, field

E = TypeVar("E")


@define(eq=False, kw_only=True)
class Chronicle(Generic[E]):
    """A store's clock and its listeners; the events are the platform's."""

    clock: Callable[[], float] = time.time
    stamping: bool = field(default=True, init=False)
    """False: an edit leaves the date of what it changes alone."""
    _listeners: list[Callable[[E], None]] = field(factory=list, init=False, repr=False)

    def listen(self, listener: Callable[[E], None]) -> None:
        """Call `listener` with every event that is announced from now on."""
        self._listeners.append(listener)

    def announce(self, *announced: E, silent: bool = False) -> None:
        """Tell the listeners; `silent` tells nobody, as when a webhook got lost or a plugin wrote past all hooks."""
        for event in () if silent else announced:
            for listener in self._listeners:
                listener(event)

    @contextlib.contextmanager
    def unstamped(self) -> Iterator[None]:
        """Leave dates alone in the block's edits. Use together with `silent=True`."""
        self.stamping = False
        try:
            yield
        finally:
            self.stamping = True

    @contextlib.contextmanager
    def at(self, seconds: float) -> Iterator[None]:
        """Let the block happen at another time, in seconds since the epoch; how a sample store gets a past."""
        clock, self.clock = self.clock, lambda: seconds
        try:
            yield
        finally:
            self.clock = clock
