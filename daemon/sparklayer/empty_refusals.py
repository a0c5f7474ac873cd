"""Decides if an answer comes from SparkLayer itself: a refusal without a body, or an undocumented success.

SparkLayer documents that some of its refusals have no body, but a proxy's may lack one too. An empty 404 is believed
once a control question has shown that the API answers like that: a read of an existing id succeeds, and a read of an
impossible id gets the same empty 404. The operation's empty 404s are then believed for an hour. If nothing exists yet,
the price lists are read instead of an existing id. If the missing id is the only known one, there is nothing to compare
with, and the 404 is treated like other empty refusals.

Other empty refusals are believed, for an hour too, at the fourth try, at least ten minutes after the first, if other
calls succeeded meanwhile. A success that is not as documented is believed in the same way, until SparkLayer answers the
operation as documented; within an hour after such an answer it is not believed at all. Until then each of these answers
means: try again.

It asks nothing itself. Its memory belongs to one client and ends with the process. Times are those of trio's clock.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus

from attrs import define, field

from daemon.sparklayer.operation import Control

BELIEVED_SECONDS = 3600.0
TRIES = 4
FIRST_TO_LAST_SECONDS = 600.0
CONTROL_PAUSE_SECONDS = 10.0
"""Seconds before an inconclusive control question is repeated for an operation."""
MOST_TRIALS = 10_000
"""Calls whose empty refusals are counted. Further calls wait until some of these succeed or stop coming."""

DOCUMENTED_SECONDS = 3600.0
"""Seconds in which an operation that answered as documented is believed to answer in no other way.

Longer would hold up every change after an upgrade of SparkLayer; proxies seldom answer in its place for an hour."""

MOST_KNOWN = 10
SEARCH_PAUSE_SECONDS = 10.0
"""Seconds between two searches for calls that stopped coming: a search costs more than a waiting call."""

Call = tuple[str, str, bytes | None]
"""The identity of a request, for recognising a repeated refusal: the operation, the path, and the body unless the path
alone identifies the entity."""


@define
class _RefusalTrial:
    first: float
    last: float
    tries: int = 1
    believed_until: float = 0.0


@define
class EmptyRefusals:
    """Remembers the empty refusals of one site, and the ids for control questions."""

    _own_until: dict[str, float] = field(init=False, factory=dict)
    _asked_at: dict[str, float] = field(init=False, factory=dict)
    _trials: dict[Call, dict[int, _RefusalTrial]] = field(init=False, factory=dict)
    """Counted refusals by call and status."""
    _known: dict[str, dict[str, None]] = field(init=False, factory=dict)
    """Quoted ids that a control should find, the newest last, by the control's path."""
    _succeeded_at: float = field(init=False, default=float("-inf"))
    _full_until: float = field(init=False, default=float("-inf"))
    _undocumented: set[str] = field(init=False, factory=set)
    """Operations that succeed in an undocumented way."""
    _documented_at: dict[str, float] = field(init=False, factory=dict)
    """Time of each operation's latest success as documented."""

    def note_success(self, call: Call, control: Control, now: float, *, bulk: bool) -> None:
        """Record a success. It voids earlier refusals of the same call, except for a `bulk` call."""
        self._succeeded_at = now
        identifier = control.id_in(call[1])
        if identifier is not None:
            self.expect(control, [identifier])
        if not bulk:
            self._trials.pop(call, None)

    def expect(self, control: Control, ids: Sequence[str]) -> None:
        """Remember quoted ids that a read of `control` should find."""
        known = self._known.setdefault(control.path, {})
        for identifier in ids[-MOST_KNOWN:]:
            known.pop(identifier, None)
            known[identifier] = None
        for identifier in [*known][:-MOST_KNOWN]:
            del known[identifier]

    def forget(self, control: Control, path: str) -> None:
        """Forget the id in a path: it was deleted or not found, so it serves no control question."""
        self._known.get(control.path, {}).pop(control.id_in(path) or "", None)

    def known_id(self, control: Control, other_than: str | None) -> str | None:
        """Return a quoted id, except `other_than`, that a read of `control` should find; None without one."""
        ids = [identifier for identifier in self._known.get(control.path, {}) if identifier != other_than]
        return ids[-1] if ids else None

    def expects(self, control: Control, identifier: str | None) -> bool:
        """Return True if a read of `control` should find a quoted id."""
        return identifier in self._known.get(control.path, {})

    def believes_missing(self, operation: str, now: float) -> bool:
        """Return True if an operation's empty 404 is known to be the API's own."""
        return now < self._own_until.get(operation, 0.0)

    def may_ask(self, operation: str, now: float) -> bool:
        """Return True if a control question is due, and record that it is asked now."""
        if now - self._asked_at.get(operation, float("-inf")) < CONTROL_PAUSE_SECONDS:
            return False
        self._asked_at[operation] = now
        return True

    def believe_missing(self, operation: str, now: float) -> None:
        """Record that a control question showed an operation's empty 404s to be the API's own."""
        self._own_until[operation] = now + BELIEVED_SECONDS
        self._asked_at.pop(operation, None)

    def believes(self, call: Call, status: int, now: float) -> bool:
        """Count an empty refusal; return True if it is believed by now without a control question."""
        trial = self._trials.get(call, {}).get(status)
        if trial is None or now - trial.last > BELIEVED_SECONDS:
            if len(self._trials) >= MOST_TRIALS and now >= self._full_until:
                self._full_until = now + SEARCH_PAUSE_SECONDS
                self._trials = {
                    other: trials
                    for other, trials in self._trials.items()
                    if any(now - trial.last <= BELIEVED_SECONDS for trial in trials.values())
                }
            if call in self._trials or len(self._trials) < MOST_TRIALS:
                self._trials.setdefault(call, {})[status] = _RefusalTrial(now, now)
            return False
        trial.tries, trial.last = trial.tries + 1, now
        lasting = now - trial.first >= FIRST_TO_LAST_SECONDS and self._succeeded_at > trial.first
        if trial.tries >= TRIES and lasting:
            trial.believed_until = now + BELIEVED_SECONDS
        return now < trial.believed_until

    def note_documented(self, operation: str, now: float) -> None:
        """Record a success as documented: the API does not answer in two ways, so any other is a proxy's."""
        self._documented_at[operation] = now
        self._undocumented.discard(operation)
        self._trials.pop((operation, "", None), None)

    def believes_undocumented(self, operation: str, now: float) -> bool:
        """Count an undocumented success; return True if it is believed by now."""
        if now - self._documented_at.get(operation, -math.inf) < DOCUMENTED_SECONDS:
            return False
        if self.believes((operation, "", None), HTTPStatus.OK, now):
            self._undocumented.add(operation)
        return operation in self._undocumented
