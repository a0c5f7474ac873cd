"""A barrier between the daemon and the stand-ins.

A `Barrier` lets some requests pass and stops the others, so that a test can act at exactly that moment. Stopped
requests are either released (carried out after all, though their sender has died) or dropped (they never arrive).
"""

from collections.abc import Callable

import trio
from attrs import define, field

from daemon.sandbox.faults import Faults, HangUp
from daemon.sandbox.message import Request, Response


@define(eq=False)
class Barrier:
    """Stops every request but the first `passing` of those that `concerns` is true of."""

    passing: int = 0
    concerns: Callable[[Request], bool] = lambda _: True
    stopped: int = 0
    _arrived: trio.Event = field(factory=trio.Event)
    _open: trio.Event = field(factory=trio.Event)
    _dropping: bool = False

    def stand(self, faults: Faults, pattern: str, *, after_effect: bool = False) -> "Barrier":
        """Take up the place."""
        faults.add(pattern, self._act, after_effect=after_effect)
        return self

    async def reached(self) -> None:
        """Wait until a request is stopped."""
        with trio.fail_after(60):
            await self._arrived.wait()

    def release(self) -> None:
        """Let all go on, also those to come."""
        self._open.set()

    def drop(self) -> None:
        """Hang up on those that were stopped; others pass from now on."""
        self._dropping = True
        self._open.set()

    async def _act(self, request: Request, _response: Response | None) -> None:
        if self._open.is_set() or not self.concerns(request):
            return
        if self.passing:
            self.passing -= 1
            return
        self.stopped += 1
        self._arrived.set()
        await self._open.wait()
        if self._dropping:
            raise HangUp
