"""A batch from reading to settling: every entity has its own outcome."""

from functools import partial

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.engine.pipeline import MOST_ATTEMPTS, MOST_BROKEN_ATTEMPTS
from daemon.entities import Issue, StockLevel
from daemon.errors import Blocked, Retry, Side
from daemon.model import ExternalId, Kind, Lane
from daemon.sandbox.faults import answer, reset
from daemon.storage.last_word import LastWord, say
from daemon.storage.states import RunMode
from tests.engine.fakes import EPOCH, Bench, product
from tests.engine.running import use_up_retries

pytestmark = pytest.mark.usefixtures("both_engines")

NO_SKU = Issue(code="variant_without_sku", message="Variant 12 has no SKU.")
REVOKED = Blocked("no longer", reason="credentials", side=Side.PLATFORM)


async def test_a_new_product_arrives_whole(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "SHIRT-S", "12": "SHIRT-M"}, stock=3, price="9.50"))
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"SHIRT-S": "1", "SHIRT-M": "1"}
    assert bench.stock() == {"SHIRT-S": 3, "SHIRT-M": 3}
    assert bench.prices() == {"SHIRT-S": 9.5, "SHIRT-M": 9.5}
    assert bench.writes == (1, 2, 2)
    assert await bench.harness.rows() == {}


async def test_an_unchanged_product_is_not_written(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(*(product(str(n), {f"{n}1": f"A{n}"}) for n in range(1, 5)))
    await bench.change("1", "2", "3", "4")
    await bench.work()
    before, calls = bench.writes, bench.calls.total()
    await bench.change("1", "2", "3", "4")
    await bench.work()
    assert bench.writes == before == (4, 4, 4)
    assert bench.calls.total() == calls, "no call at all"
    assert bench.shop.calls["read"] == 2
    assert await bench.harness.rows() == {}


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ({"title": "New"}, (1, 0, 0)),
        ({"stock": {"A": StockLevel(9), "B": StockLevel(1)}}, (0, 1, 0)),
        ({"stock": {"A": StockLevel(1)}}, (0, 1, 0)),
        ({"prices": {}}, (0, 0, 2)),
    ],
)
async def test_only_differing_parts_are_written(
    autojump_clock: MockClock, bench: Bench, change: dict[str, object], written: tuple[int, int, int]
) -> None:
    bench.shop.put(product("1", {"11": "A", "12": "B"}))
    await bench.change("1")
    await bench.work()
    before = bench.writes
    bench.shop.change("1", **change)
    await bench.change("1")
    await bench.work()
    assert tuple(new - old for new, old in zip(bench.writes, before, strict=True)) == written


