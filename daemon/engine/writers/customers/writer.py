"""Writes customers: decides on parents and e-mail addresses, and exchanges each customer with SparkLayer.

A customer is two calls: it is read, and what the platform does not own is written back with what it owns. So a
customer that SparkLayer has and the ledger does not, after a lost database, needs nothing more.

An edit by hand in SparkLayer between the two calls is lost. They are less than two seconds apart, also after a failure.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import trio
from attrs import evolve

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.writers.customers.exchange import REPLACED, SALES_AGENT, UNREAD, EmailTaken, Exchange
from daemon.engine.writers.customers.plan import (
    CustomerJob,
    CustomerParts,
    CustomerPlan,
    Family,
    Link,
    find_links,
    plan_customers,
)
from daemon.engine.writers.job import BatchPlan, Step
from daemon.engine.writers.writer import Writer
from daemon.entities import Customer, Issue
from daemon.errors import Duplicate, Rejected, Retry
from daemon.issues import IssueType, refused
from daemon.model import EmailKey, ExternalId, Key, Kind, Lane
from daemon.model.outcome import Outcome, Result, Row
from daemon.sparklayer.customers import PARENT, CustomerWrite, is_agent, still_sent
from daemon.sparklayer.operation import CUSTOMER
from daemon.storage import dependencies, ledger
from daemon.transport.second_answer import agreed, confirmed, finds

T = TypeVar("T")

EMPTY_REFUSAL = "empty_refusal"
EMPTY_REFUSALS = 10
"""Tries, over more than ten minutes, after which an empty 404 to a deletion is believed, with two reads that agree."""

MOST_SHOWN, SHOWN_AGAIN = 3, 200.0
"""Deletions, and seconds between them, after which a further one is believed though SparkLayer shows the customer.

