"""Mapped entities in short, so that a test can state them by hand."""

from typing import Any

from daemon.entities import Customer, Mapped, Order, Product
from daemon.errors import Failure
from daemon.model import Kind
from daemon.platforms.base import Entity, Platform
from tests.platforms.woocommerce.recorded import FACTS


def told(shop: Platform, kind: Kind, entity: Entity) -> str:
    """Return what the daemon makes of an entity: its value, its issues, or its failure."""
    try:
        mapped = shop.map(kind, entity, FACTS)
    except Failure as failure:
        return f"{type(failure).__name__} {failure.reason}"
    return "; ".join([_value(mapped), *(issue.code for issue in mapped.issues)])


def _value(mapped: Mapped[Any]) -> str:
    value = mapped.value
    if isinstance(value, Product):
        return ", ".join(_variants(value)) or "no variants"
    if isinstance(value, Customer):
        places = [address.removeprefix(f"{value.external_id}-") for address in value.addresses]
        return f"{value.email} {'+'.join(places) or 'no address'}"
    if isinstance(value, Order):
        packages = (f"{package.type.value} {_lines(package.lines)}" for package in value.packages)
        return f"{' + '.join(packages)} {value.currency}"
    return "nothing"


def _variants(product: Product) -> Any:
    for variant in product.variants:
        stock = product.stock.get(variant.sku)
        options = "".join(f" {option.value}" for option in variant.options)
        level = "untracked" if stock is None else str(stock.level)
        yield f"{variant.sku}{options} {variant.status} {level} @{product.prices.get(variant.sku, 'no price')}"


def _lines(lines: Any) -> str:
    return "/".join(f"{line.quantity}x{line.sku} {line.net.normalize():f}+{line.tax.normalize():f}" for line in lines)
