"""The issues that the merchant must fix: at most one for an entity, with all its problems in it.

`untold` says that SparkLayer has yet to be told of the issue as it is now, `maybe_told` that it may know of it in
some form. An entity has an issue or waits to be reported as synced, never both: so no id is in both lists of a report.
`settled_run` is the latest full sync at the time when the entity was last worked on, which `daemon.storage.ledger`
needs.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, select, update

from daemon.model import LOGGED_KINDS, ConnectionId, ExternalId, Kind
from daemon.model.outcome import IssueRow
from daemon.storage.ledger import latest_run
from daemon.storage.prepared import PreparedAmong, among, given, of_given_kind
from daemon.storage.tables import issues, of_kind, synced
from daemon.storage.upsert import Upsert, insert


def replace(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    now: float,
    entities: Sequence[tuple[ExternalId, IssueRow | None, bool]],
) -> None:
    """Open, change or resolve the issues of (id, issue, report), and note what has to be reported."""
    if not entities:
        return
    of_this = given(connection_id, kind)
    rows = _PRESENT(conn, (external_id for external_id, _, _ in entities), **of_this)
    present = {row.external_id: row for row in rows}
    opened = [
        (external_id, issue)
        for external_id, issue, report in entities
        if issue is not None
        and (report or external_id not in present or present[external_id].fingerprint != issue.fingerprint)
    ]
    still_open = [external_id for external_id, issue, _ in entities if issue is not None]
    synced_ids = [
        external_id
        for external_id, issue, report in entities
        # SparkLayer may show an issue that it was maybe told of until the id is reported as synced.
        if issue is None and (report or (external_id in present and present[external_id].maybe_told))
    ]
    _open(conn, connection_id, kind, now, opened)
    # Also of issues that are the same as before: a full sync must not take the entity for absent.
    if still_open:
        _WORKED_ON(conn, still_open, run=latest_run(conn, connection_id, kind), **of_this)
    if resolved := present.keys() - set(still_open):
        _RESOLVE(conn, resolved, **of_this)
    # The other kinds have no sync-log, so their ids would never leave the table.
    if synced_ids and kind in LOGGED_KINDS:
        fixed = {"connection_id": connection_id, "kind": kind.value}
        _REPORT(conn, [{**fixed, "external_id": external_id} for external_id in synced_ids])


def listed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[tuple[ExternalId, float, bytes]]:
    """Return the open issues of a kind as (id, seconds when it opened, encrypted text), the oldest first."""
    c = issues.c
    query = select(c.external_id, c.opened_at, c.encrypted).where(*of_kind(issues, connection_id, kind))
    return [(row[0], row[1], row[2]) for row in conn.execute(query.order_by(c.opened_at, c.external_id))]


def _open(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    now: float,
    opened: Sequence[tuple[ExternalId, IssueRow]],
) -> None:
    if not opened:
        return
    ids = [external_id for external_id, _ in opened]
    waiting = (*of_kind(synced, connection_id, kind), among(conn, synced.c.external_id, ids))
    # SparkLayer may still show an earlier issue of an entity that waits to be reported as synced.
    doubtful = {row.external_id for row in conn.execute(select(synced.c.external_id).where(*waiting))}
    new = insert(issues)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=["connection_id", "kind", "external_id"],
            # `opened_at` and `maybe_told` stay: the merchant sees since when, and SparkLayer may show an earlier text.
            set_={"fingerprint": new.excluded.fingerprint, "encrypted": new.excluded.encrypted, "untold": True},
        ),
        [
            {
                "connection_id": connection_id,
                "kind": kind.value,
                "external_id": external_id,
                "fingerprint": issue.fingerprint,
                "encrypted": issue.encrypted,
                "untold": True,
                "maybe_told": external_id in doubtful,
                "opened_at": now,
            }
            for external_id, issue in opened
        ],
    )
    if doubtful:
        conn.execute(delete(synced).where(*waiting))


def count(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return the number of open issues."""
    return conn.execute(select(func.count()).where(*of_kind(issues, connection_id, kind))).scalar_one()


def opened_between(conn: Connection, connection_id: ConnectionId, kind: Kind, after: float, until: float) -> int:
    """Return the number of open issues that opened after one time and until another, in seconds since the epoch."""
    opened = issues.c.opened_at
    query = select(func.count()).where(*of_kind(issues, connection_id, kind), opened > after, opened <= until)
    return conn.execute(query).scalar_one()


_C = issues.c
_MINE = of_given_kind(issues)
_PRESENT = PreparedAmong(select(_C.external_id, _C.fingerprint, _C.maybe_told).where(*_MINE), _C.external_id)
_WORKED_ON = PreparedAmong(update(issues).where(*_MINE).values(settled_run=bindparam("run")), _C.external_id)
_RESOLVE = PreparedAmong(delete(issues).where(*_MINE), _C.external_id)
# The revision tells a report that was sent from one that became due while it was on its way.
_REPORT = Upsert(synced, ["connection_id", "kind", "external_id"], {"revision": synced.c.revision + 1}, revision=1)
