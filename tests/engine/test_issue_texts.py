"""An issue's text has a limit at any number of faults: in SparkLayer, in lists, in explanations."""

import pytest
import trio
from trio.testing import MockClock

from daemon.admin.explain import explain
from daemon.admin.lists import open_issues
from daemon.engine.full_sync import FullSyncs
from daemon.engine.runner import ConnectionRunner
from daemon.engine.sync_log import SyncLogWriter
from daemon.issues import MOST_LISTED, IssueType
from daemon.model import Kind
from daemon.storage import connections
from tests.engine.fakes import Bench, open_bench
from tests.engine.test_runs import KINDS, entity

pytestmark = pytest.mark.holds("D8")

PLATFORM = "Fake"
WRONG = {
    Kind.PRODUCTS: (
        [IssueType.VARIANT_WITHOUT_SKU.issue(platform=PLATFORM, variant=f"Red (id {n})") for n in range(600)],
        [IssueType.OPTION_REPEATED.issue(platform=PLATFORM, variant=f"Red (id {n})", option="A") for n in range(600)],
        [IssueType.FIELD_UNREADABLE.issue(platform=PLATFORM, field=f"variants[{n}].price") for n in range(600)],
    ),
    Kind.CUSTOMERS: (
        [IssueType.ADDRESS_CITY_EMPTY.issue(platform=PLATFORM, address=n) for n in range(600)],
        [IssueType.ATTRIBUTE_UNREADABLE.issue(platform=PLATFORM, name=n, owner="A", expected="B") for n in range(600)],
    ),
    Kind.ORDERS: (
        [IssueType.LINE_WITHOUT_PRODUCT.issue(platform=PLATFORM, line=f"Mug {n}") for n in range(600)],
        [IssueType.ORDER_AMOUNT_UNUSABLE.issue(platform=PLATFORM, field=f"Mug {n}: quantity") for n in range(600)],
    ),
}
CASES = [(kind, part) for kind in KINDS for part in range(len(WRONG[kind]))]


async def _told(bench: Bench) -> list[str]:
    """Return SparkLayer's messages for the issue of entity 1."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(FullSyncs(bench.context, bench.kind).run)
        nursery.start_soon(SyncLogWriter(bench.context, bench.kind).run)
        await trio.sleep(2)
        await bench.work()
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    return [str(error.message) for log in bench.site.state.sync_log.logs.values() for error in log.errors.values()]


@pytest.mark.parametrize(("kind", "part"), CASES)
async def test_hundreds_of_parts_that_are_wrong(autojump_clock: MockClock, kind: Kind, part: int) -> None:
    async with open_bench(kind=kind) as bench:
        bench.shop.put(entity(kind, 1))
        bench.shop.issues = {"1": tuple(WRONG[kind][part])}
        told = await _told(bench)
        [stored] = await bench.context.storage.read(connections.everyone)
        [issue] = await open_issues(bench.context.storage, bench.context.vault, [stored], [kind])
        runner = ConnectionRunner(bench.context, None)
        explained = await explain(runner, kind, "1")
        for listed in (issue["problems"], explained["store"]["problems"]):
            assert len(listed) == MOST_LISTED + 1
            assert listed[-1]["message"].startswith("590 more problems of this kind: ")
        assert [len(text) < 2500 and "590 more" in text for text in told] == ([] if kind is Kind.ORDERS else [True])
