"""The moments between two stations of the line at which a daemon under test dies, by name.

Every station ends in a transaction, and every transaction passes `WorkerConnection.transact`: so a moment is an
operation of the storage, and whether it is about to run, has run without being committed, or is committed and
nobody has been told.
Two more lie at the calls to both sides' APIs. `arm` wraps the daemon's function at that place so that the process
kills itself there; nothing of it stands in the daemon, and a daemon that is not armed knows nothing of it.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeVar

from attrs import define, frozen

from daemon.storage import connections, full_syncs, ledger, outbox, sweeps, sync_log, vault
from daemon.storage.group_commit import apply
from daemon.storage.migrate import upgrade
from daemon.storage.settle import settle
from daemon.storage.sqlite import WorkerConnection
from daemon.transport.http import Answer, Api

R = TypeVar("R")


class When(Enum):
    """Stage of an operation."""

    ASKED = auto()
    WRITTEN = auto()
    COMMITTED = auto()


@frozen
class Station:
    """An operation of the storage at a moment; `concerns` tells the results that count, before there are any: all."""

    operation: Callable[..., Any]
    when: When
    concerns: Callable[[Any], bool] = lambda _: True


@frozen
class Call:
    """A request to either side, before it is sent or when it was answered."""

    answered: bool


Point = Station | Call


def _found(result: Any) -> bool:
    """Return true if there was something to do."""
    return result not in (None, False, [], set())


FIRST: Mapping[str, Point] = {
    "schema made, not committed": Station(upgrade, When.WRITTEN),
    "schema committed": Station(upgrade, When.COMMITTED),
    "fingerprint key committed": Station(vault._stored_or, When.COMMITTED),
    "connection adopted": Station(connections.adopt, When.COMMITTED),
    "first run stored, nothing told": Station(full_syncs.start, When.COMMITTED),
}
"""At the first start on a new database, in this order."""

RUN: Mapping[str, Point] = {
    "run stored, not committed": Station(full_syncs.start, When.WRITTEN, _found),
    "run stored, its start not told": Station(full_syncs.start, When.COMMITTED, _found),
    "page asked for, not taken in": Station(full_syncs.take_page, When.ASKED),
    "page taken in, not committed": Station(full_syncs.take_page, When.WRITTEN),
    "page committed, nobody woken": Station(full_syncs.take_page, When.COMMITTED),
    "enumerated": Station(full_syncs.finish_enumeration, When.COMMITTED),
    "end about to be stored": Station(full_syncs.close_if_drained, When.WRITTEN, _found),
    "end stored, not sent": Station(full_syncs.close_if_drained, When.COMMITTED, _found),
    "report taken, not sent": Station(sync_log.take, When.COMMITTED, _found),
    "report accepted, not noted": Station(sync_log.confirm, When.ASKED),
    "report noted": Station(sync_log.confirm, When.COMMITTED),
}
"""In a full sync."""

LIVE: Mapping[str, Point] = {
    "webhook recorded, not committed": Station(outbox.record, When.WRITTEN),
    "webhook committed, not answered": Station(outbox.record, When.COMMITTED),
    "claimed, nothing read": Station(outbox.claim, When.COMMITTED, _found),
    "about to be marked unsure": Station(ledger.mark, When.WRITTEN),
    "marked unsure, nothing sent": Station(ledger.mark, When.COMMITTED),
    "pushed, not settled": Station(settle, When.ASKED),
    "settled, not committed": Station(settle, When.WRITTEN),
    "settled, sync-log not told": Station(settle, When.COMMITTED),
    "call about to be sent": Call(answered=False),
    "call answered, nothing known of it": Call(answered=True),
}
"""While the store changes."""

LEAVE: Mapping[str, Point] = {
    "leaving, not committed": Station(connections.leave, When.WRITTEN, _found),
    "leaving, nothing cleaned up": Station(connections.leave, When.COMMITTED, _found),
    "cleaned up, not wiped": Station(connections.wipe, When.ASKED),
    "wiped, not committed": Station(connections.wipe, When.WRITTEN),
    "wiped": Station(connections.wipe, When.COMMITTED),
}
"""While a site is disconnected; in this order each goes on where the one before has stopped."""

CONNECT: Mapping[str, Point] = {
    "connection begun, not committed": Station(connections.begin, When.WRITTEN),
    "connection begun, nobody works on it": Station(connections.begin, When.COMMITTED),
}
"""While the site is connected again."""

SWEEP: Mapping[str, Point] = {
    "sweep taken in, nobody woken": Station(sweeps.take_swept, When.COMMITTED, _found),
    "swept, not noted": Station(sweeps.store_swept, When.ASKED),
}
"""While what changed lately is read."""

POINTS: Mapping[str, Point] = {**FIRST, **RUN, **LIVE, **SWEEP, **LEAVE, **CONNECT}


@define
class Fuse:
    """Kills the process when it is struck for the `left`th time."""

    left: int

    def strike(self) -> None:
        """Count down; from whatever thread."""
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(point: Point, fuse: Fuse) -> None:
    """Have this process die at a point."""
    if isinstance(point, Station):
        _arm_storage(point, fuse)
    else:
        _arm_calls(fuse, answered=point.answered)


def _arm_storage(station: Station, fuse: Fuse) -> None:
    transact = WorkerConnection.transact

    def transact_or_die(connection: WorkerConnection, fn: Callable[..., R], *args: Any) -> R:
        if station.when is When.ASKED and _takes_part(station, fn, args):
            fuse.strike()

        def work(*given: Any) -> R:
            result = fn(*given)
            if station.when is When.WRITTEN and _concerned(station, fn, args, result):
                fuse.strike()
            return result

        result = transact(connection, work, *args)
        if station.when is When.COMMITTED and _concerned(station, fn, args, result):
            fuse.strike()
        return result

    WorkerConnection.transact = transact_or_die  # type: ignore[method-assign, assignment]  # that is what arming a point is


def _takes_part(station: Station, fn: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Return true if a transaction has the station's operation in it; a commit has many, in groups."""
    return fn is station.operation or (fn is apply and any(one is station.operation for one, _ in args[0]))


def _concerned(station: Station, fn: Callable[..., Any], args: Sequence[Any], result: Any) -> bool:
    """Return true if a transaction had the station's operation, with a result that counts."""
    if fn is not apply:
        return fn is station.operation and station.concerns(result)
    operations = [one for one, calls in args[0] for _ in calls]
    return any(
        one is station.operation and station.concerns(outcome) for one, outcome in zip(operations, result, strict=True)
    )


def _arm_calls(fuse: Fuse, *, answered: bool) -> None:
    send = Api.send

    async def send_or_die(api: Api, *args: Any, **options: Any) -> Answer:
        if not answered:
            fuse.strike()
        answer = await send(api, *args, **options)
        if answered:
            fuse.strike()
        return answer

    Api.send = send_or_die  # type: ignore[method-assign, assignment]  # that is what arming a point is
