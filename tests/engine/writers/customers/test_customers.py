"""Customers reach SparkLayer completely, once and in order, and are deleted when they leave the B2B groups."""

from decimal import Decimal

from trio.testing import MockClock

from daemon.entities import Credit, Issue
from daemon.model import AddressId
from daemon.sandbox.faults import answer, reset
from daemon.storage.states import RunMode
from tests.engine.fakes import Bench
from tests.engine.writers.customers.people import HOME, customer, emails, held, lose_ledger, put, refused_writes


async def test_a_customer_arrives_whole_and_once(autojump_clock: MockClock, bench: Bench) -> None:
    whole = customer(
        "1",
        first_name="Ann",
        last_name="Lee",
        company_name="Lee Ltd",
        group="vip",
        accounting_id="A-1",
        sales_agent_groups=("north",),
        price_lists=("trade", "summer"),
        discount_percentage=Decimal("2.5"),
        payment_on_account=Credit(limit=Decimal(1000), balance=Decimal("12.34"), currency="GBP"),
    )
    await put(bench, whole)
    assert held(bench) == {
        "1": {
            "email": "buyer1@example.com",
            "first_name": "Ann",
            "last_name": "Lee",
            "company_name": "Lee Ltd",
            "group": "vip",
            "accounting_id": "A-1",
            "sales_agent_groups": ["north"],
            "price_lists": ["trade", "summer"],
            "discount_percentage": 2.5,
            "payment_on_account": {"credit_limit": 1000, "balance": 12.34, "currency_code": "GBP"},
            "addresses": {
                "11": {
                    "address_line1": "1 High Street",
                    "city": "Bath",
                    "country_code": "GB",
                    **dict.fromkeys(("first_name", "last_name", "company", "address_line2"), ""),
                    **dict.fromkeys(("region_code", "postal_code", "phone"), ""),
                }
            },
        }
    }
    await put(bench, whole)
    assert bench.site.state.customers.writes == 1, "unchanged"
    await bench.harness.start(RunMode.REFRESH)
    await bench.harness.page(await bench.harness.newest_id(), "1")
    await bench.work()
    assert bench.site.state.customers.writes == 2, "a refresh writes everything"


