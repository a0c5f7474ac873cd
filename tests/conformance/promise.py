"""A promise of an adapter: a coroutine function that tries it on a harness, and the kinds it is about.

Promises that are not about one kind are tried once for a platform. What they say is in the name and the docstring.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator

from attrs import frozen

from daemon.model import Kind
from tests.conformance import promises
from tests.conformance.harness import ReaderHarness
from tests.conformance.kit import Kit

ALL = frozenset(Kind)
LISTED = ALL - {Kind.STORE}
"""The kinds of which a store has many."""

OfKind = Callable[[ReaderHarness, Kind], Awaitable[None]]
OfAll = Callable[[ReaderHarness], Awaitable[None]]
Which = Callable[[Kit], frozenset[Kind]]


@frozen
class Promise:
    """One promise of an adapter."""

    name: str
    keep: Callable[[ReaderHarness, Kind | None], Awaitable[None]]
    kinds: Which | None
    concerns: Callable[[Kit], bool] = lambda _kit: True
    """Return True if a platform has what the promise is about."""

    def cases(self, kit: Kit) -> Iterator[Kind | None]:
        """Yield the kinds to try it with; None: it is about no kind."""
        if not self.concerns(kit):
            return
        if self.kinds is None:
            yield None
        else:
            yield from sorted(self.kinds(kit) & kit.platform.kinds)


PROMISES: dict[str, Promise] = {}
"""Every promise by its name."""


def load_promises() -> dict[str, Promise]:
    """Import every module of `tests/conformance/promises`, and return all that they declare."""
    for module in pkgutil.iter_modules(promises.__path__):
        importlib.import_module(f"{promises.__name__}.{module.name}")
    return PROMISES


def of(kinds: frozenset[Kind] | Which) -> Callable[[OfKind], OfKind]:
    """Declare a promise about each of `kinds` that the platform has."""
    which = kinds if callable(kinds) else (lambda _kit: kinds)

    def declare(keep: OfKind) -> OfKind:
        async def kept(harness: ReaderHarness, kind: Kind | None) -> None:
            assert kind is not None
            await keep(harness, kind)

        PROMISES[keep.__name__] = Promise(keep.__name__, kept, which)
        return keep

    return declare


def where(concerns: Callable[[Kit], bool]) -> Callable[[OfAll], OfAll]:
    """Declare a promise that is about no kind, of the platforms that it `concerns`."""

    def declare(keep: OfAll) -> OfAll:
        async def kept(harness: ReaderHarness, _kind: Kind | None) -> None:
            await keep(harness)

        PROMISES[keep.__name__] = Promise(keep.__name__, kept, None, concerns)
        return keep

    return declare


promise = where(lambda _kit: True)
"""Declare a promise that is about no kind."""
