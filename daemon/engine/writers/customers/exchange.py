"""Exchanges a customer with SparkLayer: reads it, and writes the platform's fields and SparkLayer's own ones back.

The path for reading is not documented. With a wrong one, each write would wipe the fields that only SparkLayer has. So
until a customer was read, one goes at a time, and a single customer is at risk.

A wrong 404 has the same effect, also after that. Where the ledger knows the customer, a 404 counts only if SparkLayer
shows another customer and a second answer agrees; if it shows none, the customer goes alone. So it does for all
customers of a site that had one which the ledger did not know: an older integration, a person or a lost ledger left it.
On any other site a new customer costs two calls, and one answer decides.
"""

from functools import partial

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.errors import Blocked, Duplicate, Rejected, Retry, Side
from daemon.model import EmailKey, ExternalId, Kind, Lane
from daemon.sparklayer.client import replaced
from daemon.sparklayer.customers import Body, CustomerWrite, is_agent, merged
from daemon.storage import ledger
from daemon.transport.second_answer import agreed

READ_UNKNOWN = "customer_read_unknown"
SALES_AGENT = "sales_agent"
EMAIL_TAKEN = "email_taken"

UNREAD = EmailKey("unread")
"""Key of a customer that SparkLayer has and does not show; no e-mail address has this key. It is in the ledger, since
otherwise each restart could wipe another customer's own fields."""

OTHERS = EmailKey("others")
"""Key of a customer that SparkLayer had before the ledger knew it. It is in the ledger for the same reason."""

REPLACED = EmailKey("replaced")
"""Key of a customer that was replaced after a wrong 404, until the merchant has an issue about it."""

NOTES = frozenset({UNREAD, OTHERS, REPLACED})

ALONE_SECONDS = 5.0
"""Seconds after which a customer that goes alone makes way for the next. They double each time, so that the first
customer of a slow site gets through as well."""

LONGEST_ALONE_SECONDS = 90.0

ASKED_SECONDS = 3.0
"""Seconds after which another customer counts as not shown."""

HIDDEN_SECONDS = 5.0
"""Seconds until SparkLayer is asked again for a hidden customer: all waiting customers share the answer."""

UNREAD_SECONDS = 3600.0
"""Seconds until a customer that SparkLayer does not show is written again, to find out if a person has deleted it."""

log = structlog.get_logger()


class EmailTaken(Duplicate):
    """Another customer has the e-mail address: `owner` is its external id; `present` is the address of this one."""

    def __init__(self, owner: str, *, present: str | None) -> None:
        super().__init__(f"the customer {owner} has the e-mail address", reason=EMAIL_TAKEN)
        self.owner = owner
        self.present = present


class _NoneShown(Exception):
    """SparkLayer showed neither the customer nor another one, so the customer must go alone."""


