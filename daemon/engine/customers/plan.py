"""Decides in which order a batch of customers is written, and who cannot be. Pure: values in, values out.

An e-mail address has one customer in SparkLayer. The present owner keeps an address that it still has; one that its
owner in the batch gives up goes to the first who has it now; one whose owner is not in the batch stays there. Whoever
loses is told by a problem and waits. Before an address moves it must be free: so its former owner is first written
with a placeholder, whatever becomes of it later; swaps and cycles need nothing more.

Parents are written before their children, wave by wave. A child whose parent is neither known nor about to be waits.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import frozen

from daemon.engine.winners import winners
from daemon.model import Customer, EmailKey, ExternalId, Problem
from daemon.problems import Trouble


@frozen(kw_only=True)
class Subject:
    """One customer: what SparkLayer shall hold (None: nothing), and the key of its e-mail then."""

    external_id: ExternalId
    customer: Customer | None
    email: EmailKey | None


@frozen(kw_only=True)
class CustomerPlan:
    """What to do with a batch, in this order: `removals`, then `placeholders`, then each of `waves`.

    Those in `lost` want the e-mail of another; `problems` says what is wrong with whom. Those in `orphans` wait for
    the parent named. `claims` and `given_up` are the ledger's, see `daemon.storage.ledger.Mark`.
    """

    removals: Sequence[ExternalId]
    placeholders: Sequence[ExternalId]
    waves: Sequence[Sequence[ExternalId]]
    lost: Mapping[ExternalId, EmailKey]
    problems: Mapping[ExternalId, Problem]
    orphans: Mapping[ExternalId, ExternalId]
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
        if stuck >= (now := {*plan.problems, *plan.orphans}):
            return plan
        stuck |= now


def _plan(
    subjects: Sequence[Subject],
    owners: Mapping[EmailKey, ExternalId],
    known: AbstractSet[ExternalId],
    stuck: AbstractSet[ExternalId],
) -> CustomerPlan:
    wanted = {s.external_id: s.email for s in subjects if s.email is not None}
    won = winners(wanted, owners, {s.external_id for s in subjects} - stuck)
    lost = {key: email for key, email in wanted.items() if won[email] != key}
    family = _Family({s.external_id: s for s in subjects if s.customer and s.external_id not in lost}, known)
    depths = {key: family.depth(key) for key in family.members}
    written = {key: depth for key, depth in depths.items() if depth is not None}
    circles = dict.fromkeys(family.circling, Trouble.PARENT_GOES_IN_CIRCLES.problem())
    claims = {email: key for email, key in won.items() if key in written}
    batch = {subject.external_id for subject in subjects}
    given_up = {email: owner for email in claims if (owner := owners.get(email)) is not None and owner in batch}
    return CustomerPlan(
        removals=[subject.external_id for subject in subjects if subject.customer is None],
        placeholders=sorted({owner for email, owner in given_up.items() if claims[email] != owner} & written.keys()),
        waves=[[key for key, at in written.items() if at == depth] for depth in sorted(set(written.values()))],
        lost=lost,
        problems={**dict.fromkeys(lost, Trouble.EMAIL_USED_TWICE.problem()), **circles},
        orphans={key: family.parent(key) for key in depths if key not in written and key not in circles},
        claims=claims,
        given_up=given_up,
    )


class _Family:
    """How deep each customer that can be written stands below those that must be written first."""

    def __init__(self, members: Mapping[ExternalId, Subject], known: AbstractSet[ExternalId]) -> None:
        self.members = members
        self._known = known
        self.circling: set[ExternalId] = set()

    def parent(self, key: ExternalId) -> ExternalId:
        """Return the parent of one who has one."""
        parent = self._parent(key)
        assert parent is not None  # only who has one waits for it
        return parent

    def depth(self, key: ExternalId) -> int | None:
        """Return how many ancestors must be written first; None when one of them cannot be, or there is no end."""
        line = [key]
        while True:
            parent = self._parent(line[-1])
            if parent is None or (parent in self._known and parent not in self.members):
                return len(line) - 1
            if parent in line:
                self.circling.update(line[line.index(parent) :])
                return None
            if parent not in self.members:
                return None
            line.append(parent)

    def _parent(self, key: ExternalId) -> ExternalId | None:
        customer = self.members[key].customer
        return customer.parent if customer else None
