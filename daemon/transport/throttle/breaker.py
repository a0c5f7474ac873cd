"""The circuit breaker in front of one API: after many failures in a row no request is sent for a while.

Only network failures and 5xx count; a 4xx or a 429 comes from a healthy API. Requests are told apart by a key: one
request that fails repeatedly, because of one entity, does not prove that the API fails. A request that failed while the
API answered others is a suspect, and does not count until it succeeds. The rules:

* closed: all requests may go. `failures` in a row, of `different` requests at least, open it.
* open: no request may go until the pause ends. The next request is then the probe and makes it half open.
* half open: no other request may go. If the probe succeeds, the breaker closes. If it fails, the breaker opens with
  twice the pause. If it is cancelled, the breaker opens with the old pause, which has already ended.

An outcome counts only in the state its request began in: `begin` returns a ticket that each change of state
invalidates, so late answers to older requests change nothing. Pure: it receives the time.
"""

import enum
from collections.abc import Hashable

FAILURES_IN_A_ROW = 10
DIFFERENT_REQUESTS = 3
MOST_SUSPECTS = 1000
"""Suspects remembered at most; beyond this the oldest counts again."""

PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0


class BreakerState(enum.StrEnum):
    """The states: all requests may go, none may, one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerEvent(enum.Enum):
    """The events that may change the state."""

    SUCCEEDED = enum.auto()
    FAILED = enum.auto()
    FAILED_TOO_OFTEN = enum.auto()
    GAVE_UP = enum.auto()
    BEGAN = enum.auto()


TRANSITIONS = {
    (BreakerState.CLOSED, BreakerEvent.BEGAN): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.SUCCEEDED): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.FAILED): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.GAVE_UP): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.FAILED_TOO_OFTEN): BreakerState.OPEN,
    (BreakerState.OPEN, BreakerEvent.BEGAN): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, BreakerEvent.SUCCEEDED): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, BreakerEvent.FAILED_TOO_OFTEN): BreakerState.OPEN,
    (BreakerState.HALF_OPEN, BreakerEvent.GAVE_UP): BreakerState.OPEN,
}
"""All legal transitions. Any other is a mistake of the caller and raises KeyError."""


class Breaker:
    """Opens after `failures` in a row, of at least `different` requests, for `pause` to `longest` seconds."""

    def __init__(
        self,
        *,
        failures: int = FAILURES_IN_A_ROW,
        different: int = DIFFERENT_REQUESTS,
        pause: float = PAUSE_SECONDS,
        longest: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._failures = failures
        # With fewer failures than that it could never open.
        self._different = min(different, failures)
        self._in_a_row = 0
        self._first_pause = pause
        self._longest = longest
        self._pause = pause
        self._failing: set[Hashable] = set()
        """Keys of the requests that failed since the last success."""
        self._suspects: dict[Hashable, None] = {}
        """Keys of the requests that failed while another succeeded: the API is not at fault."""
        self._until = 0.0
        self._ticket = 0
        self.state = BreakerState.CLOSED
        self.opened = 0

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go; 0 is now."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self.state is BreakerState.HALF_OPEN:
            # The probe's end is unknown, so this is only an estimate for the caller.
            return self._pause
        return max(0.0, self._until - now)

    def begin(self) -> int:
        """Let a request go and return the ticket for reporting its outcome. Call it only when `wait` is 0."""
        self._happen(BreakerEvent.BEGAN)
        return self._ticket

    def succeeded(self, ticket: int, key: Hashable = None) -> None:
        """Record that the API answered the request with this key."""
        if ticket != self._ticket:
            return
        # The API works, so earlier failures were caused by their own requests.
        self._suspects.update(dict.fromkeys(self._failing))
        self._suspects.pop(key, None)
        while len(self._suspects) > MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]
        self._failing.clear()
        self._in_a_row = 0
        self._pause = self._first_pause
        self._happen(BreakerEvent.SUCCEEDED)

    def failed(self, ticket: int, now: float, key: Hashable = None) -> None:
        """Record that the API did not answer, or answered 5xx. Without a key it counts as a new request."""
        if ticket != self._ticket:
            return
        if key in self._suspects:
            # A suspect proves nothing as a probe either, so the next request may go at once.
            self._happen(BreakerEvent.GAVE_UP if self.state is BreakerState.HALF_OPEN else BreakerEvent.FAILED)
            return
        self._in_a_row += 1
        # A new object equals no other key.
        self._failing.add(object() if key is None else key)
        few = self._in_a_row < self._failures or len(self._failing) < self._different
        if self.state is BreakerState.CLOSED and few:
            self._happen(BreakerEvent.FAILED)
            return
        if self.state is BreakerState.HALF_OPEN:
            self._pause = min(self._longest, self._pause * 2)
        self._until = now + self._pause
        self.opened += 1
        self._happen(BreakerEvent.FAILED_TOO_OFTEN)

    def gave_up(self, ticket: int) -> None:
        """Record that the request was cancelled, so its outcome is unknown."""
        if ticket == self._ticket:
            self._happen(BreakerEvent.GAVE_UP)

    def _happen(self, event: BreakerEvent) -> None:
        state = TRANSITIONS[self.state, event]
        if state is not self.state:
            self.state = state
            # Requests of the previous state hold an older ticket, so their outcomes no longer count.
            self._ticket += 1
