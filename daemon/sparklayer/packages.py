"""Packages of a purchase: the platform's fields, merged with SparkLayer's other fields. Pure.

Money is an exact decimal text with its currency. The split of an order into shipped, returned and cancelled packages
is inferred, and so are the keys of its lines and of tracking (sparklayer.md section 6).

A new package takes the place of a package in SparkLayer if they share lines: it then keeps that package's id, invoices
and other fields. A line keeps its fields too, even in another package. Packages have no other identity, since the
platform regroups the lines with every shipment and return.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from attrs import asdict

from daemon.entities import Address, OrderLine, Package
from daemon.sparklayer.inferred import LINE_NAMES, TRACKING_NAMES

CALCULATED = "calculated_"
SHIPPING_ADDRESS = "shipping_address"
OF_PACKAGE = frozenset({"type", "line_items", "shipments", "shipping_method"})
OF_LINE = frozenset({"name_parent", "quantity", "line_total", "tax_lines"})
"""Fields of a package and of a line that the platform owns, even when it has no value for them."""

FILES, ATTRIBUTES = "accounting_files", "custom_attributes"
CENTS = Decimal("0.01")

Body = dict[str, Any]


class _HeldAttribute(msgspec.Struct):
    key: str | None = None


class _HeldLine(msgspec.Struct):
    identifiers: Body | None = None
    custom_attributes: list[_HeldAttribute] | None = None


class _HeldPackage(msgspec.Struct):
    identifiers: Body | None = None
    line_items: list[_HeldLine] | None = None
    accounting_files: list[Any] | None = None


class HeldPurchase(msgspec.Struct):
    """The types that a purchase's fields in SparkLayer must have, so that they can be written back; others may be any.

    Old pages print `packages` as an object, but describe an array; this program writes one (sparklayer.md section 6).
    """

    purchase_identifiers: Body | None = None
    customer_identifiers: Body | None = None
    dates: Body | None = None
    packages: list[_HeldPackage] | Body | None = None


def without_calculated(held: Mapping[str, Any]) -> Body:
    """Return SparkLayer's fields without the calculated ones, which may not be sent."""
    return {name: value for name, value in held.items() if not name.startswith(CALCULATED)}


def held_packages(purchase: Mapping[str, Any]) -> list[Body]:
    """Return the packages of a purchase in SparkLayer. An object is its one package, as old pages print it."""
    held = purchase.get("packages") or []
    return held if isinstance(held, list) else [held]


def are_readable(packages: Sequence[Any] | Body) -> bool:
    """Return True for an array (its packages are checked with it), and for an object if that is one package."""
    if isinstance(packages, dict) and packages:
        try:
            msgspec.convert(packages, _HeldPackage)
        except msgspec.ValidationError:
            return False
        return not OF_PACKAGE.isdisjoint(packages)
    return True


def carried_over(packages: Sequence[Body], held: Sequence[Body]) -> list[Body]:
    """Return `packages` with the other fields of SparkLayer's packages `held`; no invoice is lost."""
    lines = _lines_of(packages, [line for package in held for line in package.get("line_items") or []])
    known = _matched(packages, held)
    result = [
        {
            **package,
            # An address that the platform has only in part is not sent, and is no reason to remove the one there.
            **_besides(held[known[place]] if place in known else {}, OF_PACKAGE | package.keys() & {SHIPPING_ADDRESS}),
            "line_items": [_line_with(line, lines) for line in package["line_items"]],
        }
        for place, package in enumerate(packages)
    ]
    rest = [package for place, package in enumerate(held) if place not in known.values()]
    stray = [file for package in rest for file in package.get(FILES) or []]
    if stray and result:
        result[0] = {**result[0], FILES: [*(result[0].get(FILES) or []), *stray]}
    return result


def _matched(packages: Sequence[Body], held: Sequence[Body]) -> dict[int, int]:
    """Return the index of each package's counterpart in `held`: of its type first, then with the most shared lines."""
    pairs = []
    for place, package in enumerate(packages):
        for other, one in enumerate(held):
            theirs = set().union(*map(_names, one.get("line_items") or []))
            if shared := sum(bool(_names(line) & theirs) for line in package["line_items"]):
                alike = str(one.get("type")).lower() == package["type"]
                pairs.append((not alike, -shared, place, other))
    found: dict[int, int] = {}
    for *_, place, other in sorted(pairs):
        if place not in found and other not in found.values():
            found[place] = other
    return found


