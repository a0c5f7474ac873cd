"""Which entities were settled while a page of a full sync was on its way.

What a page says of an entity may be older than what an actor has read and pushed meanwhile. So while a page request
is open, the ids settled are remembered here, inside the very transactions that settle them, and asked for inside the
transaction that takes the page in: both run one after the other in the writer.
"""

from collections.abc import Iterable

from daemon.model import ExternalId


class Touches:
    """The memory of one (connection, kind). One page request is open at a time."""

    def __init__(self) -> None:
        self._touched: set[ExternalId] | None = None

    def open(self) -> None:
        """Begin to remember; call it before the page is requested."""
        self._touched = set()

    def touch(self, ids: Iterable[ExternalId]) -> None:
        """Note that `ids` were settled."""
        if self._touched is not None:
            self._touched.update(ids)

    @property
    def changed_since(self) -> frozenset[ExternalId]:
        """What was settled since `open`. Asking changes nothing, since a transaction may be tried twice."""
        return frozenset(self._touched or ())

    def close(self) -> None:
        """Forget; call it after the transaction that takes the page in."""
        self._touched = None
