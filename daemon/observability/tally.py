"""Log lines for frequent events: the first at once, then at most one a minute, with the number of events.

    tally.log("webhooks refused", site="live/x", reason="refused")
    -> {"event": "webhooks refused", "site": "live/x", "reason": "refused", "times": 1}

Events are counted by name and fields. Fields must have few values: nothing from outside, and no entity's id.
"""

from collections import Counter
from collections.abc import Hashable

import structlog
import trio
from attrs import define, field

EVERY = 60.0
"""Seconds between two lines of the same event and fields."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Tally:
    """Counts events between lines. It has no task: a count after the last line waits for the next event."""

    _times: Counter[Hashable] = field(init=False, factory=Counter)
    _logged: dict[Hashable, float] = field(init=False, factory=dict)

    def log(self, event: str, **fields: str) -> None:
        """Log a warning, unless the same one was logged within the last minute. Call it inside trio."""
        key, now = (event, *sorted(fields.items())), trio.current_time()
        self._times[key] += 1
        if key not in self._logged or now - self._logged[key] >= EVERY:
            log.warning(event, **fields, times=self._times.pop(key))
            self._logged[key] = now
