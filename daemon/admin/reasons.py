"""Reasons why an entity is, or is not, in SparkLayer as it is in the store: sentences for people, the main one first.

Pure. `code` is fixed, for machines. The texts are for people, and may quote errors and the merchant's content.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from attrs import frozen

from daemon.engine.explanation import Explanation
from daemon.entities import Issue
from daemon.model import Kind
from daemon.storage.overview import Noted
from daemon.storage.parked import WaitingChange
from daemon.storage.states import RowState

NOUNS: Mapping[Kind, str] = {
    Kind.PRODUCTS: "product",
    Kind.CUSTOMERS: "customer",
    Kind.ORDERS: "order",
    Kind.STORE: "setting",
}


@frozen
class Reason:
    """One reason."""

    code: str
    text: str


@frozen(kw_only=True)
class Case:
    """Everything that is known about one entity.

    `told` is None when the store could not be read; `trouble` is why. `error` is the last error of the waiting change,
    `issue` the problems of the open issue, `blocked` the cause of a pause of the kind.
    """

    site: str
    kind: Kind
    external_id: str
    platform: str
    now: float
    told: Explanation | None
    trouble: str | None
    noted: Noted
    error: str = ""
    issue: Sequence[Issue] = ()
    blocked: str | None = None


def reasons(case: Case) -> list[Reason]:
    """Return the reasons, at least one."""
    return [*_state(case), *_content(case)]


CALLED: Mapping[Kind, str] = {
    Kind.PRODUCTS: "id, SKU or name",
    Kind.CUSTOMERS: "id, e-mail address, name or company",
    Kind.ORDERS: "number or cart id",
    Kind.STORE: "id (it is `store`)",
}


def nothing_known(kind: Kind, text: str, platform: str) -> Reason:
    """Return the reason for an entity that neither side has."""
    return Reason("unknown", f"{platform} and SparkLayer have no {NOUNS[kind]} with the {CALLED[kind]} {text!r}.")


def _state(case: Case) -> Iterator[Reason]:
    """Yield the reasons that keep the entity from being synced, apart from its content."""
    place = f"{case.site} {case.kind.value}"
    if case.trouble is not None:
        yield Reason("unreadable", f"It cannot be read now: {case.trouble}")
    if case.blocked is not None:
        yield Reason("blocked", f"Nothing of this kind is synced now ({case.blocked}); see: ignite-sync status")
    if case.noted.held:
        what = "Its removal" if any(not one.variant for one in case.noted.held) else "The removal of its variants"
        see = f"ignite-sync removals list {place}"
        yield Reason("held", f"{what} from SparkLayer is held until a person allows it; see: {see}")
    if case.noted.change is not None:
        yield _waiting(case, case.noted.change, place)


def _waiting(case: Case, change: WaitingChange, place: str) -> Reason:
    since = f"{datetime.fromtimestamp(change.since, UTC):%Y-%m-%d %H:%M} UTC"
    error = f"; the last error: {case.error}" if case.error else ""
    if change.state is RowState.PARKED:
        retry = f"try it again with: ignite-sync parked retry {place} {case.external_id}"
        return Reason("parked", f"Its change was given up after {change.attempts} tries since {since}{error}; {retry}")
    tried = f", tried {change.attempts} times" if change.attempts else ""
    due = max(change.due_at - case.now, 0)
    soon = f", again in {due:.0f} s" if change.attempts and due >= 1 else ""
    run = f" in full sync {change.run}" if change.run else ""
    return Reason("waiting", f"Its change waits{run} since {since}{tried}{soon}{error}.")


def _content(case: Case) -> Iterator[Reason]:
    """Yield the reasons in the store's content."""
    told = case.told
    issues = case.issue if told is None or told.mapped is None else (*told.mapped.issues, *case.issue)
    if told is not None and told.belongs_to:
        yield Reason("belongs_to", f"It belongs to {told.belongs_to}, which is looked at instead.")
    elif told is not None and told.gone:
        yield _gone(case, told)
    elif told is not None and told.mapped is not None:
        code = "excluded" if told.mapped.value is None else "hidden"
        yield from (Reason(code, text) for text in told.mapped.reasons)
        if told.mapped.value is None and not told.mapped.reasons and not issues:
            yield Reason("excluded", f"{case.platform} has it, but it must not be in SparkLayer.")
    if told is None or not told.gone:
        yield from (Reason("must_fix", text) for text in dict.fromkeys(one.message for one in issues))
    if told is not None and case.trouble is None:
        yield from _difference(case, told)


def _gone(case: Case, told: Explanation) -> Reason:
    if not case.noted.known:
        return Reason("unknown", f"{case.platform} and SparkLayer have no such {NOUNS[case.kind]}.")
    still = "; SparkLayer still has it" if told.row is not None else ""
    return Reason("deleted", f"It was deleted: {case.platform} does not have it any more{still}.")


def _difference(case: Case, told: Explanation) -> Iterator[Reason]:
    """Yield the reason for a difference between both sides, or say that there is none."""
    idle = case.noted.change is None and not case.noted.held and case.blocked is None
    if told.steps and idle and case.noted.reading:
        yield Reason(
            "waiting", f"Full sync {case.noted.reading} is reading the store, and sends it when it comes to it."
        )
    elif told.steps and idle:
        sync = f"ignite-sync sync {case.site} {case.kind.value}"
        yield Reason(
            "unsent",
            "It differs from what SparkLayer was told, and no change of it is known: a webhook has yet to come, or is"
            f" lost. The next sweep or daily read sends it; at once does: {sync}",
        )
    in_store = told.mapped is not None and told.mapped.value is not None
    if in_store and told.row is not None and not told.steps and told.row.fingerprint is not None:
        yield Reason("in_sync", f"SparkLayer has it as {case.platform} has it.")
