"""Consequences of other nodes' commits, which their messages tell of, or a look at the database.

The tasks of the connections that are worked on here are woken, and the registry's endpoints follow the database.
"""

from collections.abc import Iterable, Mapping, Sequence

import structlog
import trio
from attrs import field, frozen

from daemon.connections.following import Following
from daemon.engine.context import KindState
from daemon.engine.runner import ConnectionRunner
from daemon.engine.signal import Signal
from daemon.engine.supervisor import Supervisor
from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Change, ConnectionId, ExternalId, Kind, RunId
from daemon.observability.logging import log_storage_trouble
from daemon.storage.database import Storage
from daemon.storage.standing import Standing, standings

TRY_EVERY = 1.0

log = structlog.get_logger()


@frozen(kw_only=True)
class Events:
    """Takes messages (`receive`), looks in the database (`look`), and follows changed connections (`run`)."""

    storage: Storage
    supervisor: Supervisor
    following: Following
    _changed: Signal = field(init=False, factory=Signal)
    _seen: dict[ConnectionId, Standing] = field(init=False, factory=dict)
    """The standings at the last look."""

    async def run(self) -> None:
        """Follow changes of connections until cancelled."""
        while True:
            await self._changed.wait()
            try:
                await self.following.follow()
            except StorageTrouble as error:
                log_storage_trouble(error)
                await trio.sleep(TRY_EVERY)
                self._changed.set()
            except ConfigError as error:
                log.error("connections of other nodes not taken over", reason=str(error))  # noqa: TRY400

    def receive(self, words: Sequence[str]) -> None:
        """Do what a message asks for; see `daemon.connections.wakeups`. An unknown one is a later release's."""
        match words:
            case ["connections"]:
                self._changed.set()
            case ["leases"]:
                self.following.lifecycle.tenure.wake()
            case [("work" | "run" | "cancelled" | "gap" | "word" | "heard" | "arrived") as event, number, *rest]:
                runner = self.supervisor.find(ConnectionId(int(number))) if number.isdecimal() else None
                if runner is not None:
                    _tell(runner, event, rest)
            case _:
                log.debug("unknown message", message=words[0])

    async def look(self) -> None:
        """Wake what may have something to do. Raises StorageTrouble."""
        present = await self.storage.read(standings, self.following.lifecycle.now())
        before = dict(self._seen)
        self._seen.clear()
        self._seen.update(present)
        self.following.lifecycle.tenure.wake()
        if _connected(before) != _connected(present):
            self._changed.set()
        for connection_id, standing in present.items():
            runner = self.supervisor.find(connection_id)
            if runner is not None:
                _wake(runner, standing, before.get(connection_id))


def _connected(standings: Mapping[ConnectionId, Standing]) -> dict[ConnectionId, tuple[str, bytes, bool]]:
    return {id_: (standing.state, standing.credentials, standing.paused) for id_, standing in standings.items()}


def _wake(runner: ConnectionRunner, standing: Standing, before: Standing | None) -> None:
    """Wake the tasks of a connection that may have something to do."""
    if standing.fresh:
        runner.context.deliveries.taken()
    for kind_state in _of(runner, standing.due):
        kind_state.wake()
    for kind_state in _of(runner, standing.gapped):
        kind_state.gap.set()
    for kind_state in _of(runner, standing.owing):
        kind_state.report.set()
    for kind, full_syncs in runner.full_syncs.items():
        run = standing.runs.get(kind)
        if before is None or before.runs.get(kind) != run:
            full_syncs.follow(run)
            runner.context.kind_states[kind].run_started()


def _tell(runner: ConnectionRunner, event: str, words: Sequence[str]) -> None:
    """Tell a connection's tasks of a message; a kind that is not synced here is passed over."""
    context = runner.context
    if event == "heard":
        context.deliveries.taken()
    if event == "word":
        for kind_state in context.kind_states.values():
            kind_state.wake()
            kind_state.report.set()
    for kind in [kind for kind in context.kind_states if kind.value in words[:1]]:
        kind_state = context.kind_states[kind]
        match event, words[1:]:
            case "work", _:
                kind_state.wake()
            case "run", _:
                kind_state.run_started()
            case "gap", _:
                kind_state.gap.set()
            case "cancelled", [run] if run.isdecimal():
                runner.full_syncs[kind].ended(RunId(int(run)))
            case "arrived", [external_id]:
                context.deliveries.arrived([Change(kind, ExternalId(external_id))])


def _of(runner: ConnectionRunner, kinds: Iterable[Kind]) -> list[KindState]:
    states = runner.context.kind_states
    return [states[kind] for kind in kinds if kind in states]
