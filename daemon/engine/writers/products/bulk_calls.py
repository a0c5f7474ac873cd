"""Bulk calls of one site, of stock or of prices, in which no bad row and no slow product delays the others.

A refused call is split by row until the bad row stands alone. A call that SparkLayer does not carry out in time, or at
all (a timeout, a cut connection, a 5xx, a proxy's page), is split by product. A product that is alone at fault is
*slow*: from then on its rows have calls of their own, until SparkLayer answers one. If no part is answered either, the
fault is SparkLayer's: for a minute nothing is split, and calls may take long.

Calls that take turns wait no longer than a second for the one before. SparkLayer may still carry out a call that it did
not answer. So another value for one of its rows is sent at once, and once more when that call must be over.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import trio
from attrs import define, field, frozen

from daemon.engine.writers.products.outcome import BulkResult
from daemon.errors import Missing, Rejected, Retry
from daemon.model import ExternalId, Sku
from daemon.sparklayer.client import in_bulks
from daemon.transport.http import answered_within
from daemon.transport.throttle.aside import in_turn, standing_aside

BEFORE_NEXT = 1.0
"""Seconds that a call may keep the next one waiting."""

SLOW, SLOW_PER_ROW = 2.0, 0.01
"""Seconds of a request, and more of them per row, after which its call is split."""

MOST_PARTS = 16
"""Parts of a call that was not carried out; up to as many products get a call each."""

MOST_UNANSWERED = 5
"""Unanswered calls, beyond the answered ones, after which a list of rows is split no further."""

ALL_SLOW = 60.0
"""Seconds without a split after no call for a list of rows was answered."""

LATEST_EFFECT = 30.0
"""Seconds in which SparkLayer may still carry out a call that it did not answer."""

MOST_SLOW_PRODUCTS = 1000
"""Slow products remembered at most: memory must not grow with the catalogue."""


class BulkRow(Protocol):
    """One row of a bulk call."""

    @property
    def sku(self) -> Sku:
        """The row's SKU."""
        ...


R = TypeVar("R", bound=BulkRow)


@define(kw_only=True)
class RowList(Generic[R]):
    """Rows that get the same `effect` by `call` (None: it only reads), and results by SKU in `confirmed` and `bulk`.

    `products` has the product of each SKU. `alone`: the rows delay no other product, so their calls may take long.
    """

    rows: Sequence[R]
    effect: str | None
    call: Callable[[Sequence[R]], Awaitable[None]]
    products: Mapping[Sku, ExternalId]
    alone: bool
    confirmed: set[Sku]
    bulk: BulkResult
    answered: int = field(default=0, init=False)
    """Calls that SparkLayer carried out, or refused."""
    unanswered: int = field(default=0, init=False)
    given_up: Retry | None = field(default=None, init=False)
    """The reason why the rest is not sent now."""


@frozen
class _MayFollow:
    """A row of a call that was not answered, and the latest time (trio's clock) of its effect."""

    effect: str
    row: BulkRow
    until: float


