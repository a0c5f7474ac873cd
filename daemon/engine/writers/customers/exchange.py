"""Exchanges a customer with SparkLayer: reads it, and writes the platform's fields and SparkLayer's own ones back.

The path for reading is not documented. With a wrong one, each write would wipe the fields that only SparkLayer has. So
until a customer was read, one goes at a time, and a single customer is at risk.

A single wrong 404 has the same effect. Where the ledger knows the customer, a second answer decides. So it does for all
customers of a site that had one which the ledger did not know: an older integration, a person or a lost ledger left it.
On any other site a new customer costs two calls, and one answer decides.
"""

from functools import partial

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.errors import Blocked, Duplicate, Rejected, Side
from daemon.model import EmailKey, ExternalId, Kind, Lane
from daemon.sparklayer.customers import Body, CustomerWrite, is_agent, merged
from daemon.sparklayer.replacement import replaced
from daemon.storage import ledger
from daemon.transport.second_answer import confirmed

READ_UNKNOWN = "customer_read_unknown"
SALES_AGENT = "sales_agent"
EMAIL_TAKEN = "email_taken"

UNREAD = EmailKey("unread")
"""Key of a customer that SparkLayer has and does not show; no e-mail address has this key. It is in the ledger, since
otherwise each restart could wipe another customer's own fields."""

OTHERS = EmailKey("others")
"""Key of a customer that SparkLayer had before the ledger knew it. It is in the ledger for the same reason."""

log = structlog.get_logger()


class EmailTaken(Duplicate):
    """Another customer has the e-mail address: `owner` is its external id; `present` is the address of this one."""

    def __init__(self, owner: str, *, present: str | None) -> None:
        super().__init__(f"the customer {owner} has the e-mail address", reason=EMAIL_TAKEN)
        self.owner = owner
        self.present = present


class Exchange:
    """Reads and writes the customers of one site."""

    kind = Kind.CUSTOMERS

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._proving = trio.Lock()
        self.proven = False
        """True once a customer was read."""
        self._unread: ExternalId | None = None
        """A customer that SparkLayer has and did not show to this process."""
        self._has_others = False
        """True if SparkLayer had a customer that the ledger did not know."""

    async def put(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        """Read a customer and write it, one at a time until customers are known to be readable.

        `known`: by the ledger, SparkLayer has or had it.

        Raises Duplicate, and Blocked (`customer_read_unknown`) when SparkLayer has a customer that it did not show.
        """
        if self.proven:
            return await self._replace(write, lane, known=known)
        async with self._proving:  # at most one customer loses something to a wrong path
            unread = self._unread or await self._left_unread(write.customer.external_id)
            if unread is not None and await self._context.sparklayer.customers.read(unread, lane) is None:
                raise _read_unknown()
            self._unread = None
            await self._replace(write, lane, known=known)
            self.proven = True
        return None

    async def _left_unread(self, other_than: ExternalId) -> ExternalId | None:
        """Return the customer that was not shown to an earlier process. It may be written: it has no more to lose."""
        context = self._context
        owners = await context.storage.read(ledger.owners, context.connection.id, self.kind, {UNREAD, OTHERS})
        self._has_others = self._has_others or OTHERS in owners
        unread = owners.get(UNREAD)
        return None if unread == other_than else unread

    async def _note_unread(self, external_id: ExternalId) -> None:
        """Note, also for the next process, that SparkLayer has a customer and does not show it."""
        self.proven, self._unread = False, external_id
        await self._note(UNREAD, external_id)

    async def _note_others(self, external_id: ExternalId) -> None:
        """Note, also for the next process, that SparkLayer has customers which the ledger does not know."""
        if not self._has_others:
            self._has_others = True
            await self._note(OTHERS, external_id)

    async def _note(self, key: EmailKey, external_id: ExternalId) -> None:
        context = self._context
        mark = ledger.Mark(connection_id=context.connection.id, kind=self.kind, rows=[], claims={key: external_id})
        await context.storage.write(ledger.mark, mark)

    async def _replace(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        api, external_id = self._context.sparklayer.customers, write.customer.external_id
        is_sent = False

        def is_believed(held: Body | None) -> bool:
            # A PUT after a wrong 404 would wipe the fields that only SparkLayer has.
            return is_there(held) or not (known or self._has_others)

        async def read() -> Body | None:
            held = await confirmed(partial(api.read, external_id, lane), is_believed)
            if is_there(held) and not (known or is_sent):
                await self._note_others(external_id)
            return held

        async def put(held: Body | None, before: float) -> tuple[Body | None, bool | Duplicate]:
            nonlocal is_sent
            _refuse_agent(held)
            is_sent = True
            try:
                return held, await api.put(external_id, merged(write, held), lane, before)
            except Duplicate as taken:
                return held, taken

        held, created = await replaced(read, put)
        if isinstance(created, Duplicate):
            return await self._link(write, created, lane, present=held.get("email") if held else None)
        if held is None and not created:
            site = str(self._context.connection.site)
            log.warning("customer replaced after a wrong 404", site=site, external_id=external_id)
            await self._note_others(external_id)
        # A new customer of a site that shows customers needs no second read.
        if held is None and not (created and self.proven) and await api.read(external_id, lane) is None:
            # A wrong path answers 404 for every customer: stop before the next PUT wipes another one's fields.
            await self._note_unread(external_id)
            raise _read_unknown()
        return None

    async def _link(self, write: CustomerWrite, taken: Duplicate, lane: Lane, *, present: str | None) -> None:
        """Adopt the customer with our e-mail address, if no platform id is linked to it. Raises Duplicate otherwise."""
        api, external_id = self._context.sparklayer.customers, write.customer.external_id

        async def put(other: Body | None, before: float) -> None:
            if other is None:
                raise taken  # it is not about the e-mail address
            _refuse_agent(other)
            owner = other.get("external_id")
            if owner and owner != external_id:
                raise EmailTaken(str(owner), present=present)
            await api.put_by_email(write.email, merged(write, other), lane, before)

        await replaced(partial(api.read_by_email, write.email, lane), put)


def _read_unknown() -> Blocked:
    words = "SparkLayer has a customer that it does not show: how customers are read must have changed"
    return Blocked(words, reason=READ_UNKNOWN, side=Side.SPARKLAYER)


def is_there(held: Body | None) -> bool:
    """Return True if SparkLayer has a customer: a 200 is believed at once, a 404 is not."""
    return held is not None


def _refuse_agent(held: Body | None) -> None:
    if held is not None and is_agent(held):
        raise Rejected("the account is a sales agent's", reason=SALES_AGENT)
