"""What SparkLayer has not been told yet through its sync-log.

A full sync's start is owed as a PUT, its end as the last PATCH; between them issues that are `untold` and the ids in
`synced` are owed as PATCHes. A snapshot is taken before something is sent and confirmed after it was accepted; what
changed meanwhile stays owed. Nothing is owed twice in one report: an entity has an issue or is synced.
"""

from collections.abc import Sequence

from attrs import field, frozen
from sqlalchemy import Connection, RowMapping, bindparam, delete, func, select, update

from daemon.model import ConnectionId, ExternalId, Kind, RunId
from daemon.storage import issues as issue_table
from daemon.storage.outbox import active
from daemon.storage.tables import full_syncs, issues, sync_log, synced

MAX_ERRORS = 5000
"""How many errors SparkLayer keeps (sparklayer.md section 8)."""


@frozen(kw_only=True)
class Report:
    """What is sent next: a PUT when `full`, else a PATCH.

    `errors` are (id, digest, encrypted), `resolved` (id, revision). `run` is the run whose start (PUT) or end (PATCH)
    this tells; the two timestamps and `succeeded` are those of the sync-log as it shall be afterwards.
    """

    connection_id: ConnectionId
    kind: Kind
    full: bool
    run: RunId | None
    started_at: float | None
    last_full_sync: float | None
    succeeded: bool | None
    errors: Sequence[tuple[ExternalId, bytes, bytes]] = field(repr=False)
    resolved: Sequence[tuple[ExternalId, int]] = field(repr=False)


def take(conn: Connection, calls: Sequence[tuple[ConnectionId, Kind]]) -> list[Report | None]:
    """Return what each (connection, kind) must send next, None when nothing is owed; note what it may reveal."""
    alive = active(conn, (connection for connection, _ in calls))
    return [_take(conn, connection, kind) if connection in alive else None for connection, kind in calls]


def _take(conn: Connection, connection_id: ConnectionId, kind: Kind) -> Report | None:
    c = sync_log.c
    log = conn.execute(select(sync_log).where(c.connection_id == connection_id, c.kind == kind.value)).one_or_none()
    if log is None or (log.put_for is None and not log.ever_put):
        return None
    full = log.put_for is not None
    errors = _errors(conn, connection_id, kind, everything=full)
    resolved = _resolved(conn, connection_id, kind)
    ended = None if full else _ended(conn, connection_id, kind)
    if not (full or errors or resolved or ended):
        return None
    _note_maybe_told(conn, connection_id, kind, [external_id for external_id, _, _ in errors])
    return Report(
        connection_id=connection_id,
        kind=kind,
        full=full,
        run=log.put_for if full else ended["id"] if ended else None,
        started_at=log.started_at,
        last_full_sync=ended["finished_at"] if ended else log.last_full_sync,
        succeeded=ended["succeeded"] if ended else log.last_succeeded,
        errors=errors,
        resolved=resolved,
    )


def _errors(
    conn: Connection, connection_id: ConnectionId, kind: Kind, *, everything: bool
) -> list[tuple[ExternalId, bytes, bytes]]:
    """Return what a report says of issues: all of them in a PUT, else the untold ones that there is room for."""
    c = issues.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    query = select(c.external_id, c.fingerprint, c.encrypted).where(*mine).order_by(c.opened_at, c.external_id)
    if everything:
        return [(row.external_id, row.fingerprint, row.encrypted) for row in conn.execute(query.limit(MAX_ERRORS))]
    told = conn.execute(select(func.count()).where(*mine, c.maybe_told)).scalar_one()
    known = conn.execute(query.where(c.untold, c.maybe_told)).all()
    new = conn.execute(query.where(c.untold, ~c.maybe_told).limit(max(0, MAX_ERRORS - told))).all()
    return [(row.external_id, row.fingerprint, row.encrypted) for row in (*known, *new)]


def _resolved(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[tuple[ExternalId, int]]:
    c = synced.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    rows = conn.execute(select(c.external_id, c.revision).where(*mine).limit(MAX_ERRORS))
    return [(row.external_id, row.revision) for row in rows]


def _ended(conn: Connection, connection_id: ConnectionId, kind: Kind) -> RowMapping | None:
    c = full_syncs.c
    return (
        conn.execute(
            select(c.id, c.finished_at, c.succeeded).where(
                c.connection_id == connection_id, c.kind == kind.value, c.state == "ending"
            )
        )
        .mappings()
        .one_or_none()
    )


def _note_maybe_told(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Sequence[ExternalId]) -> None:
    c = issues.c
    if ids:
        conn.execute(
            update(issues)
            .where(c.connection_id == connection_id, c.kind == kind.value, c.external_id == bindparam("b_id"))
            .values(maybe_told=True),
            [{"b_id": external_id} for external_id in ids],
        )


def confirm(conn: Connection, calls: Sequence[Report]) -> list[None]:
    """Note that SparkLayer accepted reports."""
    alive = active(conn, (call.connection_id for call in calls))
    for call in calls:
        if call.connection_id in alive:
            _confirm(conn, call)
    return [None] * len(calls)


def _confirm(conn: Connection, report: Report) -> None:
    if report.full:
        issue_table.owe_all(conn, report.connection_id, report.kind)
    issue_table.told(conn, report.connection_id, report.kind, [(i, fingerprint) for i, fingerprint, _ in report.errors])
    c = synced.c
    if report.resolved:
        conn.execute(
            delete(synced).where(
                c.connection_id == report.connection_id,
                c.kind == report.kind.value,
                c.external_id == bindparam("b_id"),
                c.revision == bindparam("b_revision"),
            ),
            [{"b_id": external_id, "b_revision": revision} for external_id, revision in report.resolved],
        )
    log = sync_log.c
    mine = (log.connection_id == report.connection_id, log.kind == report.kind.value)
    if report.full:
        conn.execute(update(sync_log).where(*mine).values(ever_put=True))
        conn.execute(update(sync_log).where(*mine, log.put_for == report.run).values(put_for=None))
    elif report.run is not None:
        ended = {"last_full_sync": report.last_full_sync, "last_succeeded": report.succeeded}
        conn.execute(update(sync_log).where(*mine).values(**ended))
        conn.execute(update(full_syncs).where(full_syncs.c.id == report.run).values(state="ended"))


def owe_put(conn: Connection, calls: Sequence[tuple[ConnectionId, Kind]]) -> list[None]:
    """SparkLayer has lost its log: owe it the stored state as a PUT."""
    c, log = full_syncs.c, sync_log.c
    for connection_id, kind in calls:
        newest = (
            select(func.max(c.id))
            .where(c.connection_id == connection_id, c.kind == kind.value, c.mode != "daily")
            .scalar_subquery()
        )
        conn.execute(
            update(sync_log).where(log.connection_id == connection_id, log.kind == kind.value).values(put_for=newest)
        )
    return [None] * len(calls)


def untold(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return how many issues SparkLayer has not been told of."""
    c = issues.c
    mine = (c.connection_id == connection_id, c.kind == kind.value, c.untold)
    return conn.execute(select(func.count()).where(*mine)).scalar_one()
