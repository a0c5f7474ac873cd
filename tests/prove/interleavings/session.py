"""Two transactions on real connections, stopped before each of their statements, and advanced in a given order.

    pair = Pair(url)                                     # two threads, each with a connection of its own
    outcome = pair.play(first, second, [0, 0, 1, 1])     # two statements of the first, then two of the second, ...

What is behind the end of an order runs to its end: the transaction that was not advanced last, then the other. A
transaction that waits for a lock cannot be advanced: the other one is, until its end frees the lock. PostgreSQL itself
says that a transaction waits for a lock, so no time decides the meaning of an order.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import outcome
import psycopg
from attrs import field, frozen
from sqlalchemy import Connection, event

from daemon.model import Secret
from daemon.storage import postgres

PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL lock_timeout = '60s'"
"""Between two statements of one transaction there are many of the other."""

GLANCE = 0.004
"""Seconds to wait for a statement before PostgreSQL is asked if it waits for a lock."""

Work = Callable[[Connection], Any]


@frozen(kw_only=True)
class Played:
    """The results of both transactions, and the number of statements that each made."""

    results: Sequence[outcome.Outcome[Any]]
    statements: Sequence[int]
    said: Sequence[str] = field(repr=False)
    """Each statement in the order in which it was sent, after the number of its transaction."""


class _Session:
    """A connection and its thread; all that is shared is guarded by the pair's condition."""

    def __init__(self, url: Secret, changed: threading.Condition, say: Callable[[str], None]) -> None:
        self._engine = postgres.engine(url, postgres.WRITE)
        self._changed = changed
        self._say = say
        self._armed = False
        self._permits = 0
        self.stopped = False
        """True before a statement that is not permitted yet."""
        self.waits = False
        """True while it waits for a lock, which the other transaction keeps until its end."""
        self.result: outcome.Outcome[Any] | None = None
        self.statements = 0
        self.process_id = 0
        event.listen(self._engine, "begin", lambda conn: conn.exec_driver_sql(PATIENCE))
        event.listen(self._engine, "before_cursor_execute", lambda _c, _k, statement, *_: self._stop(statement))
        event.listen(self._engine, "commit", lambda _: self._stop("COMMIT"))

    def start(self, work: Work) -> None:
        self._permits, self.stopped, self.waits, self.result, self.statements = 0, False, False, None, 0
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Work) -> None:
        result = outcome.capture(self._transact, work)
        with self._changed:
            self._armed, self.result = False, result
            self._changed.notify_all()

    def _transact(self, work: Work) -> Any:
        with self._engine.connect() as conn, conn.begin():
            driver: Any = conn.connection.driver_connection
            self.process_id = driver.info.backend_pid
            self._armed = True
            return work(conn)

    def _stop(self, statement: str) -> None:
        """In the session's thread: wait until the next statement is permitted."""
        if not self._armed:
            return
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._permits)
            self._permits -= 1
            self.statements += 1
        self._say(statement)

    def permit(self) -> None:
        """With the condition held: let the next statement go."""
        self.stopped = False
        self._permits += 1
        self._changed.notify_all()

    @property
    def ended(self) -> bool:
        return self.result is not None

    def close(self) -> None:
        self._engine.dispose()


class Pair:
    """Two sessions on a database."""

    def __init__(self, url: Secret) -> None:
        self._changed = threading.Condition()
        self._said: list[str] = []
        self._sessions = [_Session(url, self._changed, partial(self._note, number)) for number in (0, 1)]
        self._watch = psycopg.connect(url.reveal(), autocommit=True)

    def _note(self, number: int, statement: str) -> None:
        self._said.append(f"{number}: {' '.join(statement.split())}")

    def close(self) -> None:
        self._watch.close()
        for session in self._sessions:
            session.close()

    def play(self, first: Work, second: Work, order: Sequence[int]) -> Played:
        """Run both transactions to their ends, in an order of their statements."""
        self._said.clear()
        for session, work in zip(self._sessions, (first, second), strict=True):
            session.start(work)
            self._settled(session)
        for number in order:
            self._advance(number)
        last = order[-1] if order else 1
        for number in (1 - last, last):
            while not self._sessions[number].ended:
                self._advance(number)
        results = [session.result for session in self._sessions if session.result is not None]
        numbers = [session.statements for session in self._sessions]
        return Played(results=results, statements=numbers, said=list(self._said))

    def _advance(self, number: int) -> None:
        """Let a transaction make one statement; the other one instead while this one waits for its lock."""
        session, other = self._sessions[number], self._sessions[1 - number]
        if session.waits and not other.ended:
            session = other
        # If both wait, each for the other, PostgreSQL ends one of them after its deadlock_timeout.
        if not self._settled(session):
            return
        with self._changed:
            if session.ended:
                return
            session.permit()
        self._settled(session)

    def _settled(self, session: _Session) -> bool:
        """Wait until a transaction stands before a statement or has ended; False if it waits for a lock."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: session.stopped or session.ended, GLANCE):
                    session.waits = False
                    return True
            asked = self._watch.execute(_WAITS, [session.process_id]).fetchone()
            if asked is not None and asked[0]:
                session.waits = True
                return False


_WAITS = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
