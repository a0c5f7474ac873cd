"""The skeleton of docs/adding-a-platform.md keeps the first promises: it enumerates, reads, maps and fails well."""

import pytest
from trio.testing import MockClock

from daemon.model import Kind
from tests.conformance.harness import open_harness
from tests.conformance.promise import Promise, load_promises
from tests.conformance.promises import enumerating, failing, mapping, reading
from tests.conformance.skeleton.kit import KIT

FIRST = (enumerating, reading, mapping, failing)
"""The files of promises that need neither webhooks nor a search."""
LATER = {"a_call_can_be_cancelled_anywhere"}
"""Promises of these files that register webhooks as well."""

KEPT = [
    promise
    for name, promise in load_promises().items()
    if name not in LATER and any(hasattr(module, name) for module in FIRST)
]
CASES = [
    pytest.param(promise, kind, id="-".join(filter(None, (promise.name, kind))))
    for promise in KEPT
    for kind in promise.cases(KIT)
]


def test_each_file_has_promises_that_the_skeleton_keeps() -> None:
    for module in FIRST:
        assert any(hasattr(module, promise.name) for promise in KEPT), module.__name__


@pytest.mark.parametrize(("promise", "kind"), CASES)
async def test_the_skeleton_keeps_a_promise(autojump_clock: MockClock, promise: Promise, kind: Kind | None) -> None:
    async with open_harness(KIT) as harness:
        await promise.keep(harness, kind)
