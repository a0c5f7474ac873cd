"""An explanation shows the writes to come and their reasons, and changes nothing."""

from attrs import evolve
from trio.testing import MockClock

from daemon.engine.writers.job import DIFFERS, GONE, NEVER_TOLD, UNSURE, Step
from daemon.entities import Issue, StockLevel
from daemon.model import ExternalId, Kind
from daemon.sandbox.faults import reset
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import customer
from tests.engine.writers.test_orders import order

ONE = ExternalId("1")


async def steps(bench: Bench) -> list[Step]:
    before = await bench.harness.ledger(), bench.calls.total()
    found = list((await bench.pipeline.explain(ONE)).steps)
    assert (await bench.harness.ledger(), bench.calls.total()) == before, "nothing is sent or marked"
    return found


async def test_of_a_product(autojump_clock: MockClock, bench: Bench) -> None:
    await bench.terms.get()
    bench.shop.put(product("1", {"11": "A"}))
    assert await steps(bench) == [
        Step("POST the product", NEVER_TOLD),
        Step("set the stock of A", NEVER_TOLD),
        Step("set the price of A", NEVER_TOLD),
    ]
    await bench.change("1")
    await bench.work()
    assert await steps(bench) == []
    bench.shop.change("1", title="New", stock={"A": StockLevel(9)}, prices={})
    assert await steps(bench) == [
        Step("PATCH the product", DIFFERS),
        Step("set the stock of A", DIFFERS),
        Step("remove the price of A", "it no longer has a price"),
    ]
    bench.site.faults.add("PATCH *", reset(), after_effect=True)
    await bench.change("1")
    await bench.once()
    assert Step("PATCH the product", UNSURE) in await steps(bench)
    del bench.shop.products["1"]
    assert (await steps(bench))[0] == Step("PATCH the product", GONE)


async def test_of_what_has_problems_or_belongs_to_another(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.products["1"], bench.shop.issues["1"] = None, (Issue(code="a", message="b"),)
    told = await bench.pipeline.explain(ONE)
    assert (told.steps, told.mapped and told.mapped.issues) == ((), bench.shop.issues["1"])
    bench.shop.unmanaged["x:1"] = "7"
    assert (await bench.pipeline.explain(ExternalId("x:1"))).belongs_to == "7"


async def test_of_a_customer_and_an_order(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(customer("1"))
        assert await steps(bench) == [Step("read the customer, and PUT it", NEVER_TOLD)]
        await bench.change("1")
        await bench.work()
        assert await steps(bench) == []
        bench.shop.put(evolve(customer("1"), addresses={}))
        gone = Step("leave out its address 11", "the customer no longer has it")
        assert await steps(bench) == [Step("read the customer, and PUT it", DIFFERS), gone]
        del bench.shop.products["1"]
        assert await steps(bench) == [Step("DELETE the customer", GONE)]
    async with open_bench(kind=Kind.ORDERS) as bench:
        bench.shop.put(order("1"))
        assert await steps(bench) == [Step("read the purchase, and PUT it", NEVER_TOLD)]
