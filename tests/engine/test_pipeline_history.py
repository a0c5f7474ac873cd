"""The pipeline keeps an entity's settlements as its history."""

from collections import Counter
from operator import itemgetter

import trio
from trio.testing import MockClock

from daemon.errors import Retry
from tests.engine.fakes import Bench, product
from tests.engine.running import use_up_retries
from tests.engine.test_pipeline import NO_SKU


async def _history(bench: Bench, entity: str = "1") -> list[tuple[str, str | None]]:
    """Return the results and reasons of an entity's settlements, the first one first."""
    rows = await bench.harness.everything_of("settlements")
    return [
        (row["result"], row["reason"]) for row in sorted(rows, key=itemgetter("at")) if row["external_id"] == entity
    ]


async def test_the_history_has_what_was_written_refused_or_removed_and_nothing_unchanged(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async def settled() -> None:
        await trio.sleep(1)
        await bench.change("1")
        await bench.work()

    bench.shop.put(product("1", {"11": "A"}))
    await settled()
    assert await _history(bench) == [("written", None)]
    await settled()
    assert len(await _history(bench)) == 1, "unchanged"
    bench.shop.issues["1"] = (NO_SKU,)
    bench.shop.change("1", title="New")
    await settled()
    [_, (result, reason)] = await _history(bench)
    assert (result in {"written", "rejected"}, reason) == (True, NO_SKU.code)
    bench.shop.products.pop("1")
    await settled()
    assert (await _history(bench))[2:] == [("removed", "deleted")]


async def test_the_history_has_a_change_that_was_parked_and_none_of_its_retries(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await use_up_retries(bench)
    bench.shop.failures["read"] = [Retry("Ann said no", reason="http_503"), Retry("Ann said no", reason="http_503")]
    await bench.once()
    assert await _history(bench) == []
    await bench.work()
    assert await _history(bench) == [("parked", "http_503")]


async def test_the_history_has_removals_that_are_held(autojump_clock: MockClock, bench: Bench) -> None:
    ids = [str(number) for number in range(1, 13)]
    bench.shop.put(*(product(id_, {f"{id_}1": f"A{id_}"}) for id_ in ids))
    await bench.change(*ids)
    await bench.work()
    for id_ in ids:
        del bench.shop.products[id_]
    await trio.sleep(1)
    await bench.change(*ids)
    await bench.work()
    results = Counter(row["result"] for row in await bench.harness.everything_of("settlements"))
    assert results["written"] == len(ids)
    assert results["held"] > 0
    assert results["held"] + results["removed"] == len(ids)
