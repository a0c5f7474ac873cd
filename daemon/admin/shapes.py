"""The parameters and answers of the admin operations, as JSON values. /openapi.json has their schemas.

Times are seconds since the epoch. `site` is written live/ID or test/ID.
"""

from typing import Any, Literal, NotRequired, TypedDict

from daemon.model import Kind

KindName = Literal["store", "products", "customers", "orders"]


def kind_name(kind: Kind) -> KindName:
    """Return the name of a kind."""
    name: KindName = kind.value
    return name


class OfSite(TypedDict):
    """Parameters that may choose one site."""

    site: NotRequired[str]


class OfKind(OfSite):
    """Parameters that may choose a site and a kind."""

    kind: NotRequired[KindName]


class SyncOrder(TypedDict):
    """A full sync to start."""

    site: str
    kind: KindName
    refresh: NotRequired[bool]
    allow_removals: NotRequired[bool]


class CancelOrder(TypedDict):
    """A full sync to end."""

    site: str
    kind: KindName


class RunAnswer(TypedDict):
    """The id of a full sync."""

    run: int


class ConnectOrder(TypedDict):
    """A site to connect."""

    site: str
    store_id: NotRequired[str]
    client_id: str
    client_secret: str


class ConnectAnswer(TypedDict):
    """The state of a new connection; at `redirect_url` the merchant grants access."""

    state: Literal["active", "pending"]
    redirect_url: NotRequired[str]


class DisconnectOrder(TypedDict):
    """A site to disconnect."""

    site: str


class DisconnectAnswer(TypedDict):
    """The state of a connection that is being removed."""

    state: str


class ProblemText(TypedDict):
    """One problem of an issue, in words for the merchant."""

    code: str
    message: str


class IssueShown(TypedDict):
    """An issue: all that a merchant must fix at one entity."""

    site: str
    kind: KindName
    id: str
    name: str
    url: str | None
    since: float
    problems: list[ProblemText]


class IssuesAnswer(TypedDict):
    """Open issues."""

    issues: list[IssueShown]


class ParkedShown(TypedDict):
    """A change that used up its retries."""

    site: str
    kind: KindName
    id: str
    attempts: int
    since: float
    error: str


class ParkedAnswer(TypedDict):
    """Parked changes."""

    parked: list[ParkedShown]


class ParkedOrder(TypedDict):
    """Parked changes to retry or drop; without ids, all."""

    action: Literal["retry", "drop"]
    site: str
    kind: NotRequired[KindName]
    ids: NotRequired[list[str]]


class ChangedAnswer(TypedDict):
    """The number of changes that were retried or dropped."""

    changed: int


class RemovalShown(TypedDict):
    """A removal that waits for a person."""

    site: str
    kind: KindName
    id: str
    variant: str | None
    name: str
    cause: str
    since: float


class RemovalsAnswer(TypedDict):
    """Held removals."""

    removals: list[RemovalShown]


class AllowOrder(TypedDict):
    """Held removals to allow."""

    site: str
    kind: KindName
    ids: list[str]


class AllowedAnswer(TypedDict):
    """The number of entities whose removal was allowed."""

    allowed: int


class AuditShown(TypedDict):
    """An action of an operator."""

    id: int
    at: float
    operator: str
    action: str
    site: str | None
    kind: str | None
    outcome: str
    parameters: dict[str, Any]
    answer: dict[str, Any] | None
    error: str | None
    request_id: str | None


class AuditOrder(OfSite):
    """Parameters that may choose actions: of a site, of an operator, and before the one with an id."""

    operator: NotRequired[str]
    before: NotRequired[str]


class AuditAnswer(TypedDict):
    """The latest of the chosen actions, at most 500, the latest first, and whether there are older ones."""

    audit: list[AuditShown]
    more: bool


class ExplainOrder(TypedDict):
    """An entity to explain: by its id, or by a text that names it."""

    site: str
    kind: KindName
    id: NotRequired[str]
    text: NotRequired[str]


class MatchShown(TypedDict):
    """An entity that a text may name, and the field that matched."""

    id: str
    by: str
    name: str


class ReasonShown(TypedDict):
    """A reason why an entity is, or is not, in SparkLayer."""

    code: str
    text: str


class StepShown(TypedDict):
    """A write that would be sent, and why."""

    what: str
    why: str


class StoreSide(TypedDict):
    """An entity as the store has it, mapped."""

    name: str
    url: str | None
    value: Any
    problems: list[ProblemText]


class SettlementShown(TypedDict):
    """An outcome of an entity."""

    kind: KindName
    id: str
    at: float
    result: str
    reason: str | None
    run: int | None


class PastRunShown(TypedDict):
    """A full sync."""

    id: int
    kind: KindName
    mode: str
    state: str
    started_at: float
    finished_at: float | None
    seconds: float
    succeeded: bool | None
    seen: int
    done: int
    failed: int
    held_removals: int


class HistoryAnswer(TypedDict):
    """The latest full syncs and settlements of a connection, the latest first."""

    full_syncs: list[PastRunShown]
    settlements: list[SettlementShown]


class HistoryOrder(TypedDict):
    """A connection, or one of its entities."""

    site: str
    kind: NotRequired[KindName]
    id: NotRequired[str]


class PauseAnswer(TypedDict):
    """`changed` is False if the connection was in that state already."""

    changed: bool


class LinkOrder(TypedDict):
    """A link to a site's issues that works for some days."""

    site: str
    days: NotRequired[int]


class LinkAnswer(TypedDict):
    """A link; `url` is null without `listener.public_url`."""

    path: str
    url: str | None
    until: float


class ExplainAnswer(TypedDict):
    """An explanation. A text that several entities match has only `matches`."""

    site: str
    kind: KindName
    trouble: str | None
    text: NotRequired[str]
    matches: NotRequired[list[MatchShown]]
    id: NotRequired[str]
    why: NotRequired[list[ReasonShown]]
    belongs_to: NotRequired[str | None]
    store: NotRequired[StoreSide | None]
    ledger: NotRequired[Any]
    sure: NotRequired[bool]
    would_send: NotRequired[list[StepShown]]
    settlements: NotRequired[list[SettlementShown]]
