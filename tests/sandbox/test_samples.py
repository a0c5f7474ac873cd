"""The sample stores hold what they promise."""

from collections import Counter

from daemon.sandbox import adventureworks, synthetic


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
        labels = {variant.option_values for variant in entry.variants}
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
