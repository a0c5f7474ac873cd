"""A wake-up flag: many may set it, one waits for it, and what was set before the wait counts."""

import trio


class Signal:
    """Set at once or not at all; waiting clears it."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Wake the waiter, now or when it comes."""
        self._event.set()

    async def wait(self) -> None:
        """Return when the flag is set, and clear it."""
        await self._event.wait()
        self._event = trio.Event()

    async def wait_until(self, deadline: float) -> None:
        """Return when the flag is set, or at `deadline` (trio's clock)."""
        with trio.move_on_at(deadline):
            await self.wait()
