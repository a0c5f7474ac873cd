"""SparkLayer's own fields inside packages survive every regrouping by the platform."""

from decimal import Decimal
from typing import Any

from attrs import evolve

from daemon.entities import Option, OrderLine, Package, PackageType
from daemon.model import Sku
from daemon.sparklayer.packages import carried_over, held_packages, package_body
from tests.each import each

SHIRT = OrderLine(
    external_id="9",
    name="Shirt",
    sku=Sku("S"),
    quantity=5,
    net=Decimal(50),
    tax=Decimal(10),
    options=(Option("Size", "M"),),
)
HAT = OrderLine(external_id="8", name="Hat", sku=Sku("H"), quantity=1, net=Decimal(5), tax=Decimal(1))
INVOICE = {"identifiers": {"visible": "INV-1"}, "file_type": "invoice"}
ENGRAVED = {"key": "Engraving", "value": "Jo"}


def packed(kind: str, *lines: OrderLine) -> dict[str, Any]:
    return package_body(Package(type=PackageType(kind), lines=lines), "GBP")


def held(kind: str, *lines: OrderLine, number: str = "pk_1") -> dict[str, Any]:
    """Return a package as in SparkLayer: with its id, an invoice, and custom attributes."""
    body = packed(kind, *lines)
    items = [
        {**line, "custom_attributes": [ENGRAVED], "identifiers": {"sparklayer_line_id": f"li_{number}", "sku": "S"}}
        for line in body["line_items"]
    ]
    return {
        **body,
        "identifiers": {"sparklayer_package_id": number},
        "accounting_files": [INVOICE],
        "calculated_weight": 7,
        "note": "at the gate",
        "line_items": items,
    }


def test_a_package_that_changes_keeps_its_id_its_invoice_and_whatever_else_is_there() -> None:
    [package] = carried_over([packed("shipped", SHIRT)], [held("processing", SHIRT)])
    assert (package["type"], package["identifiers"]) == ("shipped", {"sparklayer_package_id": "pk_1"})
    assert (package["accounting_files"], package["note"]) == ([INVOICE], "at the gate")
    assert "calculated_weight" not in package
    [line] = package["line_items"]
    assert line["custom_attributes"] == [{"key": "Size", "value": "M"}, ENGRAVED]
    assert line["identifiers"] == {"sparklayer_line_id": "li_pk_1", "sku": "S", "platform": "9"}
    assert line["line_total"]["total_net"]["number"] == "50.00"


def test_a_package_without_an_address_keeps_the_one_that_is_there() -> None:
    there = {"address_line1": "1 High Street", "city": "Bath", "country_code": "GB"}
    [package] = carried_over([packed("shipped", SHIRT)], [held("shipped", SHIRT) | {"shipping_address": there}])
    assert package["shipping_address"] == there
    mine = packed("shipped", SHIRT) | {"shipping_address": {**there, "city": "Leeds"}}
    [package] = carried_over([mine], [held("shipped", SHIRT) | {"shipping_address": there}])
    assert package["shipping_address"]["city"] == "Leeds"


def test_of_two_with_the_same_lines_each_stays_with_its_type_and_their_lines_keep_all_that_is_theirs() -> None:
    two, three = evolve(SHIRT, quantity=2), evolve(SHIRT, quantity=3)
    new = [packed("shipped", two), packed("processing", three)]
    before = [held("processing", three, number="pk_1"), held("shipped", two, number="pk_2")]
    once = carried_over(new, before)
    assert [one["identifiers"]["sparklayer_package_id"] for one in once] == ["pk_2", "pk_1"]
    assert all(ENGRAVED in line["custom_attributes"] for one in once for line in one["line_items"])
    assert carried_over(new, once) == once, "and so it stays"


def test_a_package_that_is_divided_gives_its_id_to_the_part_of_its_type() -> None:
    before = [held("processing", SHIRT)]
    parts = carried_over([packed("shipped", SHIRT), packed("processing", SHIRT)], before)
    assert [one["identifiers"] for one in parts] == [{}, {"sparklayer_package_id": "pk_1"}]
    assert sum(len(one["accounting_files"]) for one in parts) == 1


def test_of_two_lines_of_one_sku_each_keeps_its_own() -> None:
    """From their creation by SparkLayer's storefront onwards."""
    plain = evolve(SHIRT, external_id="10")
    before = held("incoming", SHIRT, plain)
    before["line_items"][1]["custom_attributes"] = []
    for _ in range(2):
        [before] = carried_over([packed("processing", SHIRT, plain)], [before])
        engraved = [ENGRAVED in line["custom_attributes"] for line in before["line_items"]]
        assert engraved == [True, False]


def test_an_invoice_of_a_package_that_is_no_more_goes_to_the_first() -> None:
    [package] = carried_over([packed("processing", HAT)], [held("processing", SHIRT)])
    assert (package["identifiers"], package["accounting_files"]) == ({}, [INVOICE])


@each("packages", [None, [], {}])
def test_a_purchase_without_packages_has_none(packages: Any) -> None:
    assert held_packages({"packages": packages}) == []


def test_an_object_is_the_one_package_of_a_purchase() -> None:
    """Old pages of SparkLayer print it so."""
    package = held("processing", SHIRT)
    assert held_packages({"packages": package}) == [package]
