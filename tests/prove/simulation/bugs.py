"""Bugs that are planted to see whether the simulator finds them: each undoes one promise of the daemon.

with BUGS["acknowledge-before-commit"]():
    simulate(seed)
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from unittest import mock

import structlog
import trio
from attrs import evolve
from sqlalchemy import Connection, select, update

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.engine.page_cache import PageCache
from daemon.engine.pipeline import Pipeline
from daemon.engine.reading import BatchReader
from daemon.engine.writers.customers import exchange
from daemon.engine.writers.products import diff
from daemon.engine.writers.products.push import Pusher
from daemon.model import ExternalId, RunId
from daemon.model.outcome import Outcome, Result, Row
from daemon.sparklayer import customers, failures
from daemon.sparklayer.token import Token, Tokens
from daemon.storage import full_syncs, ledger, outbox, removals
from daemon.storage.states import RemovalState
from daemon.storage.tables import full_syncs as runs
from daemon.storage.tables import outbox as changes
from daemon.transport.throttle import scopes
from daemon.transport.throttle.limiter import Limiter
from daemon.transport.throttle.window import WindowPolicy
from tests.prove.simulation.disk import Storage
from tests.prove.simulation.stores.base import StoreType

Patch = Any
log = structlog.get_logger()


def _acknowledge_before_commit() -> Patch:
    """Answer a webhook as soon as its change is in the writer's queue."""
    write = Storage.write

    async def hasty(self: Storage, fn: Any, call: Any) -> Any:
        if fn is not outbox.record:
            return await write(self, fn, call)
        self.enqueue(fn, call)
        return None

    return mock.patch.object(Storage, "write", hasty)


def _settle_ignoring_revision() -> Patch:
    """Delete a row although a change came while it was worked on."""
    return mock.patch.object(outbox, "_unchanged", return_value=True)


def _no_second_look_after_a_duplicate() -> Patch:
    """Do not look at a product that SparkLayer has already: its refusal is the merchant's trouble."""

    async def blind(*_: Any) -> None:
        return None

    return mock.patch.object(Pusher, "_held", blind)


def _report_before_settle() -> Patch:
    """Settle a batch, and so report it, before it was sent."""
    brake = Pipeline._brake

    async def settled_first(self: Pipeline, batch: Any) -> None:
        early = {key: Outcome(result=Result.UNCHANGED) for key in batch.mapped if key not in batch.outcomes}
        await self._settle(evolve(batch, outcomes=early))
        await brake(self, batch)

    return mock.patch.object(Pipeline, "_brake", settled_first)


def _no_unsure_marking() -> Patch:
    """Note nothing before something is sent: the ledger goes on believing the old state."""
    mark = ledger._mark

    def forgetful(conn: Connection, call: Any) -> Any:
        return mark(conn, evolve(call, rows=[]))

    return mock.patch.object(ledger, "_mark", forgetful)


def _cursor_before_its_page() -> Patch:
    """Commit a full sync's cursor, and then the ids of its page."""
    take = FullSyncs._take

    async def in_two(self: FullSyncs, run: Any, page: Any) -> bool:
        await self._context.storage.write(_move_on, (run.id, page.cursor))
        await trio.sleep(3.0)  # long enough to be killed in between
        return await take(self, run, page)

    return mock.patch.object(FullSyncs, "_take", in_two)


def _move_on(conn: Connection, calls: Sequence[tuple[RunId, str | None]]) -> list[None]:
    for run, cursor in calls:
        conn.execute(update(runs).where(runs.c.id == run).values(cursor=cursor))
    return [None] * len(calls)


def _tag_lost_at_a_bump() -> Patch:
    """Let a change that comes for an entity of a full sync take it out of the run."""
    record = outbox.record

    def careless(conn: Connection, calls: Sequence[outbox.Record]) -> list[None]:
        result = record(conn, calls)
        for call in calls:
            for change in call.changes:
                mine = (changes.c.kind == change.kind.value, changes.c.external_id == change.external_id)
                conn.execute(update(changes).where(*mine).values(full_sync_id=None))
        return result

    return mock.patch.object(outbox, "record", careless)


def _stale_pages_used() -> Patch:
    """Use a page's content although its entity was settled while the page was on its way."""
    return mock.patch.object(PageCache, "settling")


