"""The parameters and answers of the admin operations, as JSON values. /openapi.json has their schemas.

Times are seconds since the epoch. `site` is written live/ID or test/ID. The status is in `status_shapes`.
"""

from typing import Any, Literal, NotRequired, TypedDict

from daemon.model import Kind


class OfSite(TypedDict):
    """Parameters that may choose one site."""

    site: NotRequired[str]


class OfKind(OfSite):
    """Parameters that may choose a site and a kind."""

    kind: NotRequired[Kind]


class OneSite(TypedDict):
    """A site."""

    site: str


class OneKind(OneSite):
    """A kind of a site."""

    kind: Kind


class SyncOrder(OneKind):
    """A full sync to start."""

    refresh: NotRequired[bool]
    allow_removals: NotRequired[bool]


class ConnectOrder(OneSite):
    """A site to connect."""

    store_id: NotRequired[str]
    client_id: str
    client_secret: str


class ParkedOrder(OneSite):
    """Parked changes to retry or drop; without ids, all."""

    action: Literal["retry", "drop"]
    kind: NotRequired[Kind]
    ids: NotRequired[list[str]]


class AllowOrder(OneKind):
    """Held removals to allow."""

    ids: list[str]


class AuditOrder(OfSite):
    """Parameters that may choose actions: of a site, of an operator, and before the one with an id."""

    operator: NotRequired[str]
    before: NotRequired[str]


class ExplainOrder(OneKind):
    """An entity to explain: by its id, or by a text that names it."""

    id: NotRequired[str]
    text: NotRequired[str]


class HistoryOrder(OneSite):
    """A connection, or one of its entities."""

    kind: NotRequired[Kind]
    id: NotRequired[str]


class LinkOrder(OneSite):
    """A link to a site's issues that works for some days."""

    days: NotRequired[int]


class VerifyOrder(OneSite):
    """A dry run of all kinds, or of one; with the names of `all` entities, or of the first `names` of each list."""

    kind: NotRequired[Kind]
    names: NotRequired[int]
    all: NotRequired[bool]


class RunAnswer(TypedDict):
    """The id of a full sync."""

    run: int


class ConnectAnswer(TypedDict):
    """The state of a new connection; at `redirect_url` the merchant grants access."""

    state: Literal["active", "pending"]
    redirect_url: NotRequired[str]


class DisconnectAnswer(TypedDict):
    """The state of a connection that is being removed."""

    state: str


class ChangedAnswer(TypedDict):
    """The number of changes that were retried or dropped."""

    changed: int


class AllowedAnswer(TypedDict):
    """The number of entities whose removal was allowed."""

    allowed: int


class PauseAnswer(TypedDict):
    """`changed` is False if the connection was in that state already."""

    changed: bool


class LinkAnswer(TypedDict):
    """A link; `url` is null without `listener.public_url`."""

    path: str
    url: str | None
    until: float


class EntityShown(OneKind):
    """An entity, and since when something has been so."""

    id: str
    since: float


class ProblemText(TypedDict):
    """One problem of an issue, in words for the merchant."""

    code: str
    message: str


class IssueShown(EntityShown):
    """An issue: all that a merchant must fix at one entity."""

    name: str
    url: str | None
    problems: list[ProblemText]


class IssuesAnswer(TypedDict):
    """Open issues."""

    issues: list[IssueShown]


class ParkedShown(EntityShown):
    """A change that used up its retries."""

    attempts: int
    error: str


class ParkedAnswer(TypedDict):
    """Parked changes."""

    parked: list[ParkedShown]


class RemovalShown(EntityShown):
    """A removal that waits for a person."""

    variant: str | None
    name: str
    cause: str


class RemovalsAnswer(TypedDict):
    """Held removals."""

    removals: list[RemovalShown]


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


class AuditAnswer(TypedDict):
    """The latest of the chosen actions, at most 500, the latest first, and whether there are older ones."""

    audit: list[AuditShown]
    more: bool


class SettlementShown(TypedDict):
    """An outcome of an entity."""

    kind: Kind
    id: str
    at: float
    result: str
    reason: str | None
    run: int | None


class RunShown(TypedDict):
    """A full sync."""

    id: int
    mode: str
    state: str
    started_at: float
    finished_at: float | None
    succeeded: bool | None
    seen: int
    done: int
    failed: int
    held_removals: int


class PastRunShown(RunShown):
    """A full sync in the history."""

    kind: Kind
    seconds: float


class HistoryAnswer(TypedDict):
    """The latest full syncs and settlements of a connection, the latest first."""

    full_syncs: list[PastRunShown]
    settlements: list[SettlementShown]


class EntityNamed(TypedDict):
    """An entity with its name; empty if it has none."""

    id: str
    name: str


class MatchShown(EntityNamed):
    """An entity that a text may name, and the field that matched."""

    by: str


class ReasonShown(TypedDict):
    """A reason why an entity is, or is not, in SparkLayer. `code` is fixed, for machines; `text` is for people."""

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


class ExplainAnswer(OneKind):
    """An explanation. A text that several entities match has only `matches`."""

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


class EntityFailing(TypedDict):
    """An entity that could not be read or compared."""

    id: str
    error: str


class KindVerified(TypedDict):
    """The findings of a dry run on one kind: counts, then names."""

    over: bool
    seen: int
    counts: dict[str, int]
    create: list[EntityNamed]
    change: list[EntityNamed]
    remove: list[EntityNamed]
    held: list[RemovalShown]
    issues: list[IssueShown]
    failing: list[EntityFailing]
    leftovers: str | None


class VerifyCancelled(OneSite):
    """The end of a dry run."""

    running: bool


class VerifyAnswer(VerifyCancelled):
    """The findings so far. `unknown` is what no read of SparkLayer tells, `ended_ago` in seconds."""

    ended_ago: float | None
    trouble: str | None
    kinds: dict[Kind, KindVerified]
    set_up: list[str]
    writes: dict[str, int]
    unknown: list[str]
    nothing_to_do: bool
