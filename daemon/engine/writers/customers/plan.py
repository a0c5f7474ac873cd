"""Decides in which order a batch of customers is written, and who cannot be. Pure: values in, values out.

An e-mail address has one customer in SparkLayer. The present owner keeps an address that it still has; one that its
owner in the batch gives up goes to the first who has it now; one whose owner is not in the batch stays there. Whoever
loses is told by a problem and waits. Before an address moves it must be free: so its former owner is first written
with a placeholder, whatever becomes of it later; swaps and cycles need nothing more.

Parents are written before their children, wave by wave. A child whose parent cannot be written has none.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import frozen

from daemon.engine.unique_keys import winners
from daemon.entities import Customer
from daemon.model import EmailKey, ExternalId


@frozen(kw_only=True)
class Subject:
    """One customer: what SparkLayer shall hold (None: nothing), and the key of its e-mail then."""

    external_id: ExternalId
    customer: Customer | None
    email: EmailKey | None


@frozen(kw_only=True)
class CustomerPlan:
    """What to do with a batch, in this order: `removals`, then `placeholders`, then each of `waves`.

    Those in `lost` want the e-mail of another. Those in `orphans` are written without the parent that they name.
    `claims` and `given_up` are the ledger's, see `daemon.storage.ledger.Mark`.
    """

    removals: Sequence[ExternalId]
    placeholders: Sequence[ExternalId]
    waves: Sequence[Sequence[ExternalId]]
    lost: Mapping[ExternalId, EmailKey]
    orphans: frozenset[ExternalId]
    claims: Mapping[EmailKey, ExternalId]
    given_up: Mapping[EmailKey, ExternalId]


def plan_customers(
    subjects: Sequence[Subject], owners: Mapping[EmailKey, ExternalId], known: AbstractSet[ExternalId]
) -> CustomerPlan:
    """Return what to do. `owners` has the owner of each e-mail key, `known` the parents that SparkLayer has."""
    stuck: frozenset[ExternalId] = frozenset()
    while True:
        plan = _plan(subjects, owners, known, stuck)
        # Who cannot be written keeps its address, and so may keep others from being written.
        if stuck >= plan.lost.keys():
            return plan
        stuck |= plan.lost.keys()


def _plan(
    subjects: Sequence[Subject],
    owners: Mapping[EmailKey, ExternalId],
    known: AbstractSet[ExternalId],
    stuck: AbstractSet[ExternalId],
) -> CustomerPlan:
    wanted = {s.external_id: s.email for s in subjects if s.email is not None}
    won = winners(wanted, owners, {s.external_id for s in subjects} - stuck)
    lost = {key: email for key, email in wanted.items() if won[email] != key}
    members = {s.external_id: s.customer for s in subjects if s.customer and s.external_id not in lost}
    orphans = {key for key, one in members.items() if one.parent and one.parent not in members.keys() | known}
    written = {key: _depth(key, members) for key in members}
    claims = {email: key for email, key in won.items() if key in written}
    batch = {subject.external_id for subject in subjects}
    given_up = {email: owner for email in claims if (owner := owners.get(email)) is not None and owner in batch}
    return CustomerPlan(
        removals=[subject.external_id for subject in subjects if subject.customer is None],
        placeholders=sorted({owner for email, owner in given_up.items() if claims[email] != owner} & written.keys()),
        waves=[[key for key, at in written.items() if at == depth] for depth in sorted(set(written.values()))],
        lost=lost,
        orphans=frozenset(orphans),
        claims=claims,
        given_up=given_up,
    )


def _depth(key: ExternalId, members: Mapping[ExternalId, Customer]) -> int:
    """Return how many ancestors in the batch must be written first."""
    line = [key]
    while (parent := members[line[-1]].parent) is not None and parent in members and parent not in line:
        line.append(parent)
    return len(line) - 1
