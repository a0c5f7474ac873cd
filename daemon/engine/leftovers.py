"""Removes what SparkLayer holds and the store no longer has, after the first full sync on an empty ledger.

A lost database, or a disconnect, loses the record of what was sent. SparkLayer can list the SKUs of our price
list. A SKU that no product has loses price and stock if a second read of the whole store does not show it either; the
removal brake applies. SparkLayer lists nothing else, so the rest stays (`UNKNOWABLE`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.job import encoded
from daemon.engine.writers.products.diff import ProductParts
from daemon.errors import Blocked, Rejected, Retry
from daemon.issues import UNREAD
from daemon.model import Kind, Sku
from daemon.model.outcome import Row
from daemon.storage import leftovers
from daemon.storage.full_syncs import Run, Start, start
from daemon.storage.leftovers import LeftoverRows, leftover
from daemon.storage.states import RunMode

UNKNOWABLE: Mapping[Kind, str] = {
    Kind.PRODUCTS: "products without a price that the store no longer has stay in SparkLayer",
    Kind.CUSTOMERS: "customers that the store no longer has stay in SparkLayer",
}
"""The leftovers of each kind that cannot be found after a lost database, for the operator's log."""

LOOK_SOON, LOOK_AGAIN = 60.0, 900.0
"""Seconds until another look: while products are not read yet, and when SparkLayer did not answer."""

log = structlog.get_logger()


class Leftovers:
    """Looks for leftovers of one kind, if a look is owed."""

    def __init__(self, context: ConnectionContext, kind: Kind) -> None:
        self._context = context
        self._kind = kind
        self._writer = context.kind_states[kind].writer
        self._unread = (0, 0)
        """The counts that were logged last, so that the same ones are not logged every minute."""
        self._fields: dict[str, Any] = {"site": str(context.connection.site), "kind": kind.value}

    async def look(self, run: Run) -> float | None:
        """Look after the end of a run; return the seconds until another look, None if none is owed."""
        context, key = self._context, (self._context.connection.id, self._kind)
        # A product may have taken a SKU since it was noted: then it is no leftover.
        await context.storage.write(leftovers.forget_owned, key)
        if run.enumerated_at is None or not await context.storage.read(leftovers.owed, *key):
            return None
        if self._writer.lists_keys and (wait := await self._find()) is not None:
            return wait
        await context.storage.write(leftovers.settle_debt, key)
        if self._kind in UNKNOWABLE:
            log.info("full sync began without a ledger", not_removed=UNKNOWABLE[self._kind], **self._fields)
        return None

    async def _find(self) -> float | None:
        """Note SKUs that SparkLayer has and no product does, and have the store read again; see `look`."""
        context = self._context
        unread = await context.storage.read(leftovers.unread, context.connection.id, self._kind)
        issues: list[Any] = [context.vault.decrypt(encrypted) for encrypted in unread.encrypted]
        doubtful = sum(any(code in UNREAD for code, _ in issue["problems"]) for issue in issues)
        if unread.waiting or doubtful:
            # Their SKUs are not known: any SKU without a product may be theirs.
            if self._unread != (unread.waiting, doubtful):
                log.info("leftovers wait for products to be read", waiting=unread.waiting, odd=doubtful, **self._fields)
            self._unread = unread.waiting, doubtful
            return LOOK_SOON
        await context.passed(self._kind)
        try:
            skus = await self._writer.held_keys()
        except Blocked as error:
            context.block(self._kind, error)
            return 0.0
        except Retry as error:
            log.info("leftovers not listed yet", reason=error.reason, **self._fields)
            return LOOK_AGAIN
        except Rejected as error:
            # Asking again would not help, and an extra row in SparkLayer does no harm.
            log.warning("prices in SparkLayer cannot be read; leftovers stay", reason=error.reason, **self._fields)
            return None
        return await self._note(skus)

    async def _note(self, skus: Sequence[Sku]) -> float | None:
        """Note leftovers among `skus`, and have the store read again: the second read decides."""
        context = self._context
        # A price list may have a hundred thousand SKUs: rows are made of the few that no product has.
        left = await context.storage.read(leftovers.unowned, context.connection.id, self._kind, skus)
        parts = {sku: encoded(ProductParts(stock={sku: None}, prices={sku: None}, ours=False)) for sku in left}
        rows = [Row(leftover(sku), None, parts[sku]) for sku in left]
        found = LeftoverRows(connection_id=context.connection.id, kind=self._kind, rows=rows)
        number = await context.storage.write(leftovers.note, found)
        again = Start(connection_id=context.connection.id, kind=self._kind, mode=RunMode.DAILY, now=context.now())
        if number and await context.storage.write(start, again) is None:
            return LOOK_SOON  # a run that began before they were noted does not decide on them
        if number:
            context.kind_states[self._kind].run_started()
            log.info("SKUs that the store does not have are left in SparkLayer", skus=number, **self._fields)
        return None
