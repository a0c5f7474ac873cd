"""Weighs answers that may be SparkLayer's own or not: a refusal without a body, a body where none is documented.

SparkLayer documents that some of its refusals have no body, and a proxy's may have none either. An empty 404 is
believed once a control question has shown that it is the API's way to say so: a read of an id that exists is answered
well, and a read of an id that cannot exist gets the same empty 404. Then those of the operation are its own for an
hour. Where nothing exists yet, the price lists are read instead. If the missing id is the only one that we know, there
is nothing to compare with, and the 404 is believed like other empty refusals.

Those are believed, for an hour too, at the fourth try, ten minutes or more after the first, if other calls succeeded
meanwhile. A success with a body, of an operation that documents none, is believed in the same way, from then on. Until
then each of these answers means: try again.

Pure but for its memory, which is one client's and is lost with the process. Times are those of trio's clock.
"""

from collections.abc import Sequence
from http import HTTPStatus

from attrs import define, field, frozen

from daemon.sparklayer.own_words import Shape, one_with
from daemon.transport.http import Answer

BELIEVED_SECONDS = 3600.0
TRIES = 4
FIRST_TO_LAST_SECONDS = 600.0
CONTROL_PAUSE_SECONDS = 10.0
"""How long a control question that settled nothing is not asked again for an operation."""
MOST_TRIALS = 10_000
"""Calls whose empty refusals are counted. More of them wait until others succeed, or come no more."""

MOST_KNOWN = 10
SEARCH_PAUSE_SECONDS = 10.0
"""Seconds between two searches for calls that come no more: a search costs more than a call that waits for it."""

NOBODY = "ffffffff-ffff-4fff-bfff-ffffffffffff"
"""An id that nothing has: purchases are looked up by UUID."""


@frozen
class Control:
    """The read that a control question asks: `path` has {} in the place of an id, and nothing has the id `nobody`."""

    path: str
    answers: Shape
    nobody: str = NOBODY

    def of(self, identifier: str) -> str:
        """Return the path that reads what has an id (quoted)."""
        return self.path.replace("{}", identifier)

    def id_in(self, path: str) -> str | None:
        """Return the id (quoted) of what a path reads or writes, None where it addresses something else."""
        before, _, after = self.path.partition("{}")
        if not path.startswith(before):
            return None
        identifier, slash, rest = path.removeprefix(before).partition("/")
        return identifier if identifier and (not after or slash + rest == after) else None


CUSTOMER = Control("/api/v2/customers/platform/{}", one_with("id", "external_id", "email"))
PRICE_LIST = Control("/api/v1/price-lists/{}", one_with("slug"), nobody="ignite-sync-no-such-list")
"""A slug has at most 30 characters."""
PRODUCT = Control("/api/v1/products/{}", one_with("id", "external_id", "title", "variants"))
PURCHASE = Control("/api/v1/purchases/sparklayer/{}", one_with("type", "purchase_identifiers", "packages"))
STOCK_LOCATION = Control("/api/v1/stock-locations/{}", one_with("id"))
SYNC_LOG = Control("/api/v1/sync-log/{}/products", one_with("started_full_sync", "last_full_sync"))

EMPTY_SITE = Control("/api/v2/price-lists", one_with("pagination"))
"""Control question for a site without a known id."""


@frozen(kw_only=True)
class Call:
    """A request, as far as a refusal of it may be the same as an earlier one.

    `body` is None unless it tells what the request is about: where the path does not.
    """

    operation: str
    path: str
    body: bytes | None = None


@define
class _Trial:
    first: float
    last: float
    tries: int = 1
    believed_until: float = 0.0


