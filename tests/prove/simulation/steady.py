"""Makes a run depend on its seed alone: scheduler, chance, secrets, ids and both clocks.

    with steady(seed) as clock:
        trio.run(main, clock=clock.ticks)

Trio's clock jumps ahead whenever nobody can go on. The daemon's wall clock goes with it, but for what `jump` adds to
it; the store's, `true_time`, never jumps. Sets of texts are in the order of their hashes: so the process must have
been started with `HASH_SEED` as PYTHONHASHSEED, which the command line sees to.
"""

import contextlib
import random
import secrets
import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from unittest import mock

import trio.testing
from attrs import define, field

import daemon.connections.factory

# Imported with its first connection, amid a run, an adapter would move what a seed repeats.
import daemon.platforms.bigcommerce.adapter
import daemon.platforms.woocommerce.adapter

HASH_SEED = "0"
EPOCH = 1_800_000_000.0

AHEAD: ContextVar[float] = ContextVar("ahead", default=0.0)
"""Seconds by which the clock of this machine is ahead of the other machines' clocks."""


@define(eq=False)
class Clock:
    """The time of a run."""

    ticks: trio.testing.MockClock = field(factory=lambda: trio.testing.MockClock(autojump_threshold=0))
    epoch: float = EPOCH
    """True time at which the run began."""
    skew: float = 0.0
    """By how much the daemon's wall clock is ahead."""

    def now(self) -> float:
        """Return the seconds since the run began."""
        return self.ticks.current_time()

    def true_time(self) -> float:
        """Return what everybody else's clock shows."""
        return self.epoch + self.ticks.current_time()

    def wall(self) -> float:
        """Return what the daemon's wall clock shows."""
        return self.true_time() + self.skew + AHEAD.get()

    def database(self) -> float:
        """Return what the clock of a database shows that has a machine of its own."""
        return self.true_time() + self.skew

    def jump(self, seconds: float) -> None:
        """Set the daemon's wall clock forward, or back."""
        self.skew += seconds


@contextlib.contextmanager
def steady(seed: int) -> Iterator[Clock]:
    """Have everything random in this process follow from `seed` within the block."""
    clock, chance = Clock(), random.Random(f"secrets of {seed}")
    kept = random.getstate()
    random.seed(seed)

    def token(size: int | None = None) -> str:
        return chance.randbytes(size or 32).hex()

    def random_id() -> uuid.UUID:
        return uuid.UUID(bytes=chance.randbytes(16), version=4)

    def jitter() -> random.Random:
        return random.Random(chance.getrandbits(64))

    with (
        mock.patch.object(daemon.connections.factory, "random", SimpleNamespace(Random=jitter)),
        mock.patch.object(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", new=True),
        mock.patch.object(trio._core._run, "_r", random.Random(f"scheduler of {seed}")),
        mock.patch.object(secrets, "token_hex", token),
        mock.patch.object(secrets, "token_urlsafe", token),
        mock.patch.object(uuid, "uuid4", random_id),
        mock.patch.object(time, "time", clock.wall),
    ):
        try:
            yield clock
        finally:
            random.setstate(kept)