It archives a company's primary customer instead (sparklayer.md section 5), and may show it.
"""

PARENT_RETRIES = 5
"""Retries of a customer while another one may be about to give up its e-mail address."""

LONGEST_TOGETHER = 60.0
"""Seconds up to which customers that wait for their parents are retried at the same time (1, 2, 4 and so on), so that
one read does for many. Beyond that each waits as long as any other retried entity."""


NOTED = frozenset({UNREAD, REPLACED})
"""Keys that a customer may own until it is written or removed."""


def placeholder(external_id: ExternalId) -> str:
    """Return an unusable e-mail address, for the moment in which two customers swap theirs."""
    return f"freed-{external_id}@ignite-sync.invalid"


class CustomerWriter(Writer[CustomerJob, CustomerJob]):
    """Writes customers, parents before their children."""

    kind = Kind.CUSTOMERS
    job = CustomerJob
    parts = CustomerParts
    used_twice = IssueType.EMAIL_USED_TWICE
    key_name = "e-mail address in SparkLayer"

    def __init__(self, context: ConnectionContext) -> None:
        super().__init__(context)
        self._exchange = Exchange(context)
        self._still_shown = Counter[ExternalId]()

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Return what would be sent, or the parent that the customer waits for."""
        jobs = await self.find_jobs(batch)
        awaited = {parent for outcome in batch.outcomes.values() for parent in outcome.awaits if outcome.failure}
        waits = [Step("wait", f"its parent {parent} is yet to come") for parent in awaited]
        return [*waits, *(step for job in jobs for step in _steps(job))]

    def key_of(self, text: str) -> EmailKey | None:
        """Return the key of an e-mail address, in upper case or not; None for any other text."""
        return self._email_key(text) if "@" in text else None

    async def find_jobs(self, batch: Batch) -> list[CustomerJob]:
        """Return the customers that differ, without the parents that SparkLayer is not told of."""
        links = await self._links(batch)
        alone = {}
        for external_id, link in links.items():
            customer = batch.mapped[external_id].value
            assert customer is not None  # a customer that is gone names no parent
            if link.first is not None:
                batch.wanted.add(link.first)
            if link.standing == "coming":
                batch.outcomes[external_id] = _waiting(link.parent, batch.claims[external_id].attempts)
            if link.standing != "told":
                alone[external_id] = evolve(customer, parent=None)
        jobs = self.changed(batch, self._context.fingerprint, alone)
        for external_id, link in links.items():
            outcome = batch.outcomes.get(external_id)
            # Settling resolves the issues that an outcome does not repeat.
            if link.standing != "told" and outcome is not None and outcome.result is Result.UNCHANGED:
                batch.outcomes[external_id] = _with_parent_issue(outcome, link)
        self._context.sparklayer.expect(CUSTOMER, (job.external_id for job in jobs if job.confirmed))
        return [
            evolve(job, email=self._email_key(job.value.email) if job.value else None, link=links.get(job.external_id))
            for job in jobs
        ]

    def keys(self, jobs: Sequence[CustomerJob]) -> Collection[Key]:
        """Return the keys of the e-mail addresses that customers have now."""
        return {job.email for job in jobs if job.email is not None}

    async def plan(self, jobs: Sequence[CustomerJob], owners: Mapping[EmailKey, ExternalId]) -> CustomerPlan:
        """Read which parents SparkLayer has, and plan."""
        parents = {job.value.parent for job in jobs if job.value and job.value.parent}
        known: set[ExternalId] = set()
        if parents:
            context = self._context
            rows = await context.storage.read(ledger.look_up, context.connection.id, self.kind, list(parents))
            # A parent that this batch removes is gone before its children are written.
            known = rows.keys() - {job.external_id for job in jobs if job.value is None}
        return plan_customers(jobs, owners, known, self._marked)

    def _marked(self, job: CustomerJob) -> Row:
        """Return a row with all that SparkLayer may hold of the former and the present state."""
        before = job.before or CustomerParts()
        after = self._parts(job.value, before) if job.value else CustomerParts()
        return job.row(before.joined(after), sure=False)

    async def send(self, batch: Batch, plan: BatchPlan[CustomerJob], task: CustomerJob, *, last: bool) -> Outcome:
        """Remove a customer, have it give up its e-mail address, or write it."""
        if task.value is None:
            return await self._remove(task, batch.lane)
        if not last:
            await self._send(task, batch, plan, email=placeholder(task.external_id))
            return Outcome(result=Result.WRITTEN)
        return await self._write(task, task.value, batch, plan)

    async def _links(self, batch: Batch) -> dict[ExternalId, Link]:
        """Return what is done about the parents that customers of a batch name."""
        context, mapped = self._context, batch.mapped
        members: dict[ExternalId, Customer] = {
            key: entity.value
            for key, entity in mapped.items()
            if entity.value is not None and key not in batch.outcomes
        }
        named = {key: customer.parent for key, customer in members.items() if customer.parent is not None}
        if not named:
            return {}
        # A live change does not wait for the run that has tagged its row besides.
        runs = {key: run for key in named if batch.lane is Lane.BACKFILL and (run := batch.claims[key].run) is not None}
        relations = await context.storage.read(
            dependencies.relations, context.connection.id, self.kind, {*named.values()}, {*runs.values()}
        )
        going = {key for key, entity in mapped.items() if entity.value is None and key not in batch.outcomes}
        family = Family(
            named=named,
            members=members.keys(),
            going=going,
            decided=going | {key for key, outcome in batch.outcomes.items() if outcome.failure is None},
            alone={
                key
                for key in named
                if (row := batch.rows.get(key)) is not None
                and row.fingerprint == self._context.fingerprint(evolve(members[key], parent=None))
            },
            early={key for key, run in runs.items() if run in relations.unread},
            relations=relations,
        )
        return find_links(family)

    def _email_key(self, email: str) -> EmailKey:
        return EmailKey(self._context.fingerprint(email.lower()).hex())

    def _parts(self, customer: Customer, before: CustomerParts) -> CustomerParts:
        emails = (self._email_key(customer.email),)
        addresses = (*customer.addresses, *customer.unreadable_addresses)
        return CustomerParts(emails=emails, addresses=addresses, sent=tuple(sorted(still_sent(customer, before.sent))))

    async def _remove(self, job: CustomerJob, lane: Lane) -> Outcome:
        api = self._context.sparklayer.customers
        began = trio.current_time()
        held = await confirmed(partial(api.read, job.external_id, lane), lambda held: held is not None)
        if held is not None and is_agent(held):
            return Outcome(result=Result.REJECTED, issues=(IssueType.SALES_AGENT.issue(),))
        # A 404 may be the path's own. Believing it would leave the customer its access.
        is_gone = held is None and await self._exchange.shows_another(job.external_id, lane, began)
        if not is_gone:
            try:
                is_gone = not await finds(partial(api.delete, job.external_id, lane))
            except Retry as refusal:
                # A site without customers has none whose deletion could show that its empty 404s are its own.
                if refusal.reason != EMPTY_REFUSAL or job.attempts < EMPTY_REFUSALS:
                    raise
                is_gone = True
            ask = partial(api.read, job.external_id, lane)
            if is_gone:
                await agreed(None, ask)
            # The 204 may be a proxy's: forgetting the customer takes a second answer.
            elif await confirmed(ask, lambda held: held is None) is not None:
                self._still_shown[job.external_id] += 1
                if self._still_shown[job.external_id] <= MOST_SHOWN:
                    words = "SparkLayer still has the customer after its deletion"
                    raise Retry(words, reason="not_deleted", after=SHOWN_AGAIN)
        self._still_shown.pop(job.external_id, None)
        self._exchange.take_replaced(job.external_id)
        return Outcome(result=Result.REMOVED, released=_emails(job) | NOTED)

    async def _write(self, job: CustomerJob, customer: Customer, batch: Batch, plan: BatchPlan[CustomerJob]) -> Outcome:
        email = self._email_key(customer.email)
        holder = plan.owners.get(email, job.external_id)
        if customer.parent is not None:
            outcome, parent = batch.outcomes.get(customer.parent), plan.tasks.get(customer.parent)
            is_retried = outcome is not None and outcome.failure is not None
            # Its parent in the batch is yet to be written, or will be retried.
            if customer.parent in plan.late or (is_retried and parent is not None and not parent.confirmed):
                return _waiting(customer.parent, job.attempts)
        if holder != job.external_id and (holder in plan.late or batch.failed(holder)):
            raise Retry("its e-mail address is not free yet", reason="email_first")
        try:
            job, customer = await self._send(job, batch, plan, email=customer.email)
        except Duplicate as taken:
            await self._give_way_or_retry(job, customer, batch, plan, taken)
            # A former owner may have yet to give the address up: then this customer is looked at again.
            return Outcome(result=Result.REJECTED, issues=(_issue(taken, customer),), waits_for=frozenset({email}))
        except Rejected as refusal:
            return Outcome(result=Result.REJECTED, issues=(_issue(refusal, customer),))
        # A customer that was written was read before, so it is not unread any more.
        released = _emails(job) - {email} | NOTED
        row = job.row(self._parts(customer, job.before or CustomerParts()))
        is_replaced = self._exchange.take_replaced(job.external_id)
        issues = (IssueType.CUSTOMER_REPLACED.issue(),) if is_replaced else ()
        outcome = Outcome(
            result=Result.WRITTEN, row=row, issues=issues, released=released, parent=True, follows=customer.parent
        )
        return outcome if job.link is None or customer.parent is not None else _with_parent_issue(outcome, job.link)

    async def _give_way_or_retry(
        self, job: CustomerJob, customer: Customer, batch: Batch, plan: BatchPlan[CustomerJob], taken: Duplicate
    ) -> None:
        """Raise Retry while the owner of the e-mail address may be one of ours that is about to give it up."""
        # SparkLayer may hold these addresses for the customer.
        former = set(job.before.emails if job.before else ())
        if isinstance(taken, EmailTaken) and taken.present:
            former.add(self._email_key(taken.present))
        former.discard(self._email_key(customer.email))
        owners = await self._context.storage.read(ledger.owners, self._context.connection.id, self.kind, former)
        is_asked = any(owner != job.external_id for owner in owners.values())
        if is_asked:  # by the ledger another customer is to have one of them
            # Each may have the other's address: an attempt failed before one could let go, or the ledger was lost.
            await self._send(job, batch, plan, email=placeholder(job.external_id))
        if job.attempts < PARENT_RETRIES and (is_asked or job.before is None or job.attempts):
            raise Retry("its e-mail address is not free yet", reason="email_first")

    async def _send(
        self, job: CustomerJob, batch: Batch, plan: BatchPlan[CustomerJob], *, email: str
    ) -> tuple[CustomerJob, Customer]:
        """Send a customer, without its parent if SparkLayer lacks that; return what was sent.

        Raises Retry when SparkLayer lacks a parent that the ledger is sure of: the parent is then written again.
        """
        customer, before = job.value, job.before or CustomerParts()
        assert customer is not None  # a customer that is gone is removed
        if customer.parent is not None and _lacks_parent(batch, plan, job.external_id, customer.parent):
            return await self._send(self._alone(job, customer), batch, plan, email=email)
        # Where the platform names a parent, one that SparkLayer has is not carried over.
        names = {*before.sent, *([PARENT] if job.link is not None else [])}
        write = CustomerWrite(
            customer=customer,
            email=email,
            gone=names - still_sent(customer, names),
            vanished=frozenset(before.addresses) - customer.addresses.keys() - {*customer.unreadable_addresses},
        )
        try:
            await self._exchange.put(write, batch.lane, known=job.before is not None)
        except Duplicate:  # a conflict is never about the parent
            raise
        except Rejected as refusal:
            context, parent = self._context, customer.parent
            if parent is None or not await self._is_refused_for_parent(parent, refusal, batch.lane):
                raise
            row = (await context.storage.read(ledger.look_up, context.connection.id, self.kind, [parent])).get(parent)
            if row is None or row.fingerprint is None:
                return await self._send(self._alone(job, customer), batch, plan, email=email)
            # The ledger is wrong about the parent, perhaps after a deletion by hand.
            batch.missing.add(parent)
            raise Retry("waits for its parent customer", reason="parent_first") from refusal
        return job, customer

    def _alone(self, job: CustomerJob, customer: Customer) -> CustomerJob:
        """Return the job of writing a customer without its parent."""
        value = evolve(customer, parent=None)
        return evolve(job, value=value, fingerprint=self._context.fingerprint(value))

    async def _is_refused_for_parent(self, parent: ExternalId, refusal: Rejected, lane: Lane) -> bool:
        """Return True if SparkLayer refused because it lacks the parent; a refusal without a field proves nothing."""
        if refusal.properties:
            return PARENT in refusal.properties
        return await self._context.sparklayer.customers.read(parent, lane) is None


