"""Operations: set-wise functions `fn(conn, calls) -> results`, which the writer commits in groups."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeVar

from sqlalchemy import Connection

C = TypeVar("C")
R = TypeVar("R")


def one_by_one(operation: Callable[[Connection, C], R]) -> Callable[[Connection, Sequence[C]], list[R]]:
    """Make an operation of a function that works on one call at a time."""

    @wraps(operation)
    def on_all(conn: Connection, calls: Sequence[C]) -> list[R]:
        return [operation(conn, call) for call in calls]

    return on_all
