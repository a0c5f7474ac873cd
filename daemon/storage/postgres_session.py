"""Sessions that send several statements together, so that a short transaction takes few round trips.

A round trip costs two changes between processes, and on a busy machine each of them waits for its turn. So a session
holds statements back that need no answer, and sends them with the next one that does: BEGIN and the limits with the
first query, the last upserts with COMMIT. PostgreSQL executes them in their order, and after an error none that
follows. A group of webhooks takes two round trips instead of four.

It also keeps a suspended node from holding a lease. The server ends a transaction that waits for its next statement,
but waits without a limit for the rest of a pipeline, which is how psycopg sends a statement with several sets of
parameters. Here each message is whole: `tests/storage/test_silent_sessions.py` cuts them everywhere.

Only the simple protocol takes several statements at once, with their parameters in the text. The server writes the text
of a failed statement into its log. So these sessions write what the database holds anyway, and queries, which may quote
a person's e-mail address, use others.
"""

import contextlib
import re
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.types.array import ListDumper
from psycopg.types.string import StrDumperUnknown, TextLoader

from daemon.model import Secret
from daemon.storage.odd_texts import escaped, unescaped


class PostgresSession(psycopg.Connection[Any]):
    """A connection that holds statements back; it begins transactions by `begin`, and is in autocommit mode."""

    held: tuple[str, ...] = ()
    is_empty = True
    """True until the transaction has a statement of its own."""
    is_sent = False
    """True once the transaction may have done something: the server has answered, or has its COMMIT."""

    def begin(self, start: str) -> None:
        """Begin a transaction with the statements of `start`."""
        self.held, self.is_empty, self.is_sent = (start,), True, False

    def hold(self, statement: str) -> None:
        """Execute a statement at the latest when the transaction is committed."""
        self.held, self.is_empty = (*self.held, statement), False

    def commit(self) -> None:
        """Commit what was executed and held back. Raises psycopg's errors, those of the held statements too."""
        if self.is_empty:
            self.held = ()
        elif self.held:
            self.is_sent = True
            try:
                with self.cursor() as cursor:
                    cursor.execute("COMMIT")
            except psycopg.Error:
                # A statement before COMMIT has failed: the transaction is still open, and its caller thinks it is not.
                with contextlib.suppress(psycopg.Error):
                    super().rollback()
                raise
        super().commit()  # does nothing outside a transaction

    def rollback(self) -> None:
        """Roll back."""
        self.held = ()
        super().rollback()


class TogetherCursor(psycopg.ClientCursor[Any]):
    """A cursor of a `PostgresSession`, which sends its statements after those that were held back."""

    _rows = -1

    def execute(self, query: Any, params: Any = None, **_: Any) -> "TogetherCursor":
        """Execute a statement; its result is the present one. Raises psycopg's errors."""
        self._send([self.mogrify(query, params)])
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **_: Any) -> None:
        """Execute a statement with each set of parameters, together."""
        self._send([self.mogrify(query, params) for params in params_seq])

    def hold(self, query: str, params: Any) -> None:
        """Have a statement executed later."""
        self._session.hold(self.mogrify(query, params))

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement met with all its sets of parameters."""
        return self._rows

    @property
    def _session(self) -> PostgresSession:
        session = self.connection
        assert isinstance(session, PostgresSession)
        return session

    def _send(self, statements: list[str]) -> None:
        session = self._session
        held, session.held, session.is_empty = session.held, (), False
        super().execute("; ".join([*held, *statements]).encode())
        session.is_sent = True
        counts = [super().rowcount]
        while self.nextset():
            counts.append(super().rowcount)
        # The first results are those of statements that were held back.
        self._rows = sum(counts[-len(statements) :])


class OddTextDumper(StrDumperUnknown):
    """Writes every text that SQLite can hold."""

    def dump(self, text: str) -> Any:
        """Return the text as the server takes it."""
        return super().dump(escaped(text))


class OddTextLoader(TextLoader):
    """Reads what `OddTextDumper` has written."""

    def load(self, data: Any) -> Any:
        """Return the text as it was given."""
        text = super().load(data)
        return unescaped(text) if isinstance(text, str) else text


class ColumnDumper(ListDumper):
    """Writes an array of plain texts or numbers, as most columns of an upsert are, without a step for each member.

    For a group of 32 webhooks, psycopg's own steps take a quarter of the daemon's time in the database's thread.
    """

    def dump(self, obj: list[Any]) -> Any:
        """Return the array as the server takes it."""
        # Exact types, since a bool is an int, too, and is written otherwise.
        kinds = set(map(type, obj))
        if kinds == {str} and not _NOT_PLAIN.search("".join(obj)):
            return ('{"' + '","'.join(obj) + '"}').encode()
        if kinds == {int}:
            return f"{{{','.join(map(str, obj))}}}".encode()
        if kinds == {float}:
            return f"{{{','.join(map(repr, obj))}}}".encode()
        return super().dump(obj)


# An array's text has quotes and backslashes escaped; odd texts are outside of ASCII, or have a NUL.
_NOT_PLAIN = re.compile(r"""[^ !#-\[\]-~]""")


def connect(url: Secret, *, together: bool, seconds: int) -> psycopg.Connection[Any]:
    """Connect within `seconds`; `together`: a `PostgresSession`. Raises psycopg's errors."""
    # In psycopg's autocommit mode BEGIN is ours, and goes together with the limits.
    connection = (PostgresSession if together else psycopg.Connection).connect(
        url.reveal(),
        autocommit=True,
        # A pooler may give the next transaction another session, which lacks what was prepared.
        prepare_threshold=None,
        client_encoding="UTF8",
        connect_timeout=seconds,
        fallback_application_name="ignite-sync",
        cursor_factory=TogetherCursor if together else psycopg.Cursor,
    )
    connection.adapters.register_dumper(str, OddTextDumper)
    connection.adapters.register_dumper(list, ColumnDumper)
    for name in ("text", "varchar"):
        connection.adapters.register_loader(name, OddTextLoader)
    return connection