@define(eq=False)
class BulkCalls:
    """Sends rows of one site, all of stock or all of prices. `in_turn`: SparkLayer refuses (409) calls that overlap."""

    _in_turn: bool
    _queue: trio.Lock = field(factory=trio.Lock, init=False)
    _latest: trio.Event = field(factory=trio.Event, init=False)
    """Set when the latest call ends."""
    _next_at: float = field(default=-math.inf, init=False)
    """Time (trio's clock) from which the next call does not wait for the latest one."""
    _all_slow_until: float = field(default=-math.inf, init=False)
    _may_follow: dict[Sku, list[_MayFollow]] = field(factory=dict, init=False)
    _slow: dict[ExternalId, None] = field(factory=dict, init=False)

    def is_slow(self, product: ExternalId) -> bool:
        """Return True if the product was alone at fault in the latest call that had rows of it."""
        return product in self._slow

    async def send(self, rows: RowList[R], parts: Sequence[Sequence[R]] | None = None) -> None:
        """Send rows in as few calls as possible, or in these parts.

        Failures are kept by SKU; only cancellation comes out of here.
        """
        async with trio.open_nursery() as nursery:
            for part in in_bulks(rows.rows) if parts is None else parts:
                nursery.start_soon(self._send, part, rows, await self._turn())

    async def _turn(self) -> trio.Event:
        """Wait for a turn, if calls take turns; return the event that ends it."""
        if not self._in_turn:
            return trio.Event()
        async with in_turn(self._queue):
            if not self._latest.is_set() and trio.current_time() < self._next_at:
                with standing_aside(), trio.move_on_at(self._next_at):
                    await self._latest.wait()
            self._latest, self._next_at = trio.Event(), trio.current_time() + BEFORE_NEXT
            return self._latest

    async def _send(self, part: Sequence[R], rows: RowList[R], turn: trio.Event) -> None:
        if rows.given_up is not None:
            turn.set()
            return _undo(part, rows, rows.given_up)
        patient = rows.alone or trio.current_time() < self._all_slow_until
        smaller: Sequence[Sequence[R]] = ()
        try:
            with answered_within(math.inf if patient else SLOW + len(part) * SLOW_PER_ROW):
                await rows.call(part)
        except Missing as error:
            # The price list or location is gone: no row is to blame.
            _undo(part, rows, error)
        except Rejected as error:
            self._note_answer(part, rows)
            bad, smaller = _split(part, error)
            rows.bulk.refused.update(bad)
        except Retry as error:
            if error.effect_unknown:
                smaller = self._note_silence(part, rows, error, patient=patient)
            if not smaller:
                _undo(part, rows, error)
        except Exception as error:  # noqa: BLE001  the pipeline sorts failures, and logs and counts the others
            _undo(part, rows, error)
        else:
            self._note_answer(part, rows)
            self._confirm(part, rows)
        finally:
            turn.set()
        return await self.send(rows, smaller) if smaller else None

    def _note_answer(self, part: Sequence[R], rows: RowList[R]) -> None:
        rows.answered += 1
        for row in part if self._slow else ():
            self._slow.pop(rows.products[row.sku], None)

    def _note_silence(
        self, part: Sequence[R], rows: RowList[R], error: Retry, *, patient: bool
    ) -> Sequence[Sequence[R]]:
        """Note that a call was not carried out, as far as known; return the parts in which it is sent again."""
        now = trio.current_time()
        rows.unanswered += 1
        if rows.effect is not None:
            for sku in [sku for sku in self._may_follow if not self._late(sku, now)]:
                del self._may_follow[sku]
            for row in part:
                self._may_follow[row.sku] = [
                    *self._late(row.sku, now),
                    _MayFollow(rows.effect, row, now + LATEST_EFFECT),
                ]
        parts = _by_product(part, rows.products)
        if len(parts) == 1:
            self._slow[rows.products[part[0].sku]] = None
            if len(self._slow) > MOST_SLOW_PRODUCTS:
                del self._slow[next(iter(self._slow))]
            return ()
        if rows.unanswered > rows.answered + MOST_UNANSWERED:
            rows.given_up = error
            if not rows.answered:
                self._all_slow_until = now + ALL_SLOW
            return ()
        return () if patient else parts

    def _confirm(self, part: Sequence[R], rows: RowList[R]) -> None:
        if rows.effect is None or not self._may_follow:
            rows.confirmed.update(row.sku for row in part)
            return
        now = trio.current_time()
        for row in part:
            earlier = self._late(row.sku, now)
            others = [late.until for late in earlier if (late.effect, late.row) != (rows.effect, row)]
            if others:
                rows.bulk.overtaken[row.sku] = max(others) - now
            else:
                rows.confirmed.add(row.sku)

    def _late(self, sku: Sku, now: float) -> list[_MayFollow]:
        """Return the values of a SKU that SparkLayer may still store."""
        return [late for late in self._may_follow.get(sku, ()) if late.until > now]


def _undo(part: Sequence[BulkRow], rows: RowList[Any], error: Exception) -> None:
    rows.bulk.undone.update(dict.fromkeys((row.sku for row in part), error))


def _split(part: Sequence[R], error: Rejected) -> tuple[dict[Sku, str], Sequence[Sequence[R]]]:
    """Split a refused call: a row that stands alone is bad, the others are worth another call.

    SparkLayer may name lines, but not whether it counts from 0 or 1: both rows that a line may mean stand alone.
    """
    if len(part) == 1:
        return {part[0].sku: str(error)}, ()
    suspects = sorted({place for line in error.lines for place in (line, line - 1) if 0 <= place < len(part)})
    if not suspects or len(suspects) == len(part):
        half = len(part) // 2
        return {}, [part[:half], part[half:]]
    rest = [row for place, row in enumerate(part) if place not in suspects]
    return {}, [*([part[place]] for place in suspects), rest]


def _by_product(part: Sequence[R], products: Mapping[Sku, ExternalId]) -> list[list[R]]:
    """Split rows into at most `MOST_PARTS` parts; no product is in two of them."""
    groups: dict[ExternalId, list[R]] = {}
    for row in part:
        groups.setdefault(products[row.sku], []).append(row)
    number = min(len(groups), MOST_PARTS)
    listed = list(groups.values())
    return [[row for group in listed[place::number] for row in group] for place in range(number)]