def _lines_of(packages: Sequence[Body], held: Sequence[Body]) -> dict[str, Body]:
    """Return SparkLayer's line for each of our line ids: the line with the id, else one with the SKU and no id."""
    known = {_id(line): line for line in held if _id(line)}
    unmanaged = [line for line in held if not _id(line)]
    for line in (line for package in packages for line in package["line_items"]):
        alike = next((one for one in unmanaged if _names(one) & _names(line)), None)
        if _id(line) not in known and alike is not None:
            unmanaged.remove(alike)
            known[_id(line)] = alike
    return known


def _line_with(line: Body, lines: Mapping[str, Body]) -> Body:
    known = lines.get(_id(line))
    if known is None:
        return line
    ours = {one["key"] for one in line[ATTRIBUTES]}
    theirs = [one for one in known.get(ATTRIBUTES) or [] if one.get("key") not in ours]
    ids = {**(known.get("identifiers") or {}), **line["identifiers"]}
    return {**_besides(known, OF_LINE), **line, "identifiers": ids, ATTRIBUTES: [*line[ATTRIBUTES], *theirs]}


def _id(line: Mapping[str, Any]) -> str:
    """Return the platform's id of a line; empty if it has none."""
    return text_of((line.get("identifiers") or {}).get(LINE_NAMES[0]))


def _names(line: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return a line's identifiers: ours have both, SparkLayer's own may have one."""
    ids = line.get("identifiers") or {}
    return {(name, text) for name in LINE_NAMES if (text := text_of(ids.get(name)))}


def text_of(identifier: Any) -> str:
    """Return an identifier as text: a string, or an integer in decimal; empty for anything else."""
    return identifier if isinstance(identifier, str) else str(identifier) if type(identifier) is int else ""


def _besides(held: Mapping[str, Any], owned: Iterable[str]) -> Body:
    return {name: value for name, value in without_calculated(held).items() if name not in owned}


def package_body(package: Package, currency: str) -> Body:
    """Return the platform's fields of a package."""
    content: Body = {
        "identifiers": {},
        "type": package.type.value,
        "line_items": [_line(line, currency) for line in package.lines],
        "shipments": [],
        "accounting_files": [],
    }
    if (shipment := package.shipment) is not None:
        tracking = zip(TRACKING_NAMES, (shipment.tracking_number, shipment.tracking_url), strict=True)
        content["shipments"] = [_filled([("carrier", shipment.carrier), *tracking])]
    if package.method or package.shipping is not None:
        net, tax = package.shipping or (Decimal(0), Decimal(0))
        content["shipping_method"] = {"name": package.method, "line_total": _total(net, tax, Decimal(0), currency)}
    if package.address is not None:
        content[SHIPPING_ADDRESS] = address_body(package.address)
    return content


def _line(line: OrderLine, currency: str) -> Body:
    ids = zip(LINE_NAMES, (line.external_id, line.sku), strict=True)
    return {
        "identifiers": _filled(ids),
        "name_parent": line.name,
        "quantity": line.quantity,
        "custom_attributes": [{"key": option.group, "value": option.value} for option in line.options],
        "line_total": _total(line.net, line.tax, line.discount, currency),
    }


def _total(net: Decimal, tax: Decimal, discount: Decimal, currency: str) -> Body:
    return {
        "total_net": money(net, currency),
        "total_tax": money(tax, currency),
        "total_gross": money(net + tax, currency),
        "discount_net": money(discount, currency),
    }


def address_body(address: Address) -> Body:
    """Return an address of a purchase."""
    return _filled((name, value) for name, value in asdict(address).items())


def _filled(fields: Iterable[tuple[str, Any]]) -> Body:
    return {name: value for name, value in fields if value}


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Write an amount with at least two decimals and as many as it has: 15 is "15.00", 0.125 is "0.125"."""
    exact = amount.normalize() + 0  # Adding 0 removes the sign of a negative zero.
    cents = exact.quantize(CENTS)
    return {"number": f"{cents if cents == exact else exact:f}", "currency": currency}