async def test_a_deleted_product_is_removed_and_may_come_back(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.change("1", "2")
    await bench.work()
    gone = bench.shop.products.pop("1")
    await bench.change("1")
    await bench.work()
    assert (bench.skus(), bench.stock(), bench.prices()) == ({"B": "2"}, {"B": 1}, {"B": 9.5})
    assert await bench.harness.ledger() != {}
    assert "1" not in await bench.harness.ledger()
    assert await bench.harness.owners() == {"B": "2"}
    bench.shop.put(gone)
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1", "B": "2"}


async def test_absence_from_a_list_proves_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    bench.shop.left_out = {"1"}
    await bench.change("1", "2", "3")
    await bench.work()
    assert bench.skus() == {"A": "1", "B": "2"}
    assert bench.shop.calls["read_one"] == 2, "of 1 and 3"


async def test_problems_become_one_issue_and_the_rest_arrives(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.issues["1"] = (NO_SKU, NO_SKU)
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1"}
    assert await bench.issues() == {"1": [NO_SKU.code, NO_SKU.code]}
    bench.shop.issues.clear()
    await bench.change("1")
    await bench.work()
    assert await bench.issues() == {}


@pytest.mark.parametrize("method", ["read", "facts"])
async def test_a_platform_that_fails_for_now_is_tried_again(
    autojump_clock: MockClock, bench: Bench, method: str
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.failures[method] = [Retry("busy", reason="http_503", after=40.0)]
    await bench.change("1")
    await bench.once()
    row = await bench.harness.row("1")
    assert (row["attempts"], row["state"]) == (1, "pending")
    assert row["due_at"] >= EPOCH + 40, "Retry-After is honoured"
    assert b"busy" not in row["encrypted"]
    await bench.work()
    assert bench.skus() == {"A": "1"}


async def test_one_entity_that_cannot_be_confirmed_does_not_hold_up_the_others(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.failures["read_one"] = [Retry("busy", reason="http_503")]
    await bench.change("1", "2")
    await bench.once()
    assert bench.skus() == {"A": "1"}
    assert set(await bench.harness.rows()) == {"2"}


async def test_an_entity_that_fails_too_often_is_parked_until_its_next_change(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await use_up_retries(bench)
    bench.shop.failures["read"] = [Retry("no", reason="x"), Retry("no", reason="x")]
    await bench.once()
    assert (await bench.harness.row("1"))["state"] == "pending"
    await bench.work()
    row = await bench.harness.row("1")
    assert (row["state"], row["attempts"]) == ("parked", MOST_ATTEMPTS)
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1"}


async def test_an_entity_that_breaks_ten_times_is_parked_until_its_next_change(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.broken = {"1"}
    await bench.change("1")
    await bench.work()
    row = await bench.harness.row("1")
    assert (row["state"], row["attempts"]) == ("parked", MOST_BROKEN_ATTEMPTS)
    bench.shop.broken.clear()
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1"}


@pytest.mark.holds("O8")
async def test_a_parked_change_leaves_a_line_without_content(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.broken = {"1"}
    with capture_logs() as lines:
        await bench.change("1")
        await bench.work()
    [parked] = [context for context in lines if context["event"] == "changes are parked"]
    where = {"site": str(bench.context.connection.site), "kind": "products", "reason": "broken"}
    assert parked == {"event": "changes are parked", "log_level": "warning", "times": 1, **where}


@pytest.mark.parametrize("method", ["read", "read_one", "facts"])
async def test_a_blocked_platform_settles_nothing_and_begins_a_pause(
    autojump_clock: MockClock, bench: Bench, method: str
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.left_out = {"1"}
    bench.shop.failures[method] = [REVOKED]
    await bench.change("1")
    before = await bench.harness.row("1")
    await bench.once()
    assert bench.context.pause.cause is REVOKED
    assert await bench.harness.row("1") == before, "it costs neither attempts nor time"


async def test_a_blocked_sparklayer_leaves_parts_unsure(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.change("1", "2")
    await bench.work()
    bench.shop.change("1", title="New")
    bench.site.faults.add("PATCH */products/1", answer(402, '{"title": "suspended", "detail": "suspended"}'))
    await bench.change("1", "2")
    await bench.once()
    cause = bench.context.blocked(Kind.PRODUCTS)
    assert cause is not None
    assert cause.side is Side.SPARKLAYER
    assert set(await bench.harness.rows()) == {"1"}, "2 needed nothing"
    assert (await bench.harness.ledger())["1"] is None
    bench.site.faults.clear()
    bench.shop.change("1", title="Product 1")  # The store returns to an earlier state, which the ledger once had.
    await bench.work()
    assert bench.writes[0] == 3, "unsure differs from everything"


async def test_a_timeout_after_the_effect_is_repaired_though_the_store_returned(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.work()
    bench.shop.change("1", title="New", stock={"A": StockLevel(7)}, prices={"A": 3})
    bench.site.faults.add("PATCH */products/1", reset(), after_effect=True, times=5)
    await bench.change("1")
    await bench.once()
    assert bench.site.state.comparable()["products"]["1"]["title"] == "New"
    bench.shop.put(product("1", {"11": "A"}))
    await bench.work()
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Product 1"
    assert (bench.stock(), bench.prices()) == ({"A": 1}, {"A": 9.5})


async def test_a_refusal_of_sparklayer_is_an_issue_and_waits_for_the_next_change(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    bench.site.faults.add("POST */products", answer(400, '{"title": "slug is odd", "detail": "slug is odd"}'), times=1)
    await bench.change("1", "2")
    await bench.work()
    assert len(bench.skus()) == 1
    assert list((await bench.issues()).values()) == [["refused_by_sparklayer"]]
    assert await bench.harness.rows() == {}
    await bench.change("1", "2")
    await bench.work()
    assert bench.skus() == {"A": "1", "B": "2"}
    assert (bench.stock(), bench.prices()) == ({"A": 1, "B": 1}, {"A": 9.5, "B": 9.5})
    assert await bench.issues() == {}


async def test_a_change_in_flight_is_worked_on_again(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")

    async def edit_behind_the_read(method: str) -> None:
        if method == "facts":
            bench.shop.before = _nothing
            bench.shop.change("1", title="Newer")
            await bench.change("1")

    bench.shop.before = edit_behind_the_read
    await bench.work()
    assert bench.site.state.comparable()["products"]["1"]["title"] == "Newer"
    assert bench.shop.calls["read"] == 2


async def _nothing(_method: str) -> None:
    pass


async def test_a_refresh_run_writes_everything_once_more(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.change("1", "2")
    await bench.work()
    bench.site.state.products.products.clear()
    for index in (bench.site.state.products._ids, bench.site.state.products._variant_ids):
        index.clear()
    bench.site.state.products._skus.clear()
    bench.site.state.stock.levels.clear()
    run = await bench.harness.started(RunMode.REFRESH)
    await bench.harness.page(run, "1", "2", now=bench.context.now())
    before = bench.writes
    await bench.work()
    assert bench.skus() == {"A": "1", "B": "2"}
    assert bench.stock() == {"A": 1, "B": 1}
    assert tuple(new - old for new, old in zip(bench.writes, before, strict=True)) == (2, 2, 2)


async def test_a_doubted_entity_is_written_once_more_and_no_other(autojump_clock: MockClock, bench: Bench) -> None:
    """A node that has lost its lease may have written an older state of it since."""
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.change("1", "2")
    await bench.work()
    before = bench.writes
    harness = bench.harness
    doubted = {Kind.PRODUCTS: {ExternalId("1"): ()}}
    word = LastWord(connection_id=harness.connection_id, now=bench.context.now(), doubted=doubted)
    await harness.storage.write(say, word)
    await bench.change("2")
    await bench.work()
    assert tuple(new - old for new, old in zip(bench.writes, before, strict=True)) == (1, 1, 1)
    await bench.change("1")
    await bench.work()
    assert tuple(new - old for new, old in zip(bench.writes, before, strict=True)) == (1, 1, 1), "it is sure again"


async def test_live_outcomes_are_reported_and_backfill_ones_are_not(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.harness.ended_run()
    await bench.change("1")
    await bench.change("2", lane=Lane.BACKFILL)
    await bench.work()
    assert [one for one, _ in (await bench.harness.taken()).resolved] == ["1"]


async def test_failures_that_belong_to_one_entity_stay_with_it(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(*(product(str(n), {f"{n}1": f"A{n}"}) for n in range(1, 5)))
    await bench.change("1", "2", "3", "4")
    await bench.work()
    for n in range(1, 5):
        bench.shop.change(str(n), title="New")
    bench.site.faults.add("PATCH */products/1", answer(503), times=5)
    bench.site.faults.add("PATCH */products/2", answer(422, '{"title": "No", "detail": "No"}'))
    await bench.change("1", "2", "3", "4")
    await bench.once()
    titles = {key: held["title"] for key, held in bench.site.state.comparable()["products"].items()}
    assert titles == {"1": "Product 1", "2": "Product 2", "3": "New", "4": "New"}
    assert set(await bench.harness.rows()) == {"1"}
    assert set(await bench.issues()) == {"2"}


async def test_a_bug_after_many_retries_is_tried_ten_times_all_the_same(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.shop.put(product("1", {"11": "A"}))
    bench.shop.failures["read"] = [Retry("no", reason="x")] * 12 + [ZeroDivisionError("bug")]
    await bench.change("1")
    for _ in range(12):
        await trio.sleep(1000)
        await bench.once()
    bench.shop.broken = {"1"}
    bench.shop.failures.clear()
    await trio.sleep(1000)
    await bench.once()
    assert (await bench.harness.row("1"))["state"] == "pending", "its first bug does not park it"
    bench.shop.broken = set()
    await trio.sleep(1000)
    await bench.once()
    assert bench.skus() == {"A": "1"}


async def _made(*ids: str) -> set[ExternalId]:
    return {ExternalId(external_id) for external_id in ids}


async def test_contents_do_not_pile_up_while_the_site_cannot_be_set_up(autojump_clock: MockClock, bench: Bench) -> None:
    bench.site.faults.add(
        "* */price-lists*",
        answer(400, '{"title": "the plan has no price lists", "detail": "the plan has no price lists"}'),
    )
    bench.shop.put(product("1", {"11": "A"}))
    kind_state = bench.context.kind_states[Kind.PRODUCTS]
    await kind_state.page_cache.fill(None, [bench.shop._entity("1")], partial(_made, "1"))
    await bench.change("1")
    await bench.once()
    assert kind_state.page_cache._contents == {}
    assert bench.context.pause.cause is not None, "the site's trouble is no product's"
    assert (await bench.harness.row("1"))["attempts"] == 0
