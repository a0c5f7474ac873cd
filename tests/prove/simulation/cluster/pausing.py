"""Lives of the daemon that stand still, as a process does between SIGSTOP and SIGCONT.

    with pausable() as pauses:
        LIFE.set(7)                 # in a task: it and all tasks begun by it belong to life 7
        pauses.pause(7)             # none of them runs on, while time and all others go on
        pauses.resume(7)            # each goes on where it stood, however late

A task stands still before its next step: trio's scheduler keeps what is due to it.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from unittest import mock

import trio
from attrs import define, field
from trio._core import _run

LIFE: ContextVar[int] = ContextVar("life", default=0)
"""The number of the life that a task belongs to; 0 for everything around the daemon."""


@define(eq=False)
class Pauses:
    """The lives that stand still, and their tasks that have something to do."""

    _held: dict[int, list[trio.lowlevel.Task]] = field(factory=dict)

    def __contains__(self, life: int) -> bool:
        """Tell if a life stands still."""
        return life in self._held

    def pause(self, life: int) -> None:
        """Let a life stand still."""
        if life not in self._held:
            queue, self._held[life] = _run.GLOBAL_RUN_CONTEXT.runner.runq, []
            for task in [task for task in queue if task.context.get(LIFE) == life]:
                queue.remove(task)
                self._held[life].append(task)

    def resume(self, life: int) -> None:
        """Let a life go on, if it stands still."""
        _run.GLOBAL_RUN_CONTEXT.runner.runq.extend(self._held.pop(life, ()))

    def scheduled(self, runner: Any, task: trio.lowlevel.Task) -> None:
        """Keep a task that was just scheduled, if its life stands still."""
        held = self._held.get(task.context.get(LIFE, 0))
        if held is not None:
            assert runner.runq.pop() is task
            held.append(task)


@contextlib.contextmanager
def pausable() -> Iterator[Pauses]:
    """Have trio's scheduler heed pauses within the block."""
    pauses, reschedule = Pauses(), _run.Runner.reschedule

    def heeding(self: Any, task: trio.lowlevel.Task, *result: Any) -> None:
        reschedule(self, task, *result)
        pauses.scheduled(self, task)

    with mock.patch.object(_run.Runner, "reschedule", heeding):
        yield pauses
