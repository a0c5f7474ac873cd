"""Customers that are known to exist: one of them is requested together with a customer that may be gone.

A few of their ids are in the adapter's state, so an empty answer proves nothing right after a restart either.
"""

from collections.abc import Sequence

from attrs import define

from daemon.platforms.adapter_state import AdapterState, Entry

MOST = 3
"""Number of known customers: enough that another one remains if the requested one is among them."""

_SECTION, _OWNER, _NAME = "customer", "", "there"


@define
class Sentinels:
    """Customers of one store that existed at the last check; they may be gone by now."""

    _state: AdapterState
    _there: Sequence[int] = ()
    """Latest first."""
    _kept: Sequence[int] | None = None
    """The ids in the adapter's state; None if not read yet. Changed rarely, because each change is a write."""

    async def others_than(self, customer: int) -> list[int]:
        """Return the known customers except `customer`, latest first."""
        await self._recall()
        return [known for known in self._there if known != customer]

    async def seen(self, customers: Sequence[int]) -> None:
        """Note customers that were read."""
        kept = await self._recall()
        self._there = list(dict.fromkeys([*customers, *self._there]))[:MOST]
        if not kept:
            await self._keep()

    async def replace(self, customers: Sequence[int]) -> None:
        """Keep only these customers: the others were not found."""
        kept = await self._recall()
        self._there = customers
        if not kept or not set(kept) <= set(customers):
            await self._keep()

    async def gone(self, customer: int) -> None:
        """Note that a customer does not exist."""
        kept = await self._recall()
        self._there = [known for known in self._there if known != customer]
        if customer in kept:
            await self._keep()

    async def _recall(self) -> Sequence[int]:
        """Return the ids in the adapter's state: the only known ones after a restart."""
        if self._kept is None:
            entries = (await self._state.look_up(_SECTION, [_OWNER])).get(_OWNER, {})
            kept = [int(customer) for customer in entries.get(_NAME, "").split()]
            self._there = list(dict.fromkeys([*self._there, *kept]))[:MOST]
            self._kept = kept
        return self._kept

    async def _keep(self) -> None:
        await self._state.put(_SECTION, [Entry(_OWNER, _NAME, " ".join(map(str, self._there)))], 0)
        self._kept = self._there
