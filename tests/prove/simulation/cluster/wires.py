"""The network of several lives: a request outlives its sender, and may have its effect long after.

A request leaves its process a moment after the daemon's last look at its lease. A life that stands still in between
sends it when it goes on. A request that has left, and whose sender dies or gives it up, may still have its effect, up
to `LONGEST` seconds after it was sent.
"""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import trio

from daemon.sandbox.message import Response
from tests.prove.simulation.faults import SITE, Fault
from tests.prove.simulation.network import Call, Connected, Network

LONGEST = 25.0
"""Less than the 30 s that the daemon takes for the longest time of a request (`SECOND_LOOK_SECONDS`)."""

LATE = 0.6
"""The share of requests given up that have their effect late."""


class Wires(Network):
    """See the module. `nursery` is the world's."""

    nursery: trio.Nursery
    outside: contextvars.Context

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._carried: set[int] = set()
        self.late: set[int] = set()
        """Requests that had their effect after their sender had given them up."""
        self.delayed: dict[int, float] = {}
        """Requests that are to be late if they are given up, and the seconds from their sending to their effect."""
        self.under_way = 0
        """Requests that may still have their effect though nothing waits for them."""

    def begin(self, task: Callable[..., Awaitable[None]], *values: Any) -> None:
        """Begin a task of the world, whoever asks for it: it must not stand still with a life."""
        self.outside.run(self.nursery.start_soon, task, *values)

    async def _there_and_back(self, life: Connected, call: Call, fault: Fault | None) -> Response:
        sent = trio.current_time()
        try:
            return await super()._there_and_back(life, call, fault)
        except trio.Cancelled:
            arrives = sent + self.delayed.get(call.number, LONGEST * self._chance.random())
            late = call.side == SITE and (call.number in self.delayed or self._chance.random() < LATE)
            if late and arrives > trio.current_time() and call.number not in self._carried:
                self.under_way += 1
                self.begin(self._arrive, call, arrives)
            raise

    def _cut_short(self, life: Connected, call: Call) -> None:
        if call.number not in self.delayed:
            super()._cut_short(life, call)

    def _leave(self, life: Connected) -> None:
        if life.dead:
            raise httpx.ConnectError("the process was killed before it sent this")

    def _carry_out(self, call: Call) -> Response:
        self._carried.add(call.number)
        return super()._carry_out(call)

    async def _arrive(self, call: Call, moment: float) -> None:
        await trio.sleep_until(moment)
        self.under_way -= 1
        self.late.add(call.number)
        response = self._carry_out(call)
        self._trace.add("late", call.side, call.number, response.status)
