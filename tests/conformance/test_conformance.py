"""Every adapter below `daemon/platforms` keeps every promise."""

import pytest
from trio.testing import MockClock

from daemon.model import Kind
from tests.conformance.harness import open_harness
from tests.conformance.kit import Kit, find_kits
from tests.conformance.promise import Promise, load_promises

KITS = find_kits()
CASES = [
    pytest.param(kit, promise, kind, id="-".join(filter(None, (name, promise.name, kind))))
    for name, kit in KITS.items()
    if kit is not None
    for promise in load_promises().values()
    for kind in promise.cases(kit)
]


def test_every_platform_has_a_kit() -> None:
    assert [name for name, kit in KITS.items() if kit is None] == []


@pytest.mark.parametrize(("kit", "promise", "kind"), CASES)
async def test_a_promise_is_kept(autojump_clock: MockClock, kit: Kit, promise: Promise, kind: Kind | None) -> None:
    async with open_harness(kit) as harness:
        await promise.keep(harness, kind)
