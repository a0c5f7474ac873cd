"""A wake-up that carries no data: the reader looks in the database for the reason.

Every task that waits is woken by every `set`, also by one that came while the task was still at work. So the loop
`while not condition: await signal.wait()` misses nothing, however many tasks share a signal, and needs no polling.
"""

from weakref import WeakKeyDictionary

import trio


class Signal:
    """Wakes all tasks that wait for it. Several calls of `set` between two waits of a task wake it once."""

    def __init__(self) -> None:
        self._waiting = trio.lowlevel.ParkingLot()
        self._sets = 0
        # A task's own count, so that a task that was busy is woken as well; it goes with the task.
        self._seen: WeakKeyDictionary[trio.lowlevel.Task, int] = WeakKeyDictionary()

    def set(self) -> None:
        """Wake every task that waits, and let the next `wait` of the others return at once."""
        self._sets += 1
        if self._waiting:
            self._waiting.unpark_all()

    async def wait(self) -> None:
        """Return once `set` was called after this task's last `wait`, or at any time before its first."""
        task = trio.lowlevel.current_task()
        if self._seen.get(task, 0) == self._sets:
            await self._waiting.park()
        else:
            await trio.lowlevel.checkpoint()
        self._seen[task] = self._sets

    async def wait_until(self, deadline: float) -> None:
        """Wait as `wait` does, but not beyond `deadline` (trio's clock)."""
        with trio.move_on_at(deadline):
            await self.wait()
