"""The circuit breaker in front of one API: after many failures in a row it keeps everyone away for a while.

Only the network's failures and 5xx count; a 4xx or a 429 is an answer of a healthy API. What counts are different
requests, told apart by a key: one that fails again and again, for the sake of one entity, says nothing of the API.
Nor does one that failed while the API answered others: until it succeeds it no longer counts. The rules:

* closed: everyone may go. The last of `failures` different ones in a row opens it.
* open: nobody may go until the pause is over; then the next one to ask goes alone and makes it half open.
* half open: nobody else may go. If the one succeeds it closes; if it fails it opens with a pause twice as
  long; if it gives up without an outcome it opens again with the same pause, which is over already.

An outcome counts only in the state its request began in: `begin` returns a ticket that each change of state
makes worthless, so stragglers of an earlier state change nothing. Pure: it is told the time.
"""

import enum
from collections.abc import Hashable

FAILURES_IN_A_ROW = 10
DIFFERENT_REQUESTS = 3
MOST_SUSPECTS = 1000
"""Requests remembered because they fail beside others that succeed; then the oldest one counts again."""

PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0


class State(enum.StrEnum):
    """The calls that may go: all, none, one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(enum.Enum):
    """Events of a breaker."""

    SUCCEEDED = enum.auto()
    FAILED = enum.auto()
    FAILED_TOO_OFTEN = enum.auto()
    GAVE_UP = enum.auto()
    BEGAN = enum.auto()


TRANSITIONS = {
    (State.CLOSED, Event.BEGAN): State.CLOSED,
    (State.CLOSED, Event.SUCCEEDED): State.CLOSED,
    (State.CLOSED, Event.FAILED): State.CLOSED,
    (State.CLOSED, Event.GAVE_UP): State.CLOSED,
    (State.CLOSED, Event.FAILED_TOO_OFTEN): State.OPEN,
    (State.OPEN, Event.BEGAN): State.HALF_OPEN,
    (State.HALF_OPEN, Event.SUCCEEDED): State.CLOSED,
    (State.HALF_OPEN, Event.FAILED_TOO_OFTEN): State.OPEN,
    (State.HALF_OPEN, Event.GAVE_UP): State.OPEN,
}
"""Every change that may happen. Anything else is a mistake of the caller and raises KeyError."""


class Breaker:
    """Opens after `failures` in a row of `different` requests, for `pause` seconds at first and `longest` at most."""

    def __init__(
        self,
        *,
        failures: int = FAILURES_IN_A_ROW,
        different: int = DIFFERENT_REQUESTS,
        pause: float = PAUSE_SECONDS,
        longest: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._failures = failures
        self._different = min(different, failures)
        self._in_a_row = 0
        self._first_pause = pause
        self._longest = longest
        self._pause = pause
        self._failing: set[Hashable] = set()
        """Keys that have failed since the last success."""
        self._suspects: dict[Hashable, None] = {}
        """Keys that failed before a success of another one: the fault is theirs."""
        self._until = 0.0
        self._ticket = 0
        self.state = State.CLOSED
        self.opened = 0

    def wait(self, now: float) -> float:
        """Return the seconds until someone may go, 0 when one may go now."""
        if self.state is State.CLOSED:
            return 0.0
        if self.state is State.HALF_OPEN:
            return self._pause
        return max(0.0, self._until - now)

    def begin(self) -> int:
        """Let a request go, and return the ticket that its outcome is told with. Only when `wait` is 0."""
        self._happen(Event.BEGAN)
        return self._ticket

    def succeeded(self, ticket: int, key: Hashable = None) -> None:
        """Tell that the API answered."""
        if ticket != self._ticket:
            return
        self._suspects.update(dict.fromkeys(self._failing))
        self._suspects.pop(key, None)
        while len(self._suspects) > MOST_SUSPECTS:
            del self._suspects[next(iter(self._suspects))]
        self._failing.clear()
        self._in_a_row = 0
        self._pause = self._first_pause
        self._happen(Event.SUCCEEDED)

    def failed(self, ticket: int, now: float, key: Hashable = None) -> None:
        """Tell that the API did not answer, or answered 5xx. Without a key it is taken for another than all before."""
        if ticket != self._ticket:
            return
        if key in self._suspects:
            # As a probe it tells nothing either: the next request goes at once.
            self._happen(Event.GAVE_UP if self.state is State.HALF_OPEN else Event.FAILED)
            return
        self._in_a_row += 1
        self._failing.add(object() if key is None else key)
        few = self._in_a_row < self._failures or len(self._failing) < self._different
        if self.state is State.CLOSED and few:
            self._happen(Event.FAILED)
            return
        if self.state is State.HALF_OPEN:
            self._pause = min(self._longest, self._pause * 2)
        self._until = now + self._pause
        self.opened += 1
        self._happen(Event.FAILED_TOO_OFTEN)

    def gave_up(self, ticket: int) -> None:
        """Tell that the request was cancelled and nothing was learnt."""
        if ticket == self._ticket:
            self._happen(Event.GAVE_UP)

    def _happen(self, event: Event) -> None:
        state = TRANSITIONS[self.state, event]
        if state is not self.state:
            self.state = state
            self._ticket += 1
