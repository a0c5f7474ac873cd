"""What the merchant must fix: at most one issue for an entity, with all its problems in it.

`untold` says that SparkLayer has yet to be told of the issue as it is now, `maybe_told` that it may know of it in
some form; the latter is set *before* anything is sent, so an issue that is resolved always queues its id. An entity
has an issue or waits to be reported as synced, never both: so no id is in both lists of a report. `settled_run` is the
latest full sync there was when the entity was last worked on, which `daemon.storage.absent` needs.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, select, update

from daemon.model import LOGGED_KINDS, ConnectionId, ExternalId, Kind
from daemon.outcome import IssueRow
from daemon.storage.ledger import latest_run
from daemon.storage.tables import issues, synced
from daemon.storage.upsert import insert


def replace(
    conn: Connection,
    connection_id: ConnectionId,
    kind: Kind,
    now: float,
    entities: Sequence[tuple[ExternalId, IssueRow | None, bool]],
) -> None:
    """Open, change or resolve the issues of (id, issue, report) and note what has to be reported."""
    ids = [external_id for external_id, _, _ in entities]
    if not ids:
        return
    c = issues.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    rows = conn.execute(select(c.external_id, c.fingerprint, c.maybe_told).where(*mine, c.external_id.in_(ids)))
    present = {row.external_id: row for row in rows}
    opened = [
        (external_id, issue)
        for external_id, issue, report in entities
        if issue is not None
        and (report or external_id not in present or present[external_id].fingerprint != issue.fingerprint)
    ]
    resolved = [external_id for external_id, issue, _ in entities if issue is None and external_id in present]
    told = [
        external_id
        for external_id, issue, report in entities
        if issue is None and (report or (external_id in present and present[external_id].maybe_told))
    ]
    _open(conn, connection_id, kind, now, opened)
    still = [external_id for external_id, issue, _ in entities if issue is not None]
    if still:
        run = latest_run(conn, connection_id, kind)
        conn.execute(update(issues).where(*mine, c.external_id.in_(still)).values(settled_run=run))
    if resolved:
        conn.execute(delete(issues).where(*mine, c.external_id.in_(resolved)))
    if kind in LOGGED_KINDS:
        _queue(conn, connection_id, kind, told)


def listed(conn: Connection, connection_id: ConnectionId, kind: Kind) -> list[tuple[ExternalId, float, bytes]]:
    """Return the open issues of a kind as (id, since when, encrypted text), the oldest first."""
    c = issues.c
    query = select(c.external_id, c.opened_at, c.encrypted).where(
        c.connection_id == connection_id, c.kind == kind.value
    )
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
    c = synced.c
    mine = (c.connection_id == connection_id, c.kind == kind.value, c.external_id.in_([one for one, _ in opened]))
    # Who waits to be reported as synced may stand in SparkLayer with an earlier issue, which is not resolved yet.
    doubtful = {row.external_id for row in conn.execute(select(c.external_id).where(*mine))}
    new = insert(issues)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=["connection_id", "kind", "external_id"],
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
        conn.execute(delete(synced).where(*mine))


def _queue(conn: Connection, connection_id: ConnectionId, kind: Kind, ids: Sequence[ExternalId]) -> None:
    """Note that `ids` are to be reported as synced."""
    if not ids:
        return
    conn.execute(
        insert(synced).on_conflict_do_update(
            index_elements=["connection_id", "kind", "external_id"], set_={"revision": synced.c.revision + 1}
        ),
        [
            {"connection_id": connection_id, "kind": kind.value, "external_id": external_id, "revision": 1}
            for external_id in ids
        ],
    )


def count(conn: Connection, connection_id: ConnectionId, kind: Kind) -> int:
    """Return how many issues are open."""
    c = issues.c
    mine = (c.connection_id == connection_id, c.kind == kind.value)
    return conn.execute(select(func.count()).where(*mine)).scalar_one()


def tell_anew(conn: Connection, connection_id: ConnectionId, kind: Kind) -> None:
    """Owe every issue anew: a PUT has replaced all errors, so whatever was not in it is untold."""
    c = issues.c
    conn.execute(update(issues).where(c.connection_id == connection_id, c.kind == kind.value).values(untold=True))


def told(conn: Connection, connection_id: ConnectionId, kind: Kind, sent: Sequence[tuple[ExternalId, bytes]]) -> None:
    """Note that SparkLayer knows these issues, unless they have changed since they were sent: (id, digest)."""
    c = issues.c
    if sent:
        conn.execute(
            update(issues)
            .where(
                c.connection_id == connection_id,
                c.kind == kind.value,
                c.external_id == bindparam("b_id"),
                c.fingerprint == bindparam("b_digest"),
            )
            .values(untold=False),
            [{"b_id": external_id, "b_digest": fingerprint} for external_id, fingerprint in sent],
        )