def _full_sync_closed_early() -> Patch:
    """End a full sync when its enumeration ends."""

    def hasty(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[int]:
        held = finish(conn, calls)
        for run, _ in calls:
            conn.execute(update(changes).where(changes.c.full_sync_id == run).values(full_sync_id=None))
        return held

    finish = full_syncs.finish_enumeration
    return mock.patch.object(full_syncs, "finish_enumeration", hasty)


def _retry_after_ignored() -> Patch:
    """Let only our own backoff count after a refusal."""
    return mock.patch.object(Limiter, "_hold", return_value=None)


def _no_new_token_after_401() -> Patch:
    """Use a refused token again."""

    async def stubborn(_self: Tokens, refused: Token, _lane: Any) -> Token:
        return refused

    return mock.patch.object(Tokens, "instead_of", stubborn)


def _sku_claimed_before_it_is_free() -> Patch:
    """Claim a SKU that moves within a batch without letting it go first."""

    def at_once(subject: Any, product: Any, *_: Any) -> tuple[None, Any]:
        del subject
        return None, product

    return mock.patch.object(diff, "_rounds", at_once)


def _claimed_twice() -> Patch:
    """Claim what is in flight in the other lane."""
    claim = outbox.claim

    def greedy(conn: Any, connection_id: Any, kind: Any, lane: Any, now: float, limit: int, _busy: Any) -> Any:
        return claim(conn, connection_id, kind, lane, now, limit, frozenset())

    return mock.patch.object(outbox, "claim", greedy)


def _always_written() -> Patch:
    """Believe nothing of the ledger: write everything again."""
    look_up = ledger.look_up

    def doubtful(*asked: Any) -> dict[ExternalId, Row]:
        return {key: evolve(row, fingerprint=None) for key, row in look_up(*asked).items()}

    return mock.patch.object(ledger, "look_up", doubtful)


def _person_in_the_log() -> Patch:
    """Log whose change failed by name."""
    settle = Pipeline._settle

    async def talkative(self: Pipeline, batch: Any) -> None:
        for external_id, outcome in batch.ready().items():
            if outcome.failure is not None and external_id in batch.mapped:
                log.info("could not be sent", entity=str(batch.mapped[external_id].name))
        await settle(self, batch)

    return mock.patch.object(Pipeline, "_settle", talkative)


def _no_backoff() -> Patch:
    """Try again at once what failed, however often it has."""

    def none(_self: ConnectionContext, _attempts: int, after: float | None = None) -> float:
        return after or 0.0

    return mock.patch.object(ConnectionContext, "backoff", none)


def _no_quota() -> Patch:
    """Pause after a refusal of the store, and heed what is left of a window no more than that."""
    return mock.patch.object(WindowPolicy, "wait", _until_refused)


def _until_refused(self: Any, now: float, _lane: Any, in_flight: int) -> float:
    return float(self._pause.wait(now, in_flight))


@contextlib.contextmanager
def _removal_without_confirmation() -> Iterator[None]:
    """Take for gone what an enumeration did not show, without asking for it by its id."""
    finish, read_again = full_syncs.finish_enumeration, BatchReader._read_by_id
    candidates: set[tuple[RunId | None, ExternalId]] = set()

    def noting(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> list[int]:
        before = _tagged(conn, calls)
        held = finish(conn, calls)
        candidates.update(_tagged(conn, calls) - before)
        return held

    async def believing(self: BatchReader, batch: Any, wanted: Sequence[ExternalId], contents: Any, facts: Any) -> None:
        gone = {one for one in wanted if (batch.claims[one].run, one) in candidates}
        contents.update(dict.fromkeys(gone))
        if rest := [one for one in wanted if one not in gone]:
            await read_again(self, batch, rest, contents, facts)

    with (
        mock.patch.object(full_syncs, "finish_enumeration", noting),
        mock.patch.object(BatchReader, "_read_by_id", believing),
    ):
        yield


def _tagged(conn: Connection, calls: Sequence[tuple[RunId, float]]) -> set[tuple[RunId | None, ExternalId]]:
    """Return what belongs to the runs."""
    c = changes.c
    mine = select(c.full_sync_id, c.external_id).where(c.full_sync_id.in_([run for run, _ in calls]))
    return {(RunId(row.full_sync_id), ExternalId(row.external_id)) for row in conn.execute(mine)}


def _brake_by_absence_only() -> Patch:
    """Count no removal of what is in the store: of customers out of the groups, of vanished variants."""
    state = removals._state

    def careless(removal: Any, *decided: Any, allow: bool) -> RemovalState:
        return state(removal, *decided, allow=allow or removal.cause in {"excluded", "variant"})

    return mock.patch.object(removals, "_state", careless)


def _foreign_404_believed() -> Patch:
    """Take whatever answers 404 for the API."""
    foreign = failures.foreign

    def gullible(name: str, shape: Any, answer: Any, *, by_line: bool = False) -> Any:
        return None if answer.status == HTTPStatus.NOT_FOUND else foreign(name, shape, answer, by_line=by_line)

    return mock.patch.object(failures, "foreign", gullible)


def _put_without_carry_over() -> Patch:
    """Send a customer as if SparkLayer had nothing of its own."""
    merged = customers.merged
    return mock.patch.object(exchange, "merged", lambda write, _held: merged(write, None))


def _balance_written_back() -> Patch:
    """Carry over what stands in the account, which changes with every order."""
    return mock.patch.object(customers, "_carried_credit", lambda _write, held: dict(held))


def _one_403_blocks_a_kind() -> Patch:
    """Take any 403 for a missing right."""

    def at_once(*_: Any, **__: Any) -> bool:
        return True

    return mock.patch.object(scopes, "right_is_missing", at_once)


BUGS: Mapping[str, Callable[[], Patch]] = {
    planted.__name__.strip("_").replace("_", "-"): planted
    for planted in (
        _acknowledge_before_commit,
        _settle_ignoring_revision,
        _no_second_look_after_a_duplicate,
        _report_before_settle,
        _no_unsure_marking,
        _cursor_before_its_page,
        _tag_lost_at_a_bump,
        _stale_pages_used,
        _full_sync_closed_early,
        _retry_after_ignored,
        _no_new_token_after_401,
        _sku_claimed_before_it_is_free,
        _claimed_twice,
        _always_written,
        _person_in_the_log,
        _no_backoff,
        _removal_without_confirmation,
        _no_quota,
        _one_403_blocks_a_kind,
        _brake_by_absence_only,
        _foreign_404_believed,
        _put_without_carry_over,
        _balance_written_back,
    )
}
"""By name: what returns the patch that plants each of them."""

FOUND: Mapping[str, tuple[int, str]] = {
    "acknowledge-before-commit": (0, "accepted before it was committed"),
    "settle-ignoring-revision": (2, "a change was dropped without a look"),
    "no-second-look-after-a-duplicate": (2, "not equal"),
    "report-before-settle": (3, "not equal"),
    "no-unsure-marking": (35, "not equal"),
    "cursor-before-its-page": (8, "has not seen"),
    "tag-lost-at-a-bump": (1, "was closed before"),
    "stale-pages-used": (25, "an older title was written over a newer one"),
    "full-sync-closed-early": (0, "was closed before"),
    "retry-after-ignored": (46, "before the time it asked for"),
    "no-new-token-after-401": (1, "still blocked"),
    "sku-claimed-before-it-is-free": (10, "not equal"),
    "claimed-twice": (0, "two pieces of work at once"),
    "always-written": (1, "a full sync that finds nothing new wrote"),
    "person-in-the-log": (0, "the log says"),
    "no-backoff": (2, "without a pause"),
    "one-403-blocks-a-kind": (9, "still blocked"),
    "no-quota": (0, "limit is used up"),
    "brake-by-absence-only": (5, "nobody has allowed it"),
    "foreign-404-believed": (74, "not equal"),
    "put-without-carry-over": (0, "an edit in SparkLayer was undone"),
    "balance-written-back": (7, "an edit in SparkLayer was undone"),
    "removal-without-confirmation": (13, "in the store all the time is gone"),
}
"""By bug: a seed that finds it with a store of BigCommerce, and words of the breach that it causes."""


def every_bug(store: StoreType) -> Mapping[str, Callable[[], Patch]]:
    """Return all bugs that can be planted, those of a platform's adapter with the daemon's own."""
    return {**BUGS, **store.bugs}