class Exchange:
    """Reads and writes the customers of one site."""

    kind = Kind.CUSTOMERS

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._loading = trio.Lock()
        self._is_loaded = False
        self._proven = False
        """True while customers are readable: one was read, and none is known to be hidden."""
        self._has_others = False
        """True if SparkLayer had a customer that the ledger did not know."""
        self._replaced: set[ExternalId] = set()
        self._alone = trio.Lock()
        self._alone_seconds = ALONE_SECONDS
        self._asking = trio.Lock()
        self._shown: ExternalId | None = None
        """The customer that SparkLayer showed last, at `_shown_at` of trio's clock."""
        self._shown_at = float("-inf")
        self._hidden_until = float("-inf")
        self._unwritten_until = float("-inf")

    async def put(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        """Read a customer and write it, one at a time while customers may not be readable.

        `known`: by the ledger, SparkLayer has or had it.

        Raises Duplicate, Retry, and Blocked (`customer_read_unknown`) when SparkLayer has a customer that it did not
        show.
        """
        async with self._loading:
            if not self._is_loaded:  # what earlier processes noted
                notes = await self._notes()
                self._has_others = OTHERS in notes
                self._replaced.update(notes[key] for key in notes.keys() & {REPLACED})
                # A customer that the ledger is sure of was read, or written while others were readable.
                self._proven = UNREAD not in notes and await self._confirmed("") is not None
                self._is_loaded = True
        while True:
            if self._proven:
                try:
                    return await self._replace(write, lane, known=known, alone=False)
                except _NoneShown:
                    self._proven = False
            async with self._alone:  # at most one customer loses something to a wrong path
                if self._proven:
                    continue  # by a customer that was before this one
                with trio.move_on_after(self._alone_seconds):
                    return await self._put_alone(write, lane, known=known)
                self._alone_seconds = min(2 * self._alone_seconds, LONGEST_ALONE_SECONDS)
            raise Retry("SparkLayer did not answer in time", reason="timeout", effect_unknown=True)

    def take_replaced(self, external_id: ExternalId) -> bool:
        """Return True, once, if a customer was replaced after a wrong 404: fields set by hand may be gone."""
        was_replaced = external_id in self._replaced
        self._replaced.discard(external_id)
        return was_replaced

    async def shows_another(self, other_than: ExternalId, lane: Lane, since: float) -> bool:
        """Return True if SparkLayer shows another customer, or has shown any from `since` (trio's clock) on.

        It is asked for the customer shown last, and for one that the ledger is sure of.
        """
        # One customer asks at a time: the answer serves all that wait here.
        async with self._asking:
            if self._shown_at >= since:
                return True
            for customer in (self._shown, await self._confirmed(other_than)):
                if customer is None or customer == other_than:
                    continue
                with trio.move_on_after(ASKED_SECONDS):
                    try:
                        if await self._read(customer, lane) is not None:
                            return True
                    except (Retry, Rejected):
                        pass  # going alone is safe, and this customer's trouble is not the other one's
        return False

    async def _notes(self) -> dict[EmailKey, ExternalId]:
        context = self._context
        return await context.storage.read(ledger.owners, context.connection.id, self.kind, NOTES)

    async def _confirmed(self, other_than: str) -> ExternalId | None:
        """Return a random customer that the ledger is sure of."""
        context = self._context
        customer = await context.storage.read(ledger.confirmed_id, context.connection.id, self.kind, other_than)
        return None if customer is None else ExternalId(customer)

    async def _read(self, external_id: ExternalId, lane: Lane) -> Body | None:
        customer = await self._context.sparklayer.customers.read(external_id, lane)
        if customer is not None:
            self._proven, self._shown, self._shown_at = True, external_id, trio.current_time()
        return customer

    async def _put_alone(self, write: CustomerWrite, lane: Lane, *, known: bool) -> None:
        """Write a customer while none is known to be readable. Raises Blocked while SparkLayer hides an unread one."""
        # Read each time, since the customer may have been removed meanwhile.
        unread = (await self._notes()).get(UNREAD)
        # The unread customer itself may be written: it has little more to lose.
        is_due = unread == write.customer.external_id and trio.current_time() >= self._unwritten_until
        if unread is not None and not is_due:
            now = trio.current_time()
            if now < self._hidden_until:
                raise _read_unknown()
            # If the unread customer was deleted by hand, another one must be readable.
            if await self._read(unread, lane) is None and not await self.shows_another(unread, lane, now):
                self._hidden_until = trio.current_time() + HIDDEN_SECONDS
                raise _read_unknown()
        await self._replace(write, lane, known=known, alone=True)
        self._alone_seconds = ALONE_SECONDS

    async def _note_others(self, external_id: ExternalId) -> None:
        """Note, also for the next process, that SparkLayer has customers which the ledger does not know."""
        if not self._has_others:
            self._has_others = True
            await self._note(OTHERS, external_id)

    async def _note(self, key: EmailKey, external_id: ExternalId) -> None:
        context = self._context
        mark = ledger.Mark(connection_id=context.connection.id, kind=self.kind, rows=[], claims={key: external_id})
        await context.storage.write(ledger.mark, mark)

    async def _replace(self, write: CustomerWrite, lane: Lane, *, known: bool, alone: bool) -> None:
        """Read and write a customer. Raises _NoneShown if nothing was written, since it must go `alone`."""
        external_id, is_sent = write.customer.external_id, False

        async def read() -> Body | None:
            held = await self._read(external_id, lane)
            if held is not None:
                if not (known or is_sent):
                    await self._note_others(external_id)
            elif known or self._has_others:
                # A PUT after a wrong 404 would wipe the fields that only SparkLayer has.
                if not (alone or await self.shows_another(external_id, lane, trio.current_time())):
                    raise _NoneShown
                await agreed(None, partial(self._read, external_id, lane))
            return held

        async def put(held: Body | None, before: float) -> tuple[Body | None, bool | Duplicate]:
            nonlocal is_sent
            _refuse_agent(held)
            is_sent = True
            try:
                body = merged(write, held)
                return held, await self._context.sparklayer.customers.put(external_id, body, lane, before)
            except Duplicate as taken:
                return held, taken

        held, created = await replaced(read, put)
        if isinstance(created, Duplicate):
            return await self._link(write, created, lane, present=held.get("email") if held else None)
        # A new customer of a site that shows customers needs no second read.
        if held is None and not (created and self._proven):
            await self._read_back(external_id, lane, created=created)
        return None

    async def _read_back(self, external_id: ExternalId, lane: Lane, *, created: bool) -> None:
        """Read a customer after a 404 and a PUT. Raises Blocked if SparkLayer still does not show it."""
        if not created:
            site = str(self._context.connection.site)
            log.warning("customer replaced after a wrong 404", site=site, external_id=external_id)
            self._replaced.add(external_id)
            await self._note(REPLACED, external_id)
            await self._note_others(external_id)
        # Noted before the read, which may fail. The customer's outcome releases it.
        self._proven = False
        self._unwritten_until = trio.current_time() + UNREAD_SECONDS
        await self._note(UNREAD, external_id)
        if await self._read(external_id, lane) is None:
            # A wrong path answers 404 for every customer: stop before the next PUT wipes another one's fields.
            raise _read_unknown()

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


def _refuse_agent(held: Body | None) -> None:
    if held is not None and is_agent(held):
        raise Rejected("the account is a sales agent's", reason=SALES_AGENT)
