"""Watches a run as it goes, and notes what must never happen.

It sees every request of the daemon and every committed transaction, and believes neither what the daemon says of
itself nor that the end makes all well: a change that was dropped and later found by a sweep was dropped all the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, field

from daemon.engine.pipeline import Pipeline
from daemon.model import ExternalId, Kind, Lane
from daemon.sandbox.message import Request, Response
from daemon.storage import connections, full_syncs, outbox
from daemon.storage import settle as settling
from daemon.storage.outbox import Claim
from tests.prove.simulation.disk import Disk
from tests.prove.simulation.faults import SHOP, SITE
from tests.prove.simulation.network import Call
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.traffic import (
    Key,
    read,
    seconds_asked_for,
    seconds_left_without_quota,
    written,
    written_kind,
)

MOST_TRIES = 100
SEVERAL = 3
ROUNDED = 0.002
"""Seconds. The store tells of its window in whole milliseconds."""

MOST_REFUSED = {SHOP: 6, SITE: 12}
"""So often a side may refuse one life of the daemon by its own limit: each must find that anew, the store with requests
that were sent before the first answer told it: eight at once after a restart that finds the bucket empty.
"""

NO_PAUSE = 0.05
"""Seconds. After a slow commit so little may be left of a short backoff, but not several times in a row."""


@define(eq=False)
class Audit:
    """Notes breaches of what always holds, each as one line."""

    disk: Disk
    trace: Trace
    store: StoreType
    breaches: list[str] = field(factory=list)
    writes: Counter[str] = field(factory=Counter)
    """Writes to SparkLayer that had an effect, by kind; sync-log and tokens aside."""
    tokens: list[str] = field(factory=list)
    """Credentials that SparkLayer accepted."""
    calls: Counter[str] = field(factory=Counter)
    refused: Counter[tuple[int, str]] = field(factory=Counter)
    """Number of refusals by a side's own limit in a life of the daemon, without injected ones."""
    tries: Counter[Key] = field(factory=Counter)
    products: Callable[[], set[str]] = set
    """Return which products the store has, when its lists leave none out."""
    then: Callable[[], None] = lambda: None
    """Is called whenever something has happened that cannot be undone: a transaction, or a request's effect."""
    working: set[Key] = field(factory=set)
    """Entities that the daemon works on at this moment."""
    jumps: bool = False
    """True if the daemon's clock jumps: then a backoff may end at any time."""
    moment: int = 0
    """Grows with everything that happens: the order of events."""
    _hasty: Counter[Key] = field(factory=Counter)
    _recorded: dict[Key, int] = field(factory=dict)
    _read: dict[Key, int] = field(factory=dict)
    titles: Mapping[str, Sequence[str]] = field(factory=dict)
    """Every title that a product was given in the store, the newest last."""
    _versions: dict[str, int] = field(factory=dict)
    _expected: dict[int, set[str]] = field(factory=dict)
    _owing: dict[int, set[str]] = field(factory=lambda: defaultdict(set))
    _under_way: Counter[tuple[int, Key]] = field(factory=Counter)
    _silent: dict[tuple[object, ...], float] = field(factory=dict)
    _used_up: dict[int, float] = field(factory=dict)
    """Until when the store's quota is, by the call that took the last of it."""
    _shut: dict[int, float] = field(factory=dict)
    """Until when a life of the daemon knows that it is."""

    def breach(self, *words: object) -> None:
        """Note a breach."""
        context = " ".join(map(str, words))
        if context not in self.breaches:
            self.breaches.append(context)
            self.trace.add("BREACH", context)

    def begin_anew(self) -> None:
        """Forget who wanted silence or refused: another connection to the API begins, which was told nothing."""
        self._silent.clear()
        self._shut.clear()
        self.refused.clear()

    # Requests

    def sent(self, call: Call) -> None:
        """See to it that the API is not called while it wants silence, nor an entity written twice at once."""
        self.calls[call.side] += 1
        asked = self._silent.get(_request_of(call), 0.0)
        if self.trace.now() < asked - 1e-6:
            self.breach(f"{call.side} was asked the same {asked - self.trace.now():.1f} s before the time it asked for")
        if call.side == SHOP and self.trace.now() < self._shut.get(call.life, 0.0) - ROUNDED:
            self.breach("shop was called in a window of which it had told that its limit is used up")
        if (key := written(call)) is not None:
            self._under_way[call.life, key] += 1
            if self._under_way[call.life, key] > 1 and key[1]:
                self.breach("two writes at once of", *key)

    def over(self, call: Call) -> None:
        """Note that the daemon waits for it no more."""
        if (key := written(call)) is not None:
            self._under_way[call.life, key] -= 1

    def done(self, call: Call, response: Response) -> None:
        """Note what was read, and what was written."""
        self.moment += 1
        self.then()
        if response.status == 429:
            self._exceeded(call)
        if call.side == SHOP and (left := seconds_left_without_quota(response)):
            self._used_up[call.number] = self.trace.now() + left
        if call.side == SITE and "/auth/" in call.request.path and response.status < 300:
            self.tokens.append(msgspec.json.decode(response.body)["access_token"])
        if call.side == SHOP and (response.status < 300 or response.status == 404):
            for key in read(self.store, call.request, response):
                self._read[key] = self.moment
        if call.side == SITE and response.status < 300:
            kind = written_kind(call.request)
            if kind is not None:
                self.writes[kind] += 1
            self._closing(call.request)
            self._newer(call)

    def _exceeded(self, call: Call) -> None:
        """See to it that a limit is found, and kept to, at the cost of few refusals."""
        place = (call.life, call.side)
        self.refused[place] += 1
        if self.refused[place] > MOST_REFUSED[call.side]:
            self.breach(
                f"{call.side}'s limit was exceeded more than {MOST_REFUSED[call.side]} times by life {call.life}"
            )

    def answered(self, call: Call, response: Response) -> None:
        """Note for how long the API wants to be left alone."""
        if call.number in self._used_up and "x-rate-limit-requests-left" in response.headers:
            self._shut[call.life] = max(self._used_up[call.number], self._shut.get(call.life, 0.0))
        if response.status == 429 and (after := seconds_asked_for(response)):
            until = self.trace.now() + after
            place = _request_of(call)
            self._silent[place] = max(until, self._silent.get(place, 0.0))

    def _newer(self, call: Call) -> None:
        """See to it that no older title of a product is written over a newer one."""
        key = written(call)
        if key is None or key[0] != "products":
            return
        title = msgspec.json.decode(call.request.body).get("title")
        titles = self.titles.get(key[1], [])
        version = max((place for place, known in enumerate(titles) if known == title), default=-1)
        if -1 < version < self._versions.get(key[1], -1):
            self.breach(f"an older title was written over a newer one of product {key[1]}: {title}")
        self._versions[key[1]] = max(version, self._versions.get(key[1], -1))

    def _closing(self, request: Request) -> None:
        """See to it that nothing is left of a full sync that is told to be over."""
        if request.method != "PATCH" or "/sync-log/" not in request.path:
            return
        body = msgspec.json.decode(request.body)
        if "last_full_sync" not in body:
            return
        kind = request.path.rpartition("/")[2]
        query = "SELECT id FROM full_syncs WHERE kind = ? AND state = 'ending'"
        for (run,) in self.disk.rows(query, kind):
            left = self.disk.rows("SELECT external_id FROM outbox WHERE full_sync_id = ?", run)
            if left or self._owing.get(run):
                self.breach(f"full sync {run} of {kind} was closed before", left, sorted(self._owing[run]))

    # Transactions

    def committed(self, fn: Callable[..., Any], call: Any, result: Any) -> None:
        """Look at a transaction."""
        self.moment += 1
        self.then()
        self.trace.add("commit", fn.__name__)
        if fn in (connections.leave, connections.begin, connections.renew):
            self.begin_anew()
        elif fn.__name__ == outbox.record.__name__:
            for change in call.changes:
                self._recorded[change.kind.value, change.external_id] = self.moment
        elif fn is full_syncs.start and call.kind is Kind.PRODUCTS and result is not None:
            self._expected[result] = self.products()
        elif fn is full_syncs.take_page and result is not None:
            self._owing[call.run].update(call.ids)
            self._expected.get(call.run, set()).difference_update(call.ids)
        elif fn is full_syncs.finish_enumeration:
            unseen = self._expected.pop(call[0], set()) & self.products()
            if unseen:
                self.breach(f"full sync {call[0]} has not seen", sorted(unseen))
        elif fn is full_syncs.give_up:
            self._owing.pop(call, None)
        elif fn.__name__ == settling.settle.__name__:
            self._settled(call)

    def _settled(self, call: settling.Settlement) -> None:
        kind = call.kind.value
        if call.kind is Kind.STORE:
            return
        for claim in (*call.done, *(one.claim for one in call.again if one.due_at is None)):
            if claim.run is not None:
                self._owing[claim.run].discard(claim.external_id)
            recorded = self._recorded.get((kind, claim.external_id))
            if recorded is None or claim.external_id.startswith("metafields:") or self._waits(call, claim.external_id):
                continue
            if recorded > self._read.get((kind, claim.external_id), 0) and claim in call.done:
                self.breach("a change was dropped without a look at", kind, claim.external_id)
            del self._recorded[kind, claim.external_id]

    def _waits(self, call: settling.Settlement, external_id: str) -> bool:
        query = "SELECT 1 FROM outbox WHERE connection_id = ? AND kind = ? AND external_id = ?"
        return bool(self.disk.rows(query, call.connection_id, call.kind.value, external_id))

    # Work

    def tried(self, key: Key, attempts: int, left: float | None, *, busy: bool) -> None:
        """See to it that an entity is worked on once at a time, and not at once again when that failed."""
        # What every sweep reads is read once a minute for hours: of it, only what failed is tried again.
        self.tries[key] += key[0] not in self.store.swept_whole or attempts > 0
        if busy:
            self.breach("two pieces of work at once for", *key)
        if self.tries[key] > MOST_TRIES:
            self.breach(f"more than {MOST_TRIES} tries of", *key)
        hasty = attempts > 0 and left is not None and self.trace.now() - left < NO_PAUSE
        self._hasty[key] = self._hasty[key] + 1 if hasty and not self.jumps else 0
        if self._hasty[key] >= SEVERAL:
            self.breach("what fails is tried again and again without a pause:", *key)

    # Webhooks

    def accepted(self, told: Sequence[Key], moment: int) -> None:
        """See to it that what a webhook told, handed in at `moment` and answered 2xx, was committed since."""
        for key in told:
            if not (self._recorded.get(key, 0) > moment or self._read.get(key, 0) > moment):
                self.breach("a webhook was accepted before it was committed:", *key)


