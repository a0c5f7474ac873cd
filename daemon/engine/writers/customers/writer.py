"""Writes a batch of customers: plan, mark unsure, send, judge.

A customer is two calls: it is read, and what the platform does not own is written back with what it owns. So a customer
that SparkLayer has and the ledger does not, after a lost database, needs nothing more.

An edit by hand in SparkLayer between the two calls is lost; they leave directly after each other.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

from attrs import evolve, frozen

from daemon.engine.batch import Batch, WithoutVariants
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import Step
from daemon.engine.lookup import email_key
from daemon.engine.writers.customers.exchange import SALES_AGENT, UNREAD, EmailTaken, Exchange, is_there
from daemon.engine.writers.customers.parents import Family, Link, find_links
from daemon.engine.writers.customers.plan import CustomerPlan, Subject, plan_customers
from daemon.engine.writers.jobs import Job, carry_out, find_jobs
from daemon.entities import Customer, Issue
from daemon.errors import Duplicate, Rejected, Retry
from daemon.issues import IssueType, refused
from daemon.model import AddressId, EmailKey, ExternalId, Kind, Lane
from daemon.model.outcome import Outcome
from daemon.sparklayer.customers import PARENT, CustomerWrite, is_agent, sent
from daemon.storage import families, ledger
from daemon.transport.second_answer import agreed, confirmed, finds

T = TypeVar("T")

PARENT_RETRIES = 5
"""So often is a customer tried again whose e-mail address another one may be about to give up."""

LONGEST_TOGETHER = 60.0
"""Seconds after which customers that wait for their parents are tried again together, so that one read does for many:
1, 2, 4 and so on. Later each waits as long as any other entity that is tried again."""


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


@frozen(kw_only=True)
class _Sending:
    """A batch that is being sent: its plan, its jobs by their ids, and what is done about parents."""

    batch: Batch
    plan: CustomerPlan
    jobs: Mapping[ExternalId, CustomerJob]
    links: Mapping[ExternalId, Link]

    def waits_for(self, parent: ExternalId) -> bool:
        """Return whether a parent in the batch is yet to be written, or will be tried again."""
        outcome, job = self.batch.outcomes.get(parent), self.jobs.get(parent)
        tried_again = outcome is not None and outcome.failure is not None
        return parent in self.batch.late or (tried_again and job is not None and not job.confirmed)

    def lacks_parent(self, external_id: ExternalId, parent: ExternalId) -> bool:
        """Return whether SparkLayer does not have a customer's parent, nor will have it by this batch."""
        job, outcome = self.jobs.get(parent), self.batch.outcomes.get(parent)
        refused = outcome is not None and outcome.failure is None and outcome.result == "rejected"
        return external_id in self.plan.orphans or (refused and job is not None and job.before is None)


def placeholder(external_id: ExternalId) -> str:
    """Return an e-mail address that nobody can have, for the moment in which two customers swap theirs."""
    return f"freed-{external_id}@ignite-sync.invalid"