async def test_a_customer_that_is_gone_is_deleted(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1"), customer("2"))
    del bench.shop.products["1"]
    await bench.change("1")
    await bench.work()
    assert list(held(bench)) == ["2"]
    assert list(await bench.harness.ledger()) == ["2"]
    await put(bench, customer("3", email="buyer1@example.com"))
    assert emails(bench)["3"] == "buyer1@example.com", "its address is free again"


async def test_a_deleted_customer_that_was_never_synced_costs_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    await bench.change("9")
    await bench.work()
    assert bench.site.state.customers.writes == bench.site.state.customers.removals == 0
    assert (await bench.harness.everything_of("synced"), await bench.harness.ledger()) == ([], {})


async def test_an_odd_customer_stays_as_it_was(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1"))
    bench.shop.products["1"] = None
    bench.shop.issues["1"] = (Issue(code="email_missing", message="No e-mail."),)
    await bench.change("1")
    await bench.work()
    assert emails(bench) == {"1": "buyer1@example.com"}
    assert await bench.issues() == {"1": ["email_missing"]}


async def test_an_email_belongs_to_one(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", email="shop@example.com"), customer("2", email="Shop@Example.com"))
    assert (emails(bench), await bench.issues()) == ({"1": "shop@example.com"}, {"2": ["email_used_twice"]})
    assert refused_writes(bench) == [], "it was not even tried"
    await put(bench, customer("1", email="other@example.com"))
    assert emails(bench) == {"1": "other@example.com", "2": "Shop@Example.com"}, "who waited has it now"
    assert await bench.issues() == {}


async def test_emails_swap_and_go_round(autojump_clock: MockClock, bench: Bench) -> None:
    names = [f"{letter}@example.com" for letter in "abc"]
    await put(bench, *(customer(str(n), email=name) for n, name in enumerate(names, 1)))
    await put(bench, *(customer(str(n), email=name) for n, name in enumerate([*names[1:], names[0]], 1)))
    assert list(emails(bench).values()) == [*names[1:], names[0]]
    assert (refused_writes(bench), await bench.issues()) == ([], {})


async def test_emails_swap_and_go_round_though_each_change_comes_alone(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, *(customer(one, email=f"{one}@example.com") for one in "12345"))
    wanted = {"1": "2@example.com", "2": "1@example.com", "3": "4@example.com", "4": "5@example.com"}
    wanted["5"] = "3@example.com"
    bench.shop.put(*(customer(one, email=email) for one, email in wanted.items()))
    for one in wanted:
        await bench.change(one)
        await bench.once()
    await bench.work()
    assert emails(bench) == wanted
    assert await bench.issues() == {}


async def test_an_email_is_free_once_its_owner_goes_in_the_same_batch(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", email="a@example.com"))
    del bench.shop.products["1"]
    bench.shop.put(customer("2", email="a@example.com"))
    await bench.change("1", "2")
    await bench.work()
    assert (emails(bench), refused_writes(bench)) == ({"2": "a@example.com"}, [])


async def test_a_customer_that_cannot_be_written_keeps_its_email(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", email="a@example.com"), customer("9", email="b@example.com"))
    bench.shop.put(customer("1", email="b@example.com"), customer("2", email="a@example.com"))
    await bench.change("1", "2")
    await bench.work()
    assert emails(bench) == {"1": "a@example.com", "9": "b@example.com"}
    assert await bench.issues() == {"1": ["email_used_twice"], "2": ["email_used_twice"]}
    await put(bench, customer("1", email="c@example.com"))
    assert emails(bench) == {"1": "c@example.com", "2": "a@example.com", "9": "b@example.com"}


async def test_a_lost_ledger_ends_equal_and_takes_nothing_away(autojump_clock: MockClock, bench: Bench) -> None:
    credit = Credit(limit=Decimal(1000), balance=Decimal(5), currency="GBP", net_terms=30)
    await put(bench, customer("1", price_lists=("trade",)), customer("2", payment_on_account=credit))
    before = held(bench)
    await lose_ledger(bench)
    await put(bench, customer("1"), customer("2", first_name="Bo", payment_on_account=credit))
    now = held(bench)
    assert now["1"] == before["1"], "what may be the merchant's by now is kept"
    assert now["2"] == before["2"] | {"first_name": "Bo"}


async def test_an_adoption_that_fails_on_the_way_is_taken_up_again(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1"))
    await lose_ledger(bench)
    bench.site.faults.add("PUT */customers/*", answer(503), times=4)
    await put(bench, customer("1", first_name="Ann", addresses={AddressId("12"): HOME}))
    assert held(bench)["1"]["first_name"] == "Ann"
    assert set(held(bench)["1"]["addresses"]) == {"11", "12"}


async def test_a_lost_ledger_and_emails_that_moved_meanwhile_end_equal(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1"), customer("2"), customer("3"), customer("4"))
    await lose_ledger(bench)
    moved = {"1": "buyer2@example.com", "2": "buyer3@example.com", "3": "buyer1@example.com", "4": "4@example.com"}
    moved["5"] = "buyer4@example.com"
    bench.shop.put(*(customer(one, email=email) for one, email in moved.items()))
    bench.shop.batch_size = 1
    await bench.change("5", "3", "2", "1", "4")
    await bench.work()
    assert emails(bench) == moved
    assert await bench.issues() == {}


async def test_an_email_of_a_customer_that_is_linked_to_another_id_is_told(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    await lose_ledger(bench)
    await put(bench, customer("2", email="buyer1@example.com"))
    assert await bench.issues() == {"2": ["email_taken"]}
    assert set(held(bench)) == {"1"}


async def test_giving_way_for_an_email_of_an_unmanaged_customer_is_an_issue(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"), customer("2"), customer("3"))
    for table in ("ledger", "owners"):
        await bench.harness.alter(table, "connection_id = 999 WHERE external_id = '3'")
    await put(bench, customer("1", email="buyer3@example.com"), customer("2", email="buyer1@example.com"))
    assert emails(bench)["2"] == "buyer1@example.com"
    assert await bench.issues() == {"1": ["email_taken"]}
    assert await bench.harness.rows() == {}, "it waits for the merchant, and is not tried for two days"


async def test_a_timeout_after_the_effect_is_repaired_though_the_store_returned(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1"))
    bench.shop.change("1", first_name="New", addresses={AddressId("12"): HOME})
    bench.site.faults.add("PUT */customers/platform/1", reset(), after_effect=True, times=5)
    await bench.change("1")
    await bench.once()
    assert (await bench.harness.ledger())["1"] is None, "unsure"
    bench.site.faults.clear()
    await put(bench, customer("1"))
    assert (held(bench)["1"]["first_name"], list(held(bench)["1"]["addresses"])) == ("", ["11"])


async def test_an_email_that_moves_waits_for_its_owner(autojump_clock: MockClock, bench: Bench) -> None:
    await put(bench, customer("1", email="a@example.com"), customer("2", email="b@example.com"))
    bench.shop.put(customer("1", email="c@example.com"), customer("2", email="a@example.com"))
    bench.site.faults.add("PUT */customers/platform/1", answer(503), times=3)
    await bench.change("1", "2")
    await bench.work()
    assert emails(bench) == {"1": "c@example.com", "2": "a@example.com"}
    assert await bench.issues() == {}


async def test_a_customer_refused_an_email_is_looked_at_again_once_its_owner_gave_it_up(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await put(bench, customer("1", email="a@example.com"), customer("2", email="b@example.com"))
    bench.shop.put(customer("1", email="c@example.com"), customer("2", email="a@example.com"))
    bench.site.faults.add("PUT */customers/platform/1", answer(503), times=12)
    await bench.change("1", "2")
    await bench.work()
    assert emails(bench) == {"1": "c@example.com", "2": "a@example.com"}
    assert await bench.issues() == {}