@define
class EmptyRefusals:
    """The state of the empty refusals of one site."""

    _own_until: dict[str, float] = field(init=False, factory=dict)
    _asked_at: dict[str, float] = field(init=False, factory=dict)
    _trials: dict[Call, dict[int, _Trial]] = field(init=False, factory=dict)
    """By call and status."""
    _known: dict[str, dict[str, None]] = field(init=False, factory=dict)
    """By the path of a control the ids (quoted) that it should find, the newest last."""
    _succeeded_at: float = field(init=False, default=float("-inf"))
    _full_until: float = field(init=False, default=float("-inf"))
    _wordy: set[str] = field(init=False, factory=set)
    """Operations whose success has a body, though none was seen in the documents."""

    def note_success(self, call: Call, control: Control, now: float, *, bulk: bool) -> None:
        """Note that a call succeeded: earlier refusals of it were odd ones, unless it is one of many in `bulk`."""
        self._succeeded_at = now
        identifier = control.id_in(call.path)
        if identifier is not None:
            self.expect(control, [identifier])
        if not bulk:
            self._trials.pop(call, None)

    def expect(self, control: Control, ids: Sequence[str]) -> None:
        """Note some ids (quoted) that a read of `control` should find."""
        known = self._known.setdefault(control.path, {})
        for identifier in ids[-MOST_KNOWN:]:
            known.pop(identifier, None)
            known[identifier] = None
        for identifier in [*known][:-MOST_KNOWN]:
            del known[identifier]

    def forget(self, control: Control, path: str) -> None:
        """Note that what a path addresses was deleted, or was not found: it answers no control question."""
        self._known.get(control.path, {}).pop(control.id_in(path) or "", None)

    def known_id(self, control: Control, other_than: str | None) -> str | None:
        """Return an id (quoted) that a read of `control` should find, None if there is none but `other_than`."""
        ids = [identifier for identifier in self._known.get(control.path, {}) if identifier != other_than]
        return ids[-1] if ids else None

    def expects(self, control: Control, identifier: str | None) -> bool:
        """Return whether a read of `control` should find an id (quoted)."""
        return identifier in self._known.get(control.path, {})

    def believes_missing(self, operation: str, now: float) -> bool:
        """Return whether an empty 404 of an operation is the API's own."""
        return now < self._own_until.get(operation, 0.0)

    def may_ask(self, operation: str, now: float) -> bool:
        """Return whether it is time for a control question, and note that it is asked."""
        if now - self._asked_at.get(operation, float("-inf")) < CONTROL_PAUSE_SECONDS:
            return False
        self._asked_at[operation] = now
        return True

    def believe_missing(self, operation: str, now: float) -> None:
        """Note that the control question of an operation was answered as the API itself does."""
        self._own_until[operation] = now + BELIEVED_SECONDS
        self._asked_at.pop(operation, None)

    def believes(self, call: Call, status: int, now: float) -> bool:
        """Note an empty refusal; return whether it is believed by now without a control question."""
        trial = self._trials.get(call, {}).get(status)
        if trial is None or now - trial.last > BELIEVED_SECONDS:
            self._forget_old(now)
            if call in self._trials or len(self._trials) < MOST_TRIALS:
                self._trials.setdefault(call, {})[status] = _Trial(now, now)
            return False
        trial.tries, trial.last = trial.tries + 1, now
        lasting = now - trial.first >= FIRST_TO_LAST_SECONDS and self._succeeded_at > trial.first
        if trial.tries >= TRIES and lasting:
            trial.believed_until = now + BELIEVED_SECONDS
        return now < trial.believed_until

    def believes_body(self, operation: str, now: float) -> bool:
        """Note a success with a body where none was expected; return whether it is believed by now."""
        if operation not in self._wordy and self.believes(Call(operation=operation, path=""), HTTPStatus.OK, now):
            self._wordy.add(operation)
        return operation in self._wordy

    def _forget_old(self, now: float) -> None:
        if len(self._trials) < MOST_TRIALS or now < self._full_until:
            return
        self._full_until = now + SEARCH_PAUSE_SECONDS
        self._trials = {
            call: trials
            for call, trials in self._trials.items()
            if any(now - trial.last <= BELIEVED_SECONDS for trial in trials.values())
        }


def is_empty_refusal(answer: Answer) -> bool:
    """Return whether an answer is a refusal without a body."""
    refused = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return refused and not answer.body.strip()
