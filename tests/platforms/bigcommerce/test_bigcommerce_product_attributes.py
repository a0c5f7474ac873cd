"""B2B attributes of variants, from metafields of the variant, else of the product, with issues for unreadable ones."""

import datetime as dt
from decimal import Decimal

import pytest

from daemon.entities import Issue, OrderRules
from daemon.platforms.bigcommerce.products.attributes import NOTHING, VariantAttributes, read
from tests.each import each


def attributes(
    product: dict[str, str] | None = None, variant: dict[str, str] | None = None
) -> tuple[VariantAttributes, list[Issue]]:
    issues: list[Issue] = []
    return read(product or {}, variant or {}, "The variant", issues), issues


def test_a_variant_without_any_has_nothing() -> None:
    assert attributes() == (NOTHING, [])
    assert attributes({"other_app": "x", "rrp": " "}) == (NOTHING, [])


def test_the_variants_own_hold_before_the_products() -> None:
    found, issues = attributes({"rrp": "10", "min_stock_level": "-5"}, {"rrp": "12.50"})
    assert (found.rrp, found.min_stock_level, issues) == (Decimal("12.50"), -5, [])


def test_single_rules_are_those_of_the_base_group() -> None:
    found, issues = attributes(
        {"pack_size": "6", "min_order_quantity": "12", "max_order_quantity": "60", "display": "true", "sell": "No"}
    )
    assert found.settings == (
        OrderRules(
            customer_group="base",
            pack_size=6,
            min_order_quantity=12,
            max_order_quantity=60,
            display=True,
            sell=False,
        ),
    )
    assert issues == []


@each(
    "text",
    [
        '[{"customer_group": "vip", "pack_size": 4, "surprise": 1}, {"customer_group": "base", "sell": false}]',
        '{"vip": {"pack_size": 4}, "base": {"sell": false}}',
    ],
)
def test_settings_supersede_single_rules(text: str) -> None:
    found, issues = attributes({"settings": text, "pack_size": "9"})
    expected = (OrderRules(customer_group="vip", pack_size=4), OrderRules(customer_group="base", sell=False))
    assert (found.settings, issues) == (expected, [])


BY_GROUP = '[{"customer_group": "base", "pack_size": 6, "sell": false}, {"customer_group": "gold", "pack_size": 12}]'
GOLD = OrderRules(customer_group="gold", pack_size=12)


@pytest.mark.parametrize(
    ("product", "variant", "rules"),
    [
        (
            {"settings": BY_GROUP},
            {"pack_size": "3"},
            (OrderRules(customer_group="base", pack_size=3, sell=False), GOLD),
        ),
        (
            {"settings": '{"gold": {"pack_size": 12}}'},
            {"sell": "no"},
            (GOLD, OrderRules(customer_group="base", sell=False)),
        ),
        (
            {"settings": BY_GROUP, "pack_size": "9"},
            {"rrp": "1"},
            (OrderRules(customer_group="base", pack_size=6, sell=False), GOLD),
        ),
        ({"settings": BY_GROUP}, {"settings": '{"gold": {"pack_size": 12}}', "pack_size": "3"}, (GOLD,)),
        ({"pack_size": "3", "sell": "no"}, {"settings": '{"gold": {"pack_size": 12}}'}, (GOLD,)),
        (
            {"pack_size": "3", "sell": "no"},
            {"pack_size": "4"},
            (OrderRules(customer_group="base", pack_size=4, sell=False),),
        ),
    ],
    ids=[
        "a single key over the product's settings",
        "of a group that they do not name",
        "the product's single keys are superseded",
        "the variant's settings are all that holds",
        "before the product's single keys too",
        "single keys over single keys",
    ],
)
def test_the_variants_own_rules_hold_before_the_products(
    product: dict[str, str], variant: dict[str, str], rules: tuple[OrderRules, ...]
) -> None:
    assert attributes(product, variant) == (
        VariantAttributes(settings=rules, rrp=Decimal(1) if "rrp" in variant else None),
        [],
    )


def test_of_two_rules_of_a_group_the_last_holds() -> None:
    found, _ = attributes({"settings": '[{"customer_group": "a", "pack_size": 1}, {"customer_group": "a"}]'})
    assert found.settings == (OrderRules(customer_group="a"),)


def test_a_date_of_new_stock() -> None:
    assert attributes({"restock_date": "2026-12-31"})[0].restock_date == dt.date(2026, 12, 31)


@each(
    ("name", "text", "expected"),
    [
        ("rrp", "a lot", "an amount of 0 or more"),
        ("rrp", "-1", "an amount of 0 or more"),
        ("rrp", "1e15", "an amount of 0 or more"),
        ("rrp", "Infinity", "an amount of 0 or more"),
        ("restock_date", "soon", "a date such as"),
        ("restock_date", "31/12/2026", "a date such as"),
        ("rrp", "1_0", "an amount of 0 or more"),
        ("rrp", "\u0661", "an amount of 0 or more"),
        ("min_stock_level", "1.5", "a whole number"),
        ("min_stock_level", "1_0", "a whole number"),
        ("pack_size", "1_2", "a whole number of 0 or more"),
        ("pack_size", "\u0661\u0662", "a whole number of 0 or more"),
        ("pack_size", "-1", "a whole number of 0 or more"),
        ("sell", "perhaps", "true or false"),
        ("settings", "{", "a JSON list of rules"),
        ("settings", "[" * 10_000, "a JSON list of rules"),
        ("settings", '[{"pack_size": 1}]', "a JSON list of rules"),
        ("settings", '{"vip": 5}', "a JSON list of rules"),
        ("settings", '[{"customer_group": "a", "pack_size": -6}]', "whole numbers of 0 or more"),
        ("settings", '[{"customer_group": "a", "max_order_quantity": 1.5}]', "whole numbers of 0 or more"),
        ("settings", '[{"customer_group": "", "pack_size": 6}]', "each with a customer_group"),
        ("settings", '{" ": {"pack_size": 6}}', "each with a customer_group"),
        ("settings", '[{"customer_group": "a", "pack_size": "many"}]', "a JSON list of rules"),
    ],
)
def test_what_cannot_be_read_is_listed_and_told(name: str, text: str, expected: str) -> None:
    found, (issue,) = attributes({"min_order_quantity": "2"}, {name: text})
    assert issue.code == "attribute_unreadable"
    assert name in issue.message
    assert expected in issue.message
    assert "the variant" in issue.message
    field = name if name in {"rrp", "restock_date", "min_stock_level"} else "settings"
    assert found == VariantAttributes(
        settings=(OrderRules(customer_group="base", min_order_quantity=2),), unreadable=frozenset({field})
    )


def test_what_stands_on_the_product_is_told_of_the_product_and_once() -> None:
    issues: list[Issue] = []
    for number in range(100):
        own = {"sell": "perhaps"} if number == 7 else {}
        read({"sell": "perhaps", "rrp": "a lot"}, own, f"The variant {number}", issues)
    owners = [issue.message.split(" could not be read")[0].partition(" of ")[2] for issue in issues]
    assert owners == ["the product", "the product", "the variant 7"]
