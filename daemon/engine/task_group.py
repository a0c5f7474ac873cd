"""Tasks that come and go by key while others run: each can be stopped without touching the rest.

Tasks that are added before `run` start with it. A task that raises ends `run`, and so the nursery around it.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import trio
from attrs import define, field

K = TypeVar("K", bound=Hashable)
Task = Callable[[], Awaitable[None]]


@define(eq=False)
class _Member:
    task: Task
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    gone: trio.Event = field(factory=trio.Event)


class TaskGroup(Generic[K]):
    """Tasks by key; a key has one task at a time."""

    def __init__(self) -> None:
        self._members: dict[K, _Member] = {}
        self._nursery: trio.Nursery | None = None
        self._over = trio.Event()

    async def run(self) -> None:
        """Run all tasks until `finish`, and then until the remaining ones are done."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for key, member in list(self._members.items()):
                nursery.start_soon(self._keep, key, member)
            await self._over.wait()

    def add(self, key: K, task: Task) -> None:
        """Start a task. After `finish` nothing is started any more."""
        if self._over.is_set():
            return
        if key in self._members:
            raise RuntimeError(f"{key} has a task; stop it first, and wait for its end")
        member = self._members[key] = _Member(task)
        if self._nursery is not None:
            self._nursery.start_soon(self._keep, key, member)

    def __contains__(self, key: K) -> bool:
        return key in self._members

    def cancel(self, key: K) -> None:
        """Cancel a task, if there is one, without waiting for its end."""
        if (member := self._members.get(key)) is not None:
            member.scope.cancel()

    async def stop(self, key: K) -> None:
        """Cancel a task and wait until it is gone; a key without a task needs nothing."""
        member = self._members.get(key)
        if member is None:
            return
        member.scope.cancel()
        if self._nursery is None:
            del self._members[key]  # it never started, so it will not remove itself
        else:
            await member.gone.wait()

    def finish(self, *, at_once: bool = False) -> None:
        """Start nothing more; with `at_once` also cancel the tasks that run."""
        self._over.set()
        for member in self._members.values() if at_once else ():
            member.scope.cancel()

    async def _keep(self, key: K, member: _Member) -> None:
        try:
            with member.scope:
                await member.task()
        finally:
            del self._members[key]
            member.gone.set()