def watch_work(audit: Audit, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Pipeline.work` with a look at what is worked on: no entity may be twice.

    An entity is worked on until it is settled, which may be before its batch ends.
    """
    busy: dict[tuple[int, str, str], object] = {}
    left: dict[tuple[int, str, str], float] = {}

    async def watched(self: Pipeline, claims: Sequence[Claim], lane: Lane) -> None:
        batch, tell = object(), self.settled

        def over(ids: Collection[ExternalId]) -> None:
            for one in [(id(self), self.kind.value, external_id) for external_id in ids]:
                if busy.pop(one, None) is not None:
                    left[one] = audit.trace.now()
            audit.working = {one[1:] for one in busy}

        def settled(ids: Collection[ExternalId]) -> None:
            over(ids)
            tell(ids)

        if getattr(tell, "__name__", "") != settled.__name__:
            self.settled = settled
        mine = {(id(self), self.kind.value, claim.external_id): claim for claim in claims}
        for one, claim in mine.items():
            audit.tried(one[1:], claim.attempts, left.get(one), busy=one in busy)
        busy.update(dict.fromkeys(mine, batch))
        audit.working = {one[1:] for one in busy}
        try:
            await work(self, claims, lane)
        finally:
            over([claim.external_id for one, claim in mine.items() if busy.get(one) is batch])

    return watched


def _request_of(call: Call) -> tuple[object, ...]:
    """Return what tells a request of a life from others: a 429 holds back its own only."""
    request = call.request
    return call.life, call.side, request.method, request.path, request.query, request.body
