"""Customers that are known to be there: one is asked for beside a customer that may be gone.

A few of their ids are in the adapter's state, so that an empty answer proves nothing right after a restart either.
"""

from collections.abc import Sequence

from attrs import define

from daemon.platforms.adapter_state import AdapterState, Entry

MOST = 3
"""The number of customers that are known: enough for one to be left when the one asked for is among them."""

_SHELF, _OWNER, _NAME = "customer", "", "there"


@define
class Sentinels:
    """The customers of one store that were there when we looked last. What it says may be out of date."""

    _state: AdapterState
    _there: Sequence[int] = ()
    """The one seen last first."""
    _kept: Sequence[int] | None = None
    """What is in the adapter's state; None: it was not read yet. It changes seldom, since that costs a write."""

    async def others_than(self, customer: int) -> list[int]:
        """Return those known besides `customer`, the one seen last first."""
        await self._recall()
        return [one for one in self._there if one != customer]

    async def seen(self, customers: Sequence[int]) -> None:
        """Take note of customers that were read."""
        kept = await self._recall()
        self._there = list(dict.fromkeys([*customers, *self._there]))[:MOST]
        if not kept:
            await self._keep()

    async def replace(self, customers: Sequence[int]) -> None:
        """Know only these: the others were not found."""
        kept = await self._recall()
        self._there = customers
        if not kept or not set(kept) <= set(customers):
            await self._keep()

    async def gone(self, customer: int) -> None:
        """Take note that one does not exist."""
        kept = await self._recall()
        self._there = [one for one in self._there if one != customer]
        if customer in kept:
            await self._keep()

    async def _recall(self) -> Sequence[int]:
        """Return what is in the adapter's state, which is all that is known after a restart."""
        if self._kept is None:
            entries = (await self._state.look_up(_SHELF, [_OWNER])).get(_OWNER, {})
            kept = [int(one) for one in entries.get(_NAME, "").split()]
            self._there = list(dict.fromkeys([*self._there, *kept]))[:MOST]
            self._kept = kept
        return self._kept

    async def _keep(self) -> None:
        await self._state.put(_SHELF, [Entry(_OWNER, _NAME, " ".join(map(str, self._there)))], 0)
        self._kept = self._there