class CustomerWriter(WithoutVariants):
    """Fulfils `daemon.engine.batch.Writer` for customers."""

    kind = Kind.CUSTOMERS
    partial = False

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._exchange = Exchange(context)

    async def prepare(self) -> None:
        """Prepare nothing: customers need nothing on the site."""

    async def write(self, batch: Batch) -> None:
        """Send the customers that differ, parents before their children."""
        links = await self._links(batch)
        jobs = self._jobs(batch, links)
        if jobs:
            await self._carry_out(batch, jobs, links)
        for key, link in links.items():
            outcome = batch.outcomes.get(key)
            if link.standing in {"missing", "circle"} and outcome is not None and outcome.result == "unchanged":
                batch.outcomes[key] = _without_parent(outcome, link)

    async def _carry_out(self, batch: Batch, jobs: Sequence[CustomerJob], links: Mapping[ExternalId, Link]) -> None:
        self._context.sparklayer.customers.expect(job.external_id for job in jobs if job.confirmed)
        by_id = {job.external_id: job for job in jobs}
        plan = await self._mark(jobs)
        sending = _Sending(batch=batch, plan=plan, jobs=by_id, links=links)

        async def remove(job: CustomerJob) -> Outcome:
            return await self._remove(job, batch.lane)

        async def give_way(job: CustomerJob) -> Outcome:
            await self._send(job, sending, email=placeholder(job.external_id))
            return Outcome(result="written")

        async def send(job: CustomerJob) -> Outcome:
            return await self._write(job, sending)

        await carry_out(batch, [by_id[key] for key in plan.removals], remove)
        await carry_out(batch, [by_id[key] for key in plan.placeholders], give_way, last=False)
        for wave in plan.waves:
            await carry_out(batch, [by_id[key] for key in wave if not batch.failed(key)], send)
        for key, email in plan.lost.items():
            issues = (IssueType.EMAIL_USED_TWICE.issue(),)
            batch.outcomes[key] = Outcome(result="rejected", issues=issues, waits_for=frozenset({email}))

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell whether the customer would be written, and which of its addresses would go."""
        steps = []
        links = await self._links(batch)
        steps += [Step("wait", f"its parent {link.parent} is yet to come") for link in links.values() if link.waits]
        for job in self._jobs(batch, links):
            before = job.before.addresses if job.before else ()
            if job.value is None:
                steps.append(Step("DELETE the customer", job.why))
                continue
            steps.append(Step("read the customer, and PUT it", job.why))
            vanished = [address for address in before if address not in job.value.addresses]
            steps += [Step(f"leave out its address {address}", "the customer no longer has it") for address in vanished]
        return steps

    async def _links(self, batch: Batch) -> dict[ExternalId, Link]:
        """Return what is done about the parents that customers of a batch name."""
        context, mapped = self._context, batch.mapped
        todo: dict[ExternalId, Customer] = {
            key: one.value for key, one in mapped.items() if one.value is not None and key not in batch.outcomes
        }
        named = {key: one.parent for key, one in todo.items() if one.parent is not None}
        if not named:
            return {}
        # A live change does not wait for the run that has tagged its row besides.
        runs = {key: run for key in named if batch.lane is Lane.BACKFILL and (run := batch.claims[key].run) is not None}
        relations = await context.storage.read(
            families.look_up, context.connection.id, self.kind, {*named.values()}, {*runs.values()}
        )
        going = {key for key, one in mapped.items() if one.value is None and key not in batch.outcomes}
        family = Family(
            named=named,
            members=todo.keys(),
            going=going,
            decided=going | {key for key, outcome in batch.outcomes.items() if outcome.failure is None},
            alone={key for key in named if self._is_told_to_be_alone(batch, todo[key])},
            early={key for key, run in runs.items() if run in relations.unread},
            relations=relations,
        )
        return find_links(family)

    def _is_told_to_be_alone(self, batch: Batch, customer: Customer) -> bool:
        row = batch.rows.get(customer.external_id)
        return row is not None and row.fingerprint == self._context.fingerprint(evolve(customer, parent=None))

    def _jobs(self, batch: Batch, links: Mapping[ExternalId, Link]) -> Sequence[CustomerJob]:
        """Return what must be written, and note the outcomes of the rest, also on customers that wait."""
        batch.wanted.update(link.first for link in links.values() if link.first is not None)
        for key, link in links.items():
            if link.waits:
                batch.outcomes[key] = _waiting(link.parent, batch.claims[key].attempts)
        alone = {
            key: evolve(customer, parent=None)
            for key, link in links.items()
            if link.standing != "told" and (customer := batch.mapped[key].value) is not None
        }
        return find_jobs(batch, Parts, self._context.fingerprint, alone)

    async def _mark(self, jobs: Sequence[CustomerJob]) -> CustomerPlan:
        """Plan the batch and mark it unsure; plan again when somebody took an e-mail address in between."""
        context = self._context
        subjects = [self._subject(job) for job in jobs]
        parents = {job.value.parent for job in jobs if job.value and job.value.parent}
        rows = await context.storage.read(ledger.look_up, context.connection.id, self.kind, list(parents))
        known = rows.keys() - {job.external_id for job in jobs if job.value is None}
        keys = {subject.email for subject in subjects if subject.email}
        while True:
            owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, keys)
            plan = plan_customers(subjects, owners, known)
            written = {key for wave in plan.waves for key in wave}
            mark = ledger.Mark(
                connection_id=context.connection.id,
                kind=self.kind,
                rows=[
                    job.row(self._marked(job), sure=False)
                    for job in jobs
                    if job.external_id in written or job.value is None
                ],
                claims=plan.claims,
                given_up=plan.given_up,
            )
            if not await context.storage.write(ledger.mark, mark):
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
        return email_key(self._context, email)

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

    async def _remove(self, job: CustomerJob, lane: Lane) -> Outcome:
        api = self._context.sparklayer.customers
        held = await confirmed(partial(api.read, job.external_id, lane), is_there)
        if held is not None and is_agent(held):
            return Outcome(result="rejected", issues=(IssueType.SALES_AGENT.issue(),))
        # Where no customer was read yet, the read's 404 may be the path's: who is to go would keep the access for ever.
        if (held is not None or not self._exchange.proven) and not await finds(
            partial(api.delete, job.external_id, lane)
        ):
            await agreed(None, partial(api.read, job.external_id, lane))
        return Outcome(result="removed", released=frozenset(job.before.emails if job.before else ()) | {UNREAD})

    async def _write(self, job: CustomerJob, sending: "_Sending") -> Outcome:
        customer, batch = job.value, sending.batch
        assert customer is not None  # the plan's waves have nobody else
        holder = sending.plan.given_up.get(self._key(customer))
        if customer.parent is not None and sending.waits_for(customer.parent):
            return _waiting(customer.parent, job.attempts)
        if holder is not None and holder != job.external_id and (batch.failed(holder) or holder in batch.late):
            raise Retry("its e-mail address is not free yet", reason="email_first")
        try:
            job = await self._send(job, sending, email=customer.email)
        except Duplicate as taken:
            await self._give_way_or_retry(job, sending, taken)
            # Perhaps a former owner has yet to give it up: once it has, who waits is looked at again.
            waits_for = frozenset({self._key(customer)})
            return Outcome(result="rejected", issues=(_issue(taken, customer),), waits_for=waits_for)
        except Rejected as refusal:
            return Outcome(result="rejected", issues=(_issue(refusal, customer),))
        customer = job.value
        assert customer is not None  # it was sent
        parts = self._parts(customer)
        released = frozenset(job.before.emails if job.before else ()) - frozenset(parts.emails) | {UNREAD}
        outcome = Outcome(result="written", row=job.row(parts), released=released, parent=True, follows=customer.parent)
        link = sending.links.get(job.external_id)
        return outcome if link is None or customer.parent is not None else _without_parent(outcome, link)

    async def _give_way_or_retry(self, job: CustomerJob, sending: "_Sending", taken: Duplicate) -> None:
        """Raise Retry while the owner of the e-mail address may be one of ours who is about to give it up."""
        customer = job.value
        assert customer is not None  # who is gone is removed
        asked = await self._is_asked_to_give_way(job, customer, taken)
        if asked:
            # Each may have what the other wants: an attempt failed before one could let go, or the ledger was lost.
            await self._send(job, sending, email=placeholder(job.external_id))
        if job.attempts < PARENT_RETRIES and (asked or job.before is None or job.attempts):
            raise Retry("its e-mail address is not free yet", reason="email_first")

    async def _is_asked_to_give_way(self, job: CustomerJob, customer: Customer, taken: Duplicate) -> bool:
        """Whether an e-mail that SparkLayer may hold for a customer is another one's by now."""
        former = set(job.before.emails if job.before else ())
        if isinstance(taken, EmailTaken) and taken.present:
            former.add(self._email_key(taken.present))
        former.discard(self._key(customer))
        owners = await self._context.storage.read(ledger.owners, self._context.connection.id, self.kind, former)
        return any(owner != job.external_id for owner in owners.values())

    async def _send(self, job: CustomerJob, sending: "_Sending", *, email: str) -> CustomerJob:
        """Send a customer, without its parent if SparkLayer does not have that; return what was sent.

        Raises Retry when the parent is missing in SparkLayer though the ledger is sure of it: it is written again.
        """
        customer, before, batch = job.value, job.before or Parts(), sending.batch
        assert customer is not None  # who is gone is removed
        if customer.parent is not None and sending.lacks_parent(job.external_id, customer.parent):
            return await self._send(self._alone(job), sending, email=email)
        # Where the platform names a parent, one that SparkLayer has is not carried over.
        named = {PARENT} if job.external_id in sending.links else set[str]()
        write = CustomerWrite(
            customer=customer,
            email=email,
            gone=frozenset(named.union(before.sent) - sent(customer)),
            vanished=frozenset(before.addresses) - customer.addresses.keys(),
        )
        try:
            await self._exchange.put(write, batch.lane, known=job.before is not None)
        except Duplicate:
            raise
        except Rejected as refusal:
            if customer.parent is None or not await self._lacks_parent(customer.parent, refusal, batch.lane):
                raise
            if not await self._is_sure_of(customer.parent):
                return await self._send(self._alone(job), sending, email=email)
            batch.missing.add(customer.parent)
            raise Retry("waits for its parent customer", reason="parent_first") from refusal
        return job

    def _alone(self, job: CustomerJob) -> CustomerJob:
        """Return the job of writing a customer without its parent."""
        assert job.value is not None  # who is gone has no parent
        value = evolve(job.value, parent=None)
        return evolve(job, value=value, fingerprint=self._context.fingerprint(value))

    async def _is_sure_of(self, parent: ExternalId) -> bool:
        """Return whether the ledger says that SparkLayer has a customer."""
        context = self._context
        row = (await context.storage.read(ledger.look_up, context.connection.id, self.kind, [parent])).get(parent)
        return row is not None and row.fingerprint is not None

    async def _lacks_parent(self, parent: ExternalId, refusal: Rejected, lane: Lane) -> bool:
        """Return whether SparkLayer refused since it lacks the parent; a refusal without a field proves nothing."""
        if refusal.properties:
            return PARENT in refusal.properties
        return await self._context.sparklayer.customers.read(parent, lane) is None


