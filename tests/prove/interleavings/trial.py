"""A trial: two operations on the same database in one order of their statements, and a judgement of its end.

Both must end without an error, and the database as if one operation had been made after the other, in either order:
with the same rows, except for new ids. One that passes over locked rows may have done nothing, or with other leases.
So nothing recorded is lost, unless the other operation alone would take it away. Four invariants are judged besides:
one current run a kind, one active connection a site, no row of a wiped connection, a higher token with each takeover.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import outcome
import psycopg
from attrs import frozen
from psycopg import sql
from sqlalchemy import Connection, select

from daemon.model import Secret
from daemon.storage import postgres
from daemon.storage.migrate import upgrade
from daemon.storage.tables import metadata
from tests.prove.interleavings.day import Day, made
from tests.prove.interleavings.operations import EVERY, FENCED, INTAKE, NODE, OWNER, SKIPS, Make
from tests.prove.interleavings.orders import Order, alike, commute, orders
from tests.prove.interleavings.session import Pair, Played

FIRST_NEW = {"connections": 1000, "full_syncs": 2000, "audit": 3000}
"""The ids that the operations give begin here."""

Content = Mapping[str, Sequence[str]]
Name = tuple[str, str]

HARMLESS: Mapping[Name, str] = {
    ("retry parked", "finish enumeration"): "the run asks for the entity too: one revision more",
    ("drop parked", "finish enumeration"): "the run asks for the entity: it is read once more",
    ("look after a failover", "begin again"): "a connection that begins now has lost nothing: it needs no gap",
}
"""Pairs that may end as neither order of the two does, and the reason; errors and broken invariants count there too."""

TAKERS = frozenset({"node0", "node1"})

RUNS = ("full_sync_id", "parked_run", "settled_run", "seen_run", "put_for", "run")


def pairs() -> list[Name]:
    """Return every pair of operations that two nodes may make at the same time."""
    both_intake = itertools.combinations_with_replacement(INTAKE, 2)
    both_nodes = itertools.combinations_with_replacement(NODE, 2)
    of_nodes = itertools.chain(both_nodes, itertools.product(NODE, [*INTAKE, *FENCED]))
    return [*both_intake, *itertools.product(INTAKE, OWNER), *of_nodes]


@frozen(kw_only=True)
class Wrong:
    """An order of two operations that ended wrongly."""

    names: Name
    order: Sequence[int]
    fault: str
    said: Sequence[str]

    def __str__(self) -> str:
        return "\n  ".join(
            [f"{' + '.join(self.names)}, order {''.join(map(str, self.order))}: {self.fault}", *self.said]
        )


class Bench:
    """A database that is set back before each trial."""

    def __init__(self, url: Secret) -> None:
        engine = postgres.engine(url, postgres.WRITE)
        with engine.begin() as conn:
            upgrade(conn)
            self.day: Day = made(conn)
            self._restore = _as_sql(conn)
        engine.dispose()
        self._conn = psycopg.connect(url.reveal(), autocommit=True)
        self.pair = Pair(url)
        self.trials = 0

    def close(self) -> None:
        self.pair.close()
        self._conn.close()

    def empty(self, *names: str) -> None:
        """Leave these names alone in the table `meta`."""
        self._conn.execute("DELETE FROM meta")
        for name in names:
            self._conn.execute("INSERT INTO meta VALUES (%s, '')", [name])

    def wrong(self, names: Name, *, long: bool) -> Iterator[Wrong]:
        """Try a pair in its orders: one change of hands in the short form, and two in the long one."""
        make = [EVERY[name] for name in names]
        one, other = (self.play(make, order) for order in ([0] * 99, [1] * 99))
        if not _meet(one, other):
            return
        allowed = [self._content_after(make, order) for order in ([0] * 99, [1] * 99)]
        allowed += [self._content_without(make, number) for number, name in enumerate(names) if name in SKIPS]
        # A take that finds one lease locked may take another one.
        partly = not SKIPS.isdisjoint(names)
        numbers = one.statements[0], other.statements[1]
        known: set[Order] = set()
        for order in orders(*numbers, long=long):
            if order in known:
                continue
            hands = order.hands(numbers[order.begins])
            played = self.play(make, hands)
            fault = self._fault(played, allowed, harmless=names in HARMLESS, partly=partly)
            if fault is None:
                known.update(alike(order, played, numbers[1 - order.begins]))
            else:
                yield Wrong(names=names, order=hands, fault=fault, said=played.said)

    def play(self, make: Sequence[Make], order: Sequence[int]) -> Played:
        """Set the database back, and make both operations in an order of their statements."""
        self._conn.execute(self._restore)
        self.trials += 1

        def work(number: int) -> Any:
            operation, call = make[number](self.day, number)
            return lambda conn: operation(conn, [call])[0]

        return self.pair.play(work(0), work(1), order)

    def _content_after(self, make: Sequence[Make], order: Sequence[int]) -> Content:
        played = self.play(make, order)
        for result in played.results:
            result.unwrap()
        return self.content()

    def _content_without(self, make: Sequence[Make], number: int) -> Content:
        """Return the content if one of two operations has found all its rows locked."""
        other: list[Make] = [_nothing, _nothing]
        other[1 - number] = make[1 - number]
        return self._content_after(other, [1 - number] * 99)

    def _fault(self, played: Played, allowed: Sequence[Content], *, harmless: bool, partly: bool) -> str | None:
        errors = [str(result.error) for result in played.results if isinstance(result, outcome.Error)]
        if errors:
            return errors[0].splitlines()[0]
        content = self.content()
        if harmless or content in allowed or (partly and _without_leases(content) in map(_without_leases, allowed)):
            return _broken(self._rows())
        return "neither order of the two ends so: " + min((_difference(content, other) for other in allowed), key=len)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in metadata.tables}
        for name, row in self._conn.execute(_EVERYTHING):
            rows[name].append(row)
        return rows

    def content(self) -> Content:
        """Return all rows, in which a new id is called by what it stands for."""
        rows = self._rows()
        connections = {row["id"]: f"{row['site_id']} {row['encrypted']}" for row in rows["connections"]}
        runs = {
            row["id"]: f"{connections.get(row['connection_id'])} {row['kind']} {row['mode']} {row['started_at']}"
            for row in rows["full_syncs"]
        }

        def name(table: str, column: str, value: Any) -> Any:
            if (table, column) == ("audit", "id"):
                return value if value < FIRST_NEW["audit"] else "new"
            if column in RUNS or (table, column) == ("full_syncs", "id"):
                return runs.get(value, value) if value and value >= FIRST_NEW["full_syncs"] else value
            of_connection = column == "connection_id" or (table, column) == ("connections", "id")
            return connections.get(value, value) if of_connection and value >= FIRST_NEW["connections"] else value

        return {
            table: sorted(
                json.dumps({column: name(table, column, value) for column, value in row.items()}) for row in found
            )
            for table, found in rows.items()
        }


def _nothing(_day: Day, _number: int) -> tuple[Any, Any]:
    return lambda _conn, _calls: [None], None


def _meet(one: Played, other: Played) -> bool:
    """Return whether two transactions have statements that do not commute: else no order matters."""
    mine, theirs = (
        [said[3:] for said in played.said if int(said[0]) == number] for number, played in enumerate((one, other))
    )
    both = [(mine, theirs), (theirs, mine)]
    return not all(commute(one, others, committed=True) for each, others in both for one in each)


def _broken(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """Return the invariant that a database breaks; None if it keeps all."""
    kept = {row["id"] for row in rows["connections"] if row["state"] != "gone"}
    active = Counter((row["site_env"], row["site_id"]) for row in rows["connections"] if row["state"] == "active")
    current = Counter(
        (row["connection_id"], row["kind"]) for row in rows["full_syncs"] if row["state"] in ("enumerating", "draining")
    )
    for lease in rows["leases"]:
        # The silent node has the first token of the leases that were there before.
        first = int(lease["connection_id"] < FIRST_NEW["connections"])
        if lease["token"] == first if lease["node_id"] in TAKERS else lease["token"] != first:
            return "a lease has changed hands without a higher token"
    if any(number > 1 for number in active.values()):
        return "a site has two active connections"
    if any(number > 1 for number in current.values()):
        return "a kind has two current runs"
    for table, found in rows.items():
        if any(row.get("connection_id", next(iter(kept))) not in kept for row in found):
            return f"{table} has a row of a wiped connection"
    return None


def _without_leases(content: Content) -> Content:
    return {table: rows for table, rows in content.items() if table not in {"leases", "nodes"}}


def _difference(content: Content, other: Content) -> str:
    rows = {table: (set(content[table]), set(other[table])) for table in content if content[table] != other[table]}
    return "; ".join(
        f"{table}: {sorted(here - there)} for {sorted(there - here)}" for table, (here, there) in rows.items()
    )


_EVERYTHING = sql.SQL(" UNION ALL ").join(
    sql.SQL("SELECT {}, row_to_json(t) FROM {} t").format(sql.Literal(name), sql.Identifier(name))
    for name in metadata.tables
)


def _as_sql(conn: Connection) -> sql.Composed:
    """Return the statements that set the database back to its present rows, all at once."""
    tables = metadata.sorted_tables
    statements = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)) for table in reversed(tables)]
    for table in tables:
        rows = [
            sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, map(_plain, row))))
            for row in conn.execute(select(table))
        ]
        if rows:
            columns = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
            values = sql.SQL(", ").join(rows)
            insert = sql.SQL("INSERT INTO {} ({}) VALUES {}")
            statements.append(insert.format(sql.Identifier(table.name), columns, values))
    for name, first in FIRST_NEW.items():
        sequence = sql.Literal(f"{name}_id_seq")
        statements.append(sql.SQL("SELECT setval({}, {})").format(sequence, sql.Literal(first)))
    return sql.SQL("; ").join(statements)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
