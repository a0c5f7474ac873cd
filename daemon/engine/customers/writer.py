"""Writes a batch of customers: plan, mark unsure, send, judge.

A customer is two calls: it is read, and what the platform does not own is written back with what it owns. So a customer
that SparkLayer has and the ledger does not, after a lost database, needs nothing more.

An edit by hand in SparkLayer between the two calls is lost; they leave directly after each other.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import trio
from attrs import frozen

from daemon.engine.batch import Batch, WithoutVariants
from daemon.engine.customers.plan import CustomerPlan, Subject, plan_customers
from daemon.engine.explanation import Step
from daemon.engine.jobs import Job, carry_out, find_jobs
from daemon.engine.line import Line
from daemon.engine.lookup import email_key
from daemon.engine.verdict import Verdict
from daemon.errors import Blocked, Duplicate, Rejected, Retry, Side
from daemon.model import AddressId, Customer, EmailKey, ExternalId, Kind, Lane, Problem
from daemon.problems import Trouble, refused
from daemon.second_answer import agreed, confirmed, finds
from daemon.sparklayer.customers import PARENT, Body, CustomerWrite, is_agent, merged, sent
from daemon.storage import ledger

T = TypeVar("T")

PATIENCE = 5
"""So often is a customer tried again whose parent is not there yet; then the merchant is told, and it waits."""


@frozen(kw_only=True)
class Parts:
    """What the ledger keeps of a customer beside its print.

    The keys of the e-mails that SparkLayer may hold for it, the ids of the addresses that it was sent with, and the
    optional fields that were sent: once the platform has none of those any more, they are left out of one write.
    """

    emails: tuple[EmailKey, ...] = ()
    addresses: tuple[AddressId, ...] = ()
    sent: tuple[str, ...] = ()


CustomerJob = Job[Customer, Parts]

READ_UNKNOWN = "customer_read_unknown"
SALES_AGENT = "sales_agent"
EMAIL_TAKEN = "email_taken"

UNREAD = EmailKey("unread")
"""The key in the ledger of a customer that SparkLayer has and does not show; no e-mail address has it. It outlives a
restart, which else could cost another customer each time what SparkLayer alone has of it."""


class _EmailTaken(Duplicate):
    """Another customer has the e-mail address: `owner` is its external id; `present` is the address of this one."""

    def __init__(self, owner: str, *, present: str | None) -> None:
        super().__init__(f"the customer {owner} has the e-mail address", reason=EMAIL_TAKEN)
        self.owner = owner
        self.present = present


def placeholder(external_id: ExternalId) -> str:
    """Return an e-mail address that nobody can have, for the moment in which two customers swap theirs."""
    return f"freed-{external_id}@ignite-sync.invalid"


class CustomerWriter(WithoutVariants):
    """Fulfils `daemon.engine.batch.Writer` for customers."""

    kind = Kind.CUSTOMERS
    partial = False

    def __init__(self, line: Line) -> None:
        self._line = line
        self._proving = trio.Lock()
        self._proven = False
        """True once a customer was read; until then one customer goes at a time."""
        self._unread: ExternalId | None = None
        """A customer that SparkLayer has and did not let this process read: the path that we read by may be wrong."""

    async def prepare(self) -> None:
        """Prepare nothing: customers need nothing on the site."""

    async def write(self, batch: Batch) -> None:
        """Send the customers that differ, parents before their children."""
        jobs = find_jobs(batch, Parts, self._line.fingerprint)
        if not jobs:
            return
        self._line.sparklayer.customers.expect(job.external_id for job in jobs if job.confirmed)
        by_id = {job.external_id: job for job in jobs}
        plan = await self._mark(jobs)

        async def remove(job: CustomerJob) -> Verdict:
            return await self._remove(job, batch.lane)

        async def give_way(job: CustomerJob) -> Verdict:
            await self._send(job, batch, email=placeholder(job.external_id))
            return Verdict(outcome="written")

        async def send(job: CustomerJob) -> Verdict:
            return await self._write(job, batch, plan, by_id)

        await carry_out(batch, [by_id[key] for key in plan.removals], remove)
        await carry_out(batch, [by_id[key] for key in plan.placeholders], give_way, last=False)
        for wave in plan.waves:
            await carry_out(batch, [by_id[key] for key in wave if not batch.failed(key)], send)
        for key, problem in plan.problems.items():
            if key in plan.lost:
                verdict = Verdict(outcome="rejected", problems=(problem,), waits_for=frozenset({plan.lost[key]}))
            else:
                customer = by_id[key].value
                verdict = Verdict(outcome="rejected", problems=(problem,), circles=customer and customer.parent)
            batch.verdicts[key] = verdict
        for key, parent in plan.orphans.items():
            batch.verdicts[key] = _orphaned(by_id[key], parent, batch)

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the customer would be written, and which of its addresses would go."""
        steps = []
        for job in find_jobs(batch, Parts, self._line.fingerprint):
            before = job.before.addresses if job.before else ()
            if job.value is None:
                steps.append(Step("DELETE the customer", job.why))
                continue
            steps.append(Step("read the customer, and PUT it", job.why))
            vanished = [address for address in before if address not in job.value.addresses]
            steps += [Step(f"leave out its address {address}", "the customer no longer has it") for address in vanished]
        return steps

    async def _mark(self, jobs: Sequence[CustomerJob]) -> CustomerPlan:
        """Plan the batch and mark it unsure; plan again when somebody took an e-mail address in between."""
        line = self._line
        subjects = [self._subject(job) for job in jobs]
        parents = {job.value.parent for job in jobs if job.value and job.value.parent}
        rows = await line.storage.read(ledger.look_up, line.connection.id, self.kind, list(parents))
        going = {job.external_id for job in jobs if job.value is None}
        known = {key for key, row in rows.items() if row.digest is not None} - going
        keys = {subject.email for subject in subjects if subject.email}
        while True:
            owners = await line.storage.read(ledger.owners, line.connection.id, self.kind, keys)
            plan = plan_customers(subjects, owners, known)
            written = {key for wave in plan.waves for key in wave}
            mark = ledger.Mark(
                connection_id=line.connection.id,
                kind=self.kind,
                rows=[
                    job.row(self._marked(job), sure=False)
                    for job in jobs
                    if job.external_id in written or job.value is None
                ],
                claims=plan.claims,
                given_up=plan.given_up,
            )
            if not await line.storage.write(ledger.mark, mark):
                return plan

    def _subject(self, job: CustomerJob) -> Subject:
        return Subject(
            external_id=job.external_id,
            customer=job.value,
            email=self._key(job.value) if job.value else None,
        )

    def _key(self, customer: Customer) -> EmailKey:
        return self._email_key(customer.email)

    def _email_key(self, email: str) -> EmailKey:
        return email_key(self._line, email)

    def _parts(self, customer: Customer) -> Parts:
        return Parts(
            emails=(self._key(customer),), addresses=tuple(customer.addresses), sent=tuple(sorted(sent(customer)))
        )

    def _marked(self, job: CustomerJob) -> Parts:
        """Return the parts for the time of sending: whatever SparkLayer may hold of both states."""
        before = job.before or Parts()
        after = self._parts(job.value) if job.value else Parts()
        return Parts(
            emails=_both(before.emails, after.emails),
            addresses=_both(before.addresses, after.addresses),
            sent=_both(before.sent, after.sent),
        )

    async def _remove(self, job: CustomerJob, lane: Lane) -> Verdict:
        api = self._line.sparklayer.customers
        held = await confirmed(partial(api.read, job.external_id, lane), _is_there)
        if held is not None and is_agent(held):
            return Verdict(outcome="rejected", problems=(Trouble.SALES_AGENT.problem(),))
        # Where no customer was read yet, the read's 404 may be the path's: who is to go would keep the access for ever.
        if (held is not None or not self._proven) and not await finds(partial(api.delete, job.external_id, lane)):
            await agreed(None, partial(api.read, job.external_id, lane))
        return Verdict(outcome="removed", released=frozenset(job.before.emails if job.before else ()) | {UNREAD})

    async def _write(
        self, job: CustomerJob, batch: Batch, plan: CustomerPlan, jobs: Mapping[ExternalId, CustomerJob]
    ) -> Verdict:
        customer = job.value
        assert customer is not None  # the plan's waves have nobody else
        parent, holder = customer.parent, plan.given_up.get(self._key(customer))
        if parent is not None and parent in jobs and not jobs[parent].confirmed and batch.failed(parent):
            return _orphaned(job, parent, batch)
        if parent is not None and parent in batch.late:
            raise Retry("waits for its parent customer", reason="parent_first")
        if holder is not None and holder != job.external_id and (batch.failed(holder) or holder in batch.late):
            raise Retry("its e-mail address is not free yet", reason="email_first")
        try:
            await self._send(job, batch, email=customer.email)
        except Duplicate as taken:
            await self._give_way_or_retry(job, batch, taken)
            # Perhaps a former owner has yet to give it up: once it has, who waits is looked at again.
            waits_for = frozenset({self._key(customer)})
            return Verdict(outcome="rejected", problems=(_problem(taken, customer),), waits_for=waits_for)
        except Rejected as refusal:
            return Verdict(outcome="rejected", problems=(_problem(refusal, customer),))
        parts = self._parts(customer)
        released = frozenset(job.before.emails if job.before else ()) - frozenset(parts.emails) | {UNREAD}
        return Verdict(outcome="written", row=job.row(parts), released=released, parent=True, follows=parent)

    async def _give_way_or_retry(self, job: CustomerJob, batch: Batch, taken: Duplicate) -> None:
        """Raise Retry while the owner of the e-mail address may be one of ours who is about to give it up."""
        customer = job.value
        assert customer is not None  # who is gone is removed
        asked = await self._is_asked_to_give_way(job, customer, taken)
        if asked:
            # Each may have what the other wants: an attempt failed before one could let go, or the ledger was lost.
            await self._send(job, batch, email=placeholder(job.external_id))
        if job.attempts < PATIENCE and (asked or job.before is None or job.attempts):
            raise Retry("its e-mail address is not free yet", reason="email_first")

    async def _is_asked_to_give_way(self, job: CustomerJob, customer: Customer, taken: Duplicate) -> bool:
        """Whether an e-mail that SparkLayer may hold for a customer is another one's by now."""
        former = set(job.before.emails if job.before else ())
        if isinstance(taken, _EmailTaken) and taken.present:
            former.add(self._email_key(taken.present))
        former.discard(self._key(customer))
        owners = await self._line.storage.read(ledger.owners, self._line.connection.id, self.kind, former)
        return any(owner != job.external_id for owner in owners.values())

    async def _send(self, job: CustomerJob, batch: Batch, *, email: str) -> None:
        """Send a customer. Raises Retry when its parent is missing in SparkLayer, whatever the ledger says."""
        customer, before = job.value, job.before or Parts()
        assert customer is not None  # who is gone is removed
        write = CustomerWrite(
            customer=customer,
            email=email,
            gone=frozenset(before.sent) - sent(customer),
            vanished=frozenset(before.addresses) - customer.addresses.keys(),
        )
        try:
            await self._put(write, batch.lane, known=job.before is not None)
        except Duplicate:
            raise
        except Rejected as refusal:
            if customer.parent is None or not await self._lacks_parent(customer.parent, refusal, batch.lane):
                raise
            batch.missing.add(customer.parent)
            raise Retry("waits for its parent customer", reason="parent_first") from refusal

    async def _lacks_parent(self, parent: ExternalId, refusal: Rejected, lane: Lane) -> bool:
        """Return whether SparkLayer refused since it lacks the parent; a refusal without a field proves nothing."""
        if refusal.properties:
            return PARENT in refusal.properties
        return await self._line.sparklayer.customers.read(parent, lane) is None

    async def _put(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        """Read a customer and write it, one at a time until it is known that customers can be read.

        `known`: SparkLayer has it, or had it, as far as the ledger says.

        Raises Duplicate, and Blocked (`customer_read_unknown`) when SparkLayer has a customer that it did not show.
        """
        if self._proven:
            return await self._replace(write, lane, known=known)
        async with self._proving:
            unread = self._unread or await self._left_unread(write.customer.external_id)
            if unread is not None and await self._line.sparklayer.customers.read(unread, lane) is None:
                raise _read_unknown()
            self._unread = None
            await self._replace(write, lane, known=known)
            self._proven = True
        return None

    async def _left_unread(self, other_than: ExternalId) -> ExternalId | None:
        """Return who was not shown to an earlier process. That one itself may be written: it has lost nothing more."""
        line = self._line
        owners = await line.storage.read(ledger.owners, line.connection.id, self.kind, {UNREAD})
        unread = owners.get(UNREAD)
        return None if unread == other_than else unread

    async def _note_unread(self, external_id: ExternalId) -> None:
        """Note, also for the next process, that SparkLayer has a customer and does not show it."""
        line = self._line
        self._proven, self._unread = False, external_id
        claims = {UNREAD: external_id}
        mark = ledger.Mark(connection_id=line.connection.id, kind=self.kind, rows=[], claims=claims)
        await line.storage.write(ledger.mark, mark)

    async def _replace(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        api, external_id = self._line.sparklayer.customers, write.customer.external_id
        # A PUT after a wrong 404 would wipe what only SparkLayer has of a customer.
        held = await confirmed(partial(api.read, external_id, lane), lambda held: _is_there(held) or not known)
        _refuse_agent(held)
        try:
            created = await api.put(external_id, merged(write, held), lane)
        except Duplicate as taken:
            return await self._link(write, taken, lane, present=held.get("email") if held else None)
        if held is None and not (created and self._proven) and await api.read(external_id, lane) is None:
            # A wrong path answers 404 for everybody, and each PUT would wipe what SparkLayer alone has of a customer.
            await self._note_unread(external_id)
            raise _read_unknown()
        return None

    async def _link(self, write: CustomerWrite, taken: Duplicate, lane: Lane, *, present: str | None) -> None:
        """Take over the customer with our e-mail address that is linked to none. Raises Duplicate for any other."""
        api, external_id = self._line.sparklayer.customers, write.customer.external_id
        other = await api.read_by_email(write.email, lane)
        if other is None:
            raise taken  # it is not about the e-mail address
        _refuse_agent(other)
        owner = other.get("external_id")
        if owner and owner != external_id:
            raise _EmailTaken(str(owner), present=present)
        await api.put_by_email(write.email, merged(write, other), lane)


def _read_unknown() -> Blocked:
    words = "SparkLayer has a customer that it does not show: how customers are read must have changed"
    return Blocked(words, reason=READ_UNKNOWN, side=Side.SPARKLAYER)


def _is_there(held: Body | None) -> bool:
    return held is not None


def _refuse_agent(held: Body | None) -> None:
    if held is not None and is_agent(held):
        raise Rejected("the account is a sales agent's", reason=SALES_AGENT)


def _problem(refusal: Rejected, customer: Customer) -> Problem:
    """Tell the merchant why SparkLayer does not take a customer."""
    if refusal.reason == SALES_AGENT:
        return Trouble.SALES_AGENT.problem()
    if isinstance(refusal, _EmailTaken):
        return Trouble.EMAIL_TAKEN.problem(owner=refusal.owner)
    if "group" in refusal.properties and customer.group is not None:
        return Trouble.GROUP_UNKNOWN.problem(group=customer.group)
    return refused(str(refusal))


def _orphaned(job: CustomerJob, parent: ExternalId, batch: Batch) -> Verdict:
    """Return the verdict on a customer whose parent is not there: after a while the merchant is told."""
    if job.attempts < PATIENCE:
        batch.wanted.add(parent)
        failure = Retry("waits for its parent customer", reason="parent_first")
        return Verdict(outcome="retried", failure=failure)
    return Verdict(
        outcome="rejected", problems=(Trouble.PARENT_MISSING.problem(parent=parent),), awaits=frozenset({parent})
    )


def _both(before: tuple[T, ...], after: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*before, *after)))
