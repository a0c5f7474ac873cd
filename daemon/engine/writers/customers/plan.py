"""Decides in which order a batch of customers is written, and which of them cannot be. Pure: values in, values out.

SparkLayer has one customer for an e-mail address (`daemon.engine.unique_keys`). A customer that gives up an address
to another one is first written with a placeholder, before any claim is made. Parents are written before their
children, wave by wave. A child whose parent cannot be written is written without one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, TypeVar

from attrs import define, field, frozen

from daemon.engine.unique_keys import decide_owners
from daemon.engine.writers.job import BatchPlan, Job, by_id
from daemon.entities import Customer
from daemon.model import AddressId, EmailKey, ExternalId
from daemon.model.outcome import Row

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
