"""Decides how a batch of customers is written: which parents SparkLayer is told of, and in which order. Pure.

A customer waits only for a parent that is yet to be read: one with a row in the outbox, or one that may be on a page
that the customer's run has not read. Where SparkLayer lacks any other parent, the customer is synced without one, and
looked at again once the parent is confirmed. A circle is broken at its lowest id: that customer is synced without a
parent, all others below theirs.

SparkLayer has one customer for an e-mail address (`daemon.engine.unique_keys`). A customer that gives up an address
to another one is first written with a placeholder, before any claim is made. Parents are written before their
children, wave by wave. A child whose parent cannot be written is written without one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, TypeVar

from attrs import define, evolve, field, frozen

from daemon.engine.unique_keys import by_age, decide_owners
from daemon.engine.writers.job import BatchPlan, Job, by_id
from daemon.entities import Customer
from daemon.model import AddressId, EmailKey, ExternalId
from daemon.model.outcome import Row
from daemon.storage.dependencies import Relations

T = TypeVar("T")

Standing = Literal["told", "missing", "circle", "coming"]


@frozen(kw_only=True)
class Link:
    """The parent that a customer names, and what is done about it.

    `told`: SparkLayer is told of it. `missing`, `circle`: SparkLayer is told of no parent, and the merchant of the
    reason. `coming`: the customer waits; `first` must be looked at before.
    """

    parent: ExternalId
    standing: Standing
    first: ExternalId | None = None


@frozen(kw_only=True)
class CustomerParts:
    """The ledger's parts of a customer: all that SparkLayer may hold of what the platform sent.

    The keys of its e-mail addresses, the ids of its addresses, and the optional fields that were sent: fields that the
    platform no longer has are left out of one write. Fields and addresses that cannot be read at present stay listed.
    """

    emails: tuple[EmailKey, ...] = ()
    addresses: tuple[AddressId, ...] = ()
    sent: tuple[str, ...] = ()

    @property
    def keys(self) -> Collection[EmailKey]:
        """The unique keys among the parts."""
        return self.emails

    def joined(self, other: "CustomerParts") -> "CustomerParts":
        """Return parts that list what is in either."""
        return CustomerParts(
            emails=_both(self.emails, other.emails),
            addresses=_both(self.addresses, other.addresses),
            sent=_both(self.sent, other.sent),
        )


@frozen(kw_only=True)
class CustomerJob(Job[Customer, CustomerParts]):
    """A customer, the key of its e-mail address, and the parent that the platform names."""

    email: EmailKey | None = None
    link: Link | None = None


@define(kw_only=True)
class CustomerPlan(BatchPlan[CustomerJob]):
    """First removals, then placeholders, then waves. `orphans` are written without the parent that they name."""

    orphans: AbstractSet[ExternalId] = field(factory=frozenset)


def plan_customers(
    jobs: Sequence[CustomerJob],
    owners: Mapping[EmailKey, ExternalId],
    known: AbstractSet[ExternalId],
    marked: Callable[[CustomerJob], Row],
) -> CustomerPlan:
    """Return what to do. `owners` has the owner of each e-mail key, `known` the parents that SparkLayer has.

    `marked` makes a job's row for the time of sending.
    """
    wanted = {job.external_id: {job.email} for job in jobs if job.email is not None}
    claims, lost = decide_owners(wanted, owners, {job.external_id for job in jobs}, all_or_nothing=True)
    tasks = by_id(job for job in jobs if job.external_id not in lost)
    members = {key: job.value for key, job in tasks.items() if job.value is not None}
    depths = {key: _depth(key, members) for key in members}
    giving = {owners[email] for email, claimant in claims.items() if owners.get(email, claimant) != claimant}
    return CustomerPlan(
        tasks=tasks,
        stages=[
            [job for job in tasks.values() if job.value is None],
            # Removals before it have freed their addresses already.
            [tasks[key] for key in sorted(giving & members.keys())],
            *([tasks[key] for key in members if depths[key] == depth] for depth in sorted(set(depths.values()))),
        ],
        rows=[marked(job) for job in tasks.values()],
        claims=claims,
        owners=owners,
        lost=lost,
        orphans={key for key, value in members.items() if value.parent and value.parent not in members.keys() | known},
    )


def _depth(key: ExternalId, members: Mapping[ExternalId, Customer]) -> int:
    """Return how many ancestors in the batch must be written first."""
    ancestry = [key]
    while (parent := members[ancestry[-1]].parent) is not None and parent in members and parent not in ancestry:
        ancestry.append(parent)
    return len(ancestry) - 1


def _both(before: tuple[T, ...], after: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*before, *after)))


@frozen(kw_only=True)
class Family:
    """A batch, and what is known of the parents in it.

    `named` has the parents of the customers that name one. SparkLayer should have all `members`, and should not have
    those `going`. This batch has the final word on those `decided`. SparkLayer holds those in `alone` without a parent.
    Those in `early` belong to a run with pages that are not read yet.
    """

    named: Mapping[ExternalId, ExternalId]
    members: AbstractSet[ExternalId]
    going: AbstractSet[ExternalId]
    decided: AbstractSet[ExternalId]
    alone: AbstractSet[ExternalId]
    early: AbstractSet[ExternalId]
    relations: Relations


def find_links(family: Family) -> dict[ExternalId, Link]:
    """Return the link of each customer that names a parent."""
    links = {child: _link(family, child, parent) for child, parent in family.named.items()}
    # A grandchild waits as well, and so on down.
    while True:
        # Their parents in the batch wait themselves, and SparkLayer does not have these yet.
        coming = {child for child, link in links.items() if link.standing == "coming"} - family.relations.rows.keys()
        waiting = {child for child, link in links.items() if link.standing == "told" and link.parent in coming}
        if not waiting:
            return links
        links |= {child: evolve(links[child], standing="coming") for child in waiting}


def _link(family: Family, child: ExternalId, parent: ExternalId) -> Link:
    relations = family.relations
    if circle := _circle(family, child, parent):
        lowest = min(circle, key=by_age)
        if lowest == child:
            return Link(parent=parent, standing="circle")
        # The lowest one is not in this batch, and SparkLayer was told of its parent: it must lose that first.
        edge = relations.edges.get(lowest)
        if lowest not in family.members and edge is not None and edge.told in circle:
            return Link(parent=parent, standing="coming", first=lowest)
    row = relations.rows.get(parent)
    standing: Standing = "missing"
    if parent in family.members or (row is not None and row.fingerprint is not None and parent not in family.going):
        standing = "told"
    elif child in family.alone or parent in family.going:
        standing = "missing"
    elif (parent in relations.coming and parent not in family.decided) or child in family.early:
        standing = "coming"
    elif row is not None:
        standing = "told"  # SparkLayer may have it, and says so if it does not
    return Link(parent=parent, standing=standing)


def _circle(family: Family, child: ExternalId, parent: ExternalId) -> list[ExternalId]:
    """Return the customers of the circle that `child` is in; empty if it is in none."""
    ancestry, above = [child], parent
    while above not in ancestry:
        ancestry.append(above)
        edge = family.relations.edges.get(above)
        read = above in family.members or above in family.going
        named = family.named.get(above) if read or edge is None else edge.named
        if named is None:
            return []
        above = named
    return ancestry if above == child else []
