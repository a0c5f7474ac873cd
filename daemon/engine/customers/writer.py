"""Writes a batch of customers: plan, mark unsure, send, judge.

A customer is one call, with all its addresses in it; each address that vanished is one more. What SparkLayer knows
though the ledger does not, after a lost database, is adopted: written over, and freed of addresses that are gone.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import evolve, frozen

from daemon.engine.batch import Batch
from daemon.engine.customers.plan import CustomerPlan, Subject, plan_customers
from daemon.engine.explanation import Step
from daemon.engine.jobs import Job, carry_out, find_jobs
from daemon.engine.line import Line
from daemon.engine.verdict import Verdict
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import AddressId, Customer, EmailKey, ExternalId, Kind, Lane
from daemon.problems import Trouble, refused
from daemon.sparklayer.customers import CLEARABLE, CustomerWrite, sent
from daemon.storage import ledger

T = TypeVar("T")

PATIENCE = 5
"""So often is a customer tried again whose parent is not there yet; then the merchant is told, and it waits."""


@frozen(kw_only=True)
class Parts:
    """What the ledger keeps of a customer beside its print.

    The keys of the e-mails that SparkLayer may hold for it, the ids of its addresses there, and the optional fields
    and parts that were sent: those must be cleared explicitly when the customer no longer has them. Until SparkLayer
    has `heard` of the customer from whoever keeps this ledger, it may hold more than is listed.
    """

    emails: tuple[EmailKey, ...] = ()
    addresses: tuple[AddressId, ...] = ()
    sent: tuple[str, ...] = ()
    heard: bool = True


CustomerJob = Job[Customer, Parts]


def placeholder(external_id: ExternalId) -> str:
    """Return an e-mail address that nobody can have, for the moment in which two customers swap theirs."""
    return f"freed-{external_id}@ignite-sync.invalid"


class CustomerWriter:
    """Fulfils `daemon.engine.batch.Writer` for customers."""

    kind = Kind.CUSTOMERS

    def __init__(self, line: Line) -> None:
        self._line = line

    async def prepare(self) -> None:
        """Prepare nothing: customers need nothing on the site."""

    async def write(self, batch: Batch) -> None:
        """Send the customers that differ, parents before their children."""
        jobs = await find_jobs(self._line, self.kind, batch, Parts, self._line.fingerprint)
        if not jobs:
            return
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
        await carry_out(batch, [by_id[key] for key in plan.placeholders], give_way)
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
        for job in await find_jobs(self._line, self.kind, batch, Parts, self._line.fingerprint):
            before = job.before.addresses if job.before else ()
            if job.value is None:
                steps.append(Step("DELETE the customer", job.why))
                continue
            steps.append(Step("PATCH the customer" if job.before else "POST the customer", job.why))
            vanished = [address for address in before if address not in job.value.addresses]
            steps += [Step(f"DELETE its address {address}", "the customer no longer has it") for address in vanished]
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
        return EmailKey(self._line.fingerprint(customer.email.lower()).hex())

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
            heard=job.before is not None and job.before.heard,
        )

    async def _remove(self, job: CustomerJob, lane: Lane) -> Verdict:
        with contextlib.suppress(Missing):
            await self._line.sparklayer.customers.delete(job.external_id, lane)
        return Verdict(outcome="removed", released=frozenset(job.before.emails if job.before else ()))

    async def _write(
        self, job: CustomerJob, batch: Batch, plan: CustomerPlan, jobs: Mapping[ExternalId, CustomerJob]
    ) -> Verdict:
        customer = job.value
        assert customer is not None  # the plan's waves have nobody else
        parent, holder = customer.parent, plan.given_up.get(self._key(customer))
        if parent is not None and parent in jobs and not jobs[parent].confirmed and batch.failed(parent):
            return _orphaned(job, parent, batch)
        if holder is not None and holder != job.external_id and batch.failed(holder):
            raise Retry("its e-mail address is not free yet", reason="email_first")
        try:
            await self._send(job, batch, email=customer.email)
        except Duplicate as taken:
            asked = await self._is_asked_to_give_way(job, customer)
            if asked:
                # Each may have what the other wants, and none had time to let go: an attempt failed before that.
                await self._send(job, batch, email=placeholder(job.external_id))
            if job.attempts < PATIENCE and (asked or job.before is None or job.attempts):
                # After a lost ledger it may be that of one of ours who is to give it up, and is not looked at yet.
                raise Retry("its e-mail address is not free yet", reason="email_first") from None
            # Perhaps a former owner has yet to give it up: once it has, who waits is looked at again.
            waits_for = frozenset({self._key(customer)})
            return Verdict(outcome="rejected", problems=(refused(str(taken)),), waits_for=waits_for)
        parts = self._parts(customer)
        released = frozenset(job.before.emails if job.before else ()) - frozenset(parts.emails)
        return Verdict(outcome="written", row=job.row(parts), released=released, parent=True, follows=parent)

    async def _is_asked_to_give_way(self, job: CustomerJob, customer: Customer) -> bool:
        """Whether an e-mail that SparkLayer may hold for a customer is another one's by now."""
        former = set(job.before.emails if job.before else ()) - {self._key(customer)}
        owners = await self._line.storage.read(ledger.owners, self._line.connection.id, self.kind, former)
        return any(owner != job.external_id for owner in owners.values())

    async def _there(self, external_id: ExternalId, lane: Lane) -> bool:
        """Whether SparkLayer has a customer: somebody may have deleted it there."""
        try:
            await self._line.sparklayer.customers.addresses_of(external_id, lane)
        except Missing:
            return False
        return True

    async def _send(self, job: CustomerJob, batch: Batch, *, email: str) -> None:
        """Send a customer. Raises Retry when its parent is missing in SparkLayer, whatever the ledger says."""
        customer = job.value
        assert customer is not None  # who is gone is removed
        try:
            await self._put(customer, job.before, batch.lane, email)
        except Duplicate:
            raise
        except Rejected as refusal:
            # Which words name an unknown parent is not documented, so look before blaming the child.
            if customer.parent is None or await self._there(customer.parent, batch.lane):
                raise
            batch.missing.add(customer.parent)
            raise Retry("waits for its parent customer", reason="parent_first") from refusal

    async def _put(self, customer: Customer, before: Parts | None, lane: Lane, email: str) -> None:
        api = self._line.sparklayer.customers
        cleared = frozenset(before.sent if before else ()) - sent(customer)
        write = CustomerWrite(customer=customer, email=email, cleared=cleared)
        vanished = [one for one in (before.addresses if before else ()) if one not in customer.addresses]
        if before is None or not before.heard:
            try:
                await api.create(write, lane)
            except Duplicate as taken:
                vanished = await self._adopt(write, taken, lane)
        else:
            try:
                await api.update(write, lane)
            except Missing:
                await api.create(write, lane)
        await self._delete_addresses(customer, vanished, lane)

    async def _adopt(self, write: CustomerWrite, taken: Duplicate, lane: Lane) -> list[AddressId]:
        """Write over what SparkLayer has of a customer that the ledger does not know; return what must go there.

        Raises `taken` when it has none by that id: then somebody else has the e-mail address. Somebody else may have it
        who is to give it up, and wants this one's: so this one's is given up first. Raises Retry then.
        """
        customer, api = write.customer, self._line.sparklayer.customers
        whole = evolve(write, cleared=CLEARABLE - sent(customer))
        try:
            held = await api.addresses_of(customer.external_id, lane)
        except Missing:
            raise taken from None
        vanished = [address for address in held if address not in customer.addresses]
        try:
            await api.update(whole, lane)
        except Duplicate:
            await api.update(evolve(whole, email=placeholder(customer.external_id)), lane)
            await self._delete_addresses(customer, vanished, lane)
            raise Retry("its e-mail address is not free yet", reason="email_first") from None
        return vanished

    async def _delete_addresses(self, customer: Customer, vanished: Sequence[AddressId], lane: Lane) -> None:
        for address in vanished:
            with contextlib.suppress(Missing):
                await self._line.sparklayer.customers.delete_address(customer.external_id, address, lane)


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
