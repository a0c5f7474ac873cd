"""Dry runs for people, as JSON values: the writes and removals of full syncs, before they happen.

A dry run of an active connection goes on in the background, behind its live work: it takes turns of the same throttles,
in the backfill lane. Its state is asked for, and when no one has asked for `FORGET_SECONDS`, it ends. It lives in the
memory of one process, and in a scratch database that is deleted with it. The answers have names of entities.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
import trio
from attrs import define, field

from daemon.admin.lists import held_removals, open_issues
from daemon.admin.shapes import IssueShown, RemovalShown
from daemon.connections.factory import ConnectionFactory
from daemon.engine.context import ConnectionContext
from daemon.engine.dry_run import NAMED, Action, DryRun, KindRehearsal, dry_context
from daemon.engine.leftovers import UNKNOWABLE
from daemon.engine.supervisor import Supervisor, close
from daemon.engine.unique_keys import by_age
from daemon.errors import Blocked, ConfigError, Conflict, Failure, NotFound, Paused, Side, StorageTrouble, first_inside
from daemon.model import ConnectionId, Kind
from daemon.observability.logging import DRY_RUN
from daemon.sparklayer.dry_run import SET_UP
from daemon.storage import connections, ledger
from daemon.storage.adapter_state import StoredAdapterState
from daemon.storage.connections import Stored
from daemon.storage.database import Database, Storage, open_database
from daemon.storage.dry_run import take_along

Params = dict[str, Any]

FORGET_SECONDS = 60.0
"""Time without a question after which a dry run ends."""

KEPT_SECONDS = 3600.0
"""Time without a question after which a result is forgotten."""

LOOK_SECONDS = 1.0

MOST_NAMES = 1000
"""Most names of a list that may be asked for, apart from all."""

UNKNOWN: Mapping[Kind, str] = {
    Kind.STORE: "SparkLayer does not say in advance whether these credentials may set the base currency",
    Kind.PRODUCTS: "SparkLayer does not say which product owns a SKU; one of another product is refused when sent",
    Kind.CUSTOMERS: "SparkLayer lists no customer groups: an unknown group is refused when it is sent",
}
"""Facts that no read of SparkLayer tells before a sync, by kind."""

log = structlog.get_logger()


@define(eq=False, kw_only=True)
class Verification:
    """One dry run, and what is known of it so far."""

    stored: Stored
    kinds: Sequence[Kind]
    named: int | None = NAMED
    """Names of each list; None for all."""
    asked_at: float = field(factory=trio.current_time)
    dry: DryRun | None = None
    ended_at: float | None = None
    trouble: str | None = None
    held: list[RemovalShown] = field(factory=list)
    issues: list[IssueShown] = field(factory=list)
    unknown: list[str] = field(factory=list)
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    async def rehearse(self, factory: ConnectionFactory, live: ConnectionContext, scratch: Storage) -> None:
        """Make the dry run beside a live context, which need not be worked on. `scratch` has the connection.

        Failures end up in `trouble`. Raises what is our bug.
        """
        connection = live.connection
        platform = factory.platform(connection, StoredAdapterState(scratch, connection.id))
        platform.limiter.stay_behind(live.platform.limiter)
        context, writes = dry_context(live, storage=scratch, platform=platform)
        self.dry = DryRun(context, writes, named=self.named)
        try:
            self.unknown = await self._unknown(scratch)
            with structlog.contextvars.bound_contextvars(**{DRY_RUN: True}):
                await self.dry.run(self.kinds)
            self.held = await held_removals(scratch, live.vault, [self.stored], self.kinds)
            self.issues = await open_issues(scratch, live.vault, [self.stored], self.kinds)
        except StorageTrouble as error:
            self.dry.trouble = self.dry.trouble or error
        finally:
            with trio.CancelScope(shield=True):
                await platform.aclose()
        failure = self.dry.trouble
        if isinstance(failure, StorageTrouble):
            self.trouble = f"the scratch database in {tempfile.gettempdir()} cannot be used: {failure}"
        elif failure is not None:
            # All else than a blocked side is a failure of a page of the store.
            of_spark = isinstance(failure, Blocked) and failure.side is Side.SPARKLAYER
            self.trouble = f"{'SparkLayer' if of_spark else live.platform_type.label}: {failure}"

    async def _unknown(self, scratch: Storage) -> list[str]:
        """Return what cannot be known; more of it while the ledger is empty."""
        texts = [UNKNOWN[kind] for kind in self.kinds if kind in UNKNOWN]
        listed = [kind for kind in self.kinds if kind in UNKNOWABLE]
        empty = [kind for kind in listed if not await scratch.read(ledger.size, self.stored.id, kind)]
        return [*texts, *(f"SparkLayer lists no {kind.value}, so {UNKNOWABLE[kind]}" for kind in empty)]

    def answer(self) -> Params:
        """Return everything that is known so far."""
        kinds = {kind.value: self._of_kind(kind) for kind in self.kinds}
        writes = self.dry.writes.calls if self.dry else {}
        changes = any(found["counts"][name] for found in kinds.values() for name in CHANGES)
        unread = any(found["failing"] or found["leftovers"] for found in kinds.values())
        running = self.ended_at is None
        return {
            "site": str(self.stored.site),
            "running": running,
            "ended_ago": None if self.ended_at is None else trio.current_time() - self.ended_at,
            "trouble": self.trouble,
            "kinds": kinds,
            "set_up": [text for name, text in SET_UP.items() if name in writes],
            "writes": dict(sorted(writes.items())),
            "unknown": self.unknown,
            "nothing_to_do": not (running or self.trouble or changes or unread or set(writes) & SET_UP.keys()),
        }

    def _of_kind(self, kind: Kind) -> Params:
        held = [removal for removal in self.held if removal["kind"] == kind.value]
        issues = [issue for issue in self.issues if issue["kind"] == kind.value]
        found = self.dry.kinds[kind] if self.dry else KindRehearsal()
        counts = dict.fromkeys(COUNTS, 0) | {"held": len(held), "issues": len(issues), "failing": len(found.failing)}
        for action in found.actions.values():
            counts[action.value] += 1
        named = {
            action.value: [
                {"id": key, "name": found.names[action][key]} for key in sorted(found.names[action], key=by_age)
            ]
            for action in Action
            if action is not Action.UNCHANGED
        }
        failing = [{"id": key, "error": error} for key, error in found.failing.items()]
        return {
            "over": found.over,
            "seen": found.seen,
            "counts": counts,
            **named,
            "held": held[: self.named],
            "issues": issues[: self.named],
            "failing": failing[: self.named],
            "leftovers": found.leftovers,
        }


COUNTS = (*Action, "held", "issues", "failing")
CHANGES = (Action.CREATE, Action.CHANGE, Action.REMOVE, "held")
"""The counts of which any makes a sync do something, or leave it to a person."""


@define(kw_only=True)
class Verifications:
    """The dry runs of a process, one for each connection."""

    storage: Storage
    factory: ConnectionFactory
    supervisor: Supervisor
    _present: dict[ConnectionId, Verification] = field(init=False, factory=dict)
    _nursery: trio.Nursery | None = field(init=False, default=None)

    async def run(self) -> None:
        """Carry out dry runs until cancelled."""
        async with trio.open_nursery() as self._nursery:
            while True:
                await trio.sleep(FORGET_SECONDS)
                # Results that were not asked for lately are forgotten: they have names of entities.
                late = trio.current_time() - KEPT_SECONDS
                for key, verification in list(self._present.items()):
                    if verification.ended_at is not None and verification.asked_at < late:
                        del self._present[key]

    def start(self, stored: Stored, kinds: Sequence[Kind], *, named: int | None) -> Params:
        """Start a dry run. Raises Conflict while there is one of the connection, Paused."""
        if stored.paused_at is not None:
            raise Paused(stored.site)
        present = self._present.get(stored.id)
        if present is not None and present.ended_at is None:
            raise Conflict(f"a dry run of {stored.site} is already running")
        if self._nursery is None:
            raise Conflict("the daemon is starting or stopping; try again")
        verification = Verification(stored=stored, kinds=kinds, named=named)
        self._present[stored.id] = verification
        self._nursery.start_soon(self._carry_out, verification)
        return verification.answer()

    def state(self, stored: Stored) -> Params:
        """Return the state of the latest dry run of a connection. Raises NotFound."""
        verification = self._present.get(stored.id)
        if verification is None:
            raise NotFound(f"there is no dry run of {stored.site}")
        verification.asked_at = trio.current_time()
        return verification.answer()

    def cancel(self, stored: Stored) -> Params:
        """End the dry run of a connection, and forget it. Raises NotFound."""
        answer = self.state(stored)
        self._present.pop(stored.id).scope.cancel()
        return {"site": answer["site"], "running": False}

    async def _carry_out(self, verification: Verification) -> None:
        log.info("dry run started", site=str(verification.stored.site))
        try:
            with verification.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, verification, self.supervisor.find(verification.stored.id))
                    async with scratch_database() as scratch, self._live(verification.stored) as live:
                        await take_along(self.storage, scratch, verification.stored.id)
                        await verification.rehearse(self.factory, live, scratch)
                    nursery.cancel_scope.cancel()
        except Exception as error:  # the dry run's edge: logged, and told to the person who waits
            cause = first_inside(error)
            if isinstance(cause, Failure | ConfigError):
                verification.trouble = str(cause)
            else:
                log.exception("dry run crashed", site=str(verification.stored.site))
                verification.trouble = "the dry run crashed; see the daemon's log"
        finally:
            verification.ended_at = trio.current_time()
            verification.trouble = verification.trouble or (
                "it was cancelled" if verification.scope.cancelled_caught else None
            )
            log.info("dry run ended", site=str(verification.stored.site), complete=verification.trouble is None)

    async def _watch(self, verification: Verification, runner: object) -> None:
        """End a dry run that no one asks for, or whose connection is restarted, paused or stopped."""
        while trio.current_time() - verification.asked_at < FORGET_SECONDS:
            await trio.sleep(LOOK_SECONDS)
            if self.supervisor.find(verification.stored.id) is not runner or await self._is_over(verification.stored):
                verification.trouble = "the connection was restarted, paused or stopped meanwhile; try again"
                break
        verification.scope.cancel()

    async def _is_over(self, stored: Stored) -> bool:
        """Return whether a connection was paused or disconnected: on another node, no runner here shows it."""
        with contextlib.suppress(StorageTrouble):
            present = await self.storage.read(connections.find, stored.site)
            return (
                present is None
                or present.id != stored.id
                or present.state != stored.state
                or present.paused_at is not None
            )
        return False

    @contextlib.asynccontextmanager
    async def _live(self, stored: Stored) -> AsyncIterator[ConnectionContext]:
        """Lend the context of the connection's runner here, or of a guest."""
        runner = self.supervisor.find(stored.id)
        if runner is not None:
            yield runner.context
            return
        # Not one of `Guests`: it would keep SparkLayer's pulls waiting to the end.
        guest = self.factory.guest(self.factory.registry.decrypted(stored))
        try:
            yield guest.context
        finally:
            with trio.CancelScope(shield=True):
                await close(guest.context)


@contextlib.asynccontextmanager
async def scratch_database() -> AsyncIterator[Database]:
    """Lend an empty database in a folder of its own, which only this user can read, and which is deleted."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-verify-") as folder:
        async with open_database(Path(folder) / "scratch.db") as database:
            yield database
