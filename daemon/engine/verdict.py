"""What became of one entity of a batch, of whatever kind: noted by its writer, settled by the pipeline."""

from attrs import frozen

from daemon.model import ExternalId, Issue, Key, Result
from daemon.storage.ledger import Row


@frozen(kw_only=True)
class Verdict:
    """The outcome of one entity.

    `failure` means that it must be tried again, or that the connection is blocked. `row` is what the ledger holds
    now; None leaves it as it is, and with the outcome `removed` it holds nothing. For the other fields see
    `daemon.storage.settle.Done`.
    """

    outcome: Result
    failure: Exception | None = None
    issues: tuple[Issue, ...] = ()
    row: Row | None = None
    released: frozenset[Key] = frozenset()
    waits_for: frozenset[Key] = frozenset()
    awaits: frozenset[ExternalId] = frozenset()
    circles: ExternalId | None = None
    parent: bool = False
    follows: ExternalId | None = None
    next: ExternalId | None = None
