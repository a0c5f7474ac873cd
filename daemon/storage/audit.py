"""The audit log: one row for each action that an operator asked for, kept for `KEPT` seconds.

A row is committed before the action, with the outcome `begun`, and again when its result is known: so no action is
missing, and one that a crash cut off is still `begun`. The encrypted part may quote ids of entities and errors.
"""

from attrs import asdict, field, frozen
from sqlalchemy import Connection, delete, select, update

from daemon.storage.group_commit import one_by_one
from daemon.storage.states import AuditOutcome
from daemon.storage.tables import audit

KEPT = 90 * 86_400.0
"""Seconds. A quarter of a year, and no longer, since the names of tokens may be those of people."""


@frozen(kw_only=True)
class OperatorAction:
    """An action that begins. `site` and `kind` are None where it has none; `encrypted` has its other parameters."""

    at: float
    operator: str
    action: str
    site: str | None
    kind: str | None
    request_id: str | None
    encrypted: bytes = field(repr=False)


@frozen(kw_only=True)
class ActionResult:
    """The result of an action; `encrypted` has its parameters and the answer."""

    id: int
    outcome: AuditOutcome
    encrypted: bytes = field(repr=False)


@frozen(kw_only=True)
class AuditRow(OperatorAction):
    """A row as it is stored; at its end `encrypted` has the answer too."""

    id: int
    outcome: AuditOutcome


@frozen(kw_only=True)
class AuditChoice:
    """The latest actions to list, at most `limit`: since a time in seconds, and before the one with an id.

    None stands for every site, every operator, and for the end of the log.
    """

    since: float
    limit: int
    site: str | None = None
    operator: str | None = None
    before: int | None = None


@one_by_one
def begin(conn: Connection, call: OperatorAction) -> int:
    """Store an action before it begins, forget those that are too old, and return its id."""
    conn.execute(delete(audit).where(audit.c.at < call.at - KEPT))
    stored = conn.execute(audit.insert().values(**asdict(call), outcome=AuditOutcome.BEGUN).returning(audit.c.id))
    return int(stored.scalar_one())


@one_by_one
def end(conn: Connection, call: ActionResult) -> None:
    """Store the result of an action."""
    values = {"outcome": call.outcome, "encrypted": call.encrypted}
    conn.execute(update(audit).where(audit.c.id == call.id).values(**values))


def listed(conn: Connection, choice: AuditChoice) -> list[AuditRow]:
    """Return the chosen actions, the latest first."""
    c, chosen = audit.c, [audit.c.at >= choice.since]
    chosen += [c.site == choice.site] if choice.site is not None else []
    chosen += [c.operator == choice.operator] if choice.operator is not None else []
    chosen += [c.id < choice.before] if choice.before is not None else []
    # By id and not by time: a page begins before an id, and a clock may have gone back.
    rows = conn.execute(select(audit).where(*chosen).order_by(c.id.desc()).limit(choice.limit)).mappings()
    return [AuditRow(**{**row, "outcome": AuditOutcome(row["outcome"])}) for row in rows]