def _emails(job: CustomerJob) -> frozenset[Key]:
    return frozenset(job.before.emails if job.before else ())


def _steps(job: CustomerJob) -> Iterator[Step]:
    """Yield the write or the deletion, and the addresses that would go."""
    if job.value is None:
        yield Step("DELETE the customer", job.why)
        return
    yield Step("read the customer, and PUT it", job.why)
    there = {*job.value.addresses, *job.value.unreadable_addresses}
    for address in job.before.addresses if job.before else ():
        if address not in there:
            yield Step(f"leave out its address {address}", "the customer no longer has it")


def _lacks_parent(batch: Batch, plan: BatchPlan[CustomerJob], external_id: ExternalId, parent: ExternalId) -> bool:
    """Return True if SparkLayer lacks a customer's parent, and will not have it by this batch."""
    assert isinstance(plan, CustomerPlan)  # it is planned here
    job, outcome = plan.tasks.get(parent), batch.outcomes.get(parent)
    refused_parent = outcome is not None and outcome.failure is None and outcome.result is Result.REJECTED
    return external_id in plan.orphans or (refused_parent and job is not None and job.before is None)


def _issue(refusal: Rejected, customer: Customer) -> Issue:
    """Return the merchant's issue for a refused customer."""
    if refusal.reason == SALES_AGENT:
        return IssueType.SALES_AGENT.issue()
    if isinstance(refusal, EmailTaken):
        return IssueType.EMAIL_TAKEN.issue(owner=refusal.owner)
    if "group" in refusal.properties and customer.group is not None:
        return IssueType.GROUP_UNKNOWN.issue(group=customer.group)
    return refused(str(refusal))


def _waiting(parent: ExternalId, attempts: int) -> Outcome:
    """Return the outcome of a customer that waits for its parent."""
    after = min(2.0**attempts, LONGEST_TOGETHER)
    failure = Retry("waits for its parent customer", reason="parent_first", after=after)
    return Outcome(result=Result.RETRIED, failure=failure, awaits=frozenset({parent}))


def _with_parent_issue(outcome: Outcome, link: Link) -> Outcome:
    """Return the outcome of a customer that has no parent in SparkLayer, though it names one."""
    if link.standing == "circle":
        issue = IssueType.PARENT_GOES_IN_CIRCLES.issue(parent=link.parent)
        return evolve(outcome, issues=(*outcome.issues, issue), circles=link.parent)
    issue = IssueType.PARENT_MISSING.issue(parent=link.parent)
    return evolve(outcome, issues=(*outcome.issues, issue), awaits=frozenset({link.parent}))