def _issue(refusal: Rejected, customer: Customer) -> Issue:
    """Tell the merchant why SparkLayer does not take a customer."""
    if refusal.reason == SALES_AGENT:
        return IssueType.SALES_AGENT.issue()
    if isinstance(refusal, EmailTaken):
        return IssueType.EMAIL_TAKEN.issue(owner=refusal.owner)
    if "group" in refusal.properties and customer.group is not None:
        return IssueType.GROUP_UNKNOWN.issue(group=customer.group)
    return refused(str(refusal))


def _waiting(parent: ExternalId, attempts: int) -> Outcome:
    """Return the outcome on a customer that waits for its parent."""
    after = min(2.0**attempts, LONGEST_TOGETHER)
    failure = Retry("waits for its parent customer", reason="parent_first", after=after)
    return Outcome(result="retried", failure=failure, awaits=frozenset({parent}))


def _without_parent(outcome: Outcome, link: Link) -> Outcome:
    """Return the outcome on a customer that has no parent in SparkLayer, though it names one."""
    if link.standing == "circle":
        issue = IssueType.PARENT_GOES_IN_CIRCLES.issue(parent=link.parent)
        return evolve(outcome, issues=(*outcome.issues, issue), circles=link.parent)
    issue = IssueType.PARENT_MISSING.issue(parent=link.parent)
    return evolve(outcome, issues=(*outcome.issues, issue), awaits=frozenset({link.parent}))


def _both(before: tuple[T, ...], after: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*before, *after)))
