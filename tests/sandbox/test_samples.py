"""The sample stores hold what they promise."""

from collections import Counter

from daemon.sandbox import adventureworks, company, synthetic
from daemon.sandbox.samples import trade_customers, trade_orders


def test_the_company_has_every_finished_good_once() -> None:
    store = adventureworks()
    variants = list(store.variants())
    assert (len(store.ids), len(variants)) == (119, 295)
    assert (store.currency, store.weight_unit) == ("USD", "LBS")
    skus = Counter(variant.sku for variant in variants)
    assert skus.pop("") == 3
    assert set(skus.values()) == {1}


def test_the_company_shows_what_a_mapping_must_cope_with() -> None:
    store = adventureworks()
    entries = list(store.entries.values())
    assert [entry.product.name for entry in entries if not entry.product.is_visible] == ["Touring-Panniers, Large"]
    assert sum(entry.product.inventory_tracking == "none" for entry in entries) == 2
    assert sum(entry.simple for entry in entries) == 82
    assert all(len(entry.variants) == 1 and not entry.variants[0].option_values for entry in entries if entry.simple)
    assert any(variant.price is not None for variant in store.variants())
    assert any(variant.weight is not None for variant in store.variants())
    for entry in entries:
        labels = {tuple(value.label for value in variant.option_values) for variant in entry.variants}
        assert len(labels) == len(entry.variants), entry.product.name
    assert len({entry.product.custom_url.url for entry in entries}) == len(entries)


def test_a_known_product_looks_as_in_the_data() -> None:
    store = adventureworks()
    variant = store.by_sku("FR-R92R-62")
    product = store.entry(variant.product_id).product
    assert (product.name, product.price, variant.price, variant.weight) == ("HL Road Frame", 1431.5, None, 2.3)
    assert [(value.option_display_name, value.label) for value in variant.option_values] == [
        ("Color", "Red"),
        ("Size", "62"),
    ]
    assert product.description.startswith("<p>Our lightest and best quality aluminum frame")
    wheel = store.by_sku("RW-R623")
    assert store.entry(wheel.product_id).product.weight == 2.3149  # 1,050 g


def test_the_company_has_all_its_trade_customers() -> None:
    book = adventureworks().customers
    trade = list(book.in_groups(company.WHOLESALE))
    assert [person.customer.id for person in trade] == list(range(1, 702))
    assert len({person.customer.email for person in trade}) == 701
    assert sum(len(person.addresses) for person in trade) == 712 + trade_customers.BRANCHES + 1
    assert all(address.country_code and address.city for person in trade for address in person.addresses.values())
    counts = Counter(person.customer.customer_group_id for person in book.people.values())
    assert counts == {company.WHOLESALE: 701, company.RETAIL: 12, company.GUESTS: 10, 0: 30}
    assert book.groups[company.GUESTS].is_group_for_guests


def test_a_known_trade_customer_looks_as_in_the_data() -> None:
    person = adventureworks().customers.people[trade_customers.RICH]
    assert (person.customer.company, person.customer.email) == ("Next-Door Bike Store", "gustavo0@adventure-works.com")
    (address,) = person.addresses.values()
    assert (address.address1, address.city, address.postal_code) == ("Mall Of Memphis", "Memphis", "38103")
    assert (address.state_or_province, address.country_code, address.country) == ("Tennessee", "US", "United States")


def test_the_customers_show_what_a_mapping_must_cope_with() -> None:
    book = adventureworks().customers
    assert book.get(trade_customers.MANY_ADDRESSES).address_count == 14
    assert "@" not in book.get(trade_customers.BAD_EMAIL).email
    streets = [address.address1 for address in book.people[trade_customers.NO_STREET].addresses.values()]
    assert "" in streets
    assert list(book.attribute_texts(trade_customers.MANY_ATTRIBUTES)).index(trade_customers.GROUP) == 11
    assert book.attribute_texts(trade_customers.PARENTS_CHILD)[trade_customers.PARENT] == str(trade_customers.RICH)
    assert len(book.attribute_texts(trade_customers.RICH)) == 6


def test_the_orders_show_what_can_become_of_an_order() -> None:
    store = adventureworks()
    orders = list(store.orders.orders.values())
    assert len(orders) == 40
    carts = [order.id for order in orders if store.orders.cart_id(order.id)]
    assert carts == list(range(101, 113))
    assert trade_orders.NOTE in store.orders.get(trade_orders.IN_NOTES).staff_notes
    statuses = Counter(order.status_id for order in orders if order.id in carts)
    assert statuses == {11: 5, 2: 2, 3: 1, 14: 1, 5: 1, 4: 1, 7: 1}
    assert max(len(order.lines) for order in orders) == 60
    assert [order.id for order in orders if order.is_deleted] == [140]
    assert any(line.variant_id is None for order in orders for line in order.lines.values())
    assert orders[0].created == 1_767_225_600 + 86_400


def test_rules_for_ordering_stand_at_products_and_variants() -> None:
    store = adventureworks()
    types = Counter(field.resource_type for field in store.metafields.fields.values())
    assert types == {"product": 6, "variant": 10, "order": 12}
    assert {field.namespace for field in store.metafields.fields.values()} == {"sparklayer", "erp"}


def test_ids_are_small_and_unique() -> None:
    for store in (adventureworks(), synthetic(200)):
        ids = store.ids + [variant.id for variant in store.variants()]
        assert len(set(ids)) == len(ids)
        assert max(ids) < 100_000


def test_made_up_products_are_the_same_every_time() -> None:
    first, second = synthetic(50, 3), synthetic(50, 3)
    assert [first.entries[key] for key in first.ids] == [second.entries[key] for key in second.ids]
    assert sum(1 for _ in first.variants()) == 150
    assert len({variant.sku for variant in first.variants()}) == 150


def test_made_up_customers_and_orders_are_the_same_every_time() -> None:
    first, second = (synthetic(20, customers=30, orders=40) for _ in range(2))
    assert first.customers.people == second.customers.people
    assert first.orders.orders == second.orders.orders
    assert (len(first.customers.people), len(first.orders.orders)) == (30, 40)
    assert len({first.orders.cart_id(order_id) for order_id in first.orders.orders}) == 40
    assert {order.customer_id for order in first.orders.orders.values()} == set(range(1, 31))
    assert not synthetic(20).customers.groups
