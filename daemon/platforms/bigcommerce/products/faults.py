"""Unusable fields of a product: SparkLayer then keeps what it has of the product. Pure.

The rest of the product is not mapped, because a missing field might remove data there: a stock level of null would sell
without limit. Issues use BigCommerce's field names, with the index in its lists.
"""

from decimal import Decimal

from daemon.entities import Mapped, Product, StoreFacts
from daemon.issues import IssueType
from daemon.platforms.bigcommerce.products import schema
from daemon.platforms.bigcommerce.schema import Odd

PLATFORM = "BigCommerce"
TRACKED = frozenset({"product", "variant"})
"""Values of `inventory_tracking` with stock; the third value is "none"."""


def faults_of(product: schema.Product) -> Odd | None:
    """Return amounts that are not numbers, and an undocumented `inventory_tracking`; None if there are none."""
    names = [name for name in schema.AMOUNTS if _is_no_number(getattr(product, name))]
    for place, variant in enumerate(product.variants):
        names += [f"variants[{place}].{name}" for name in schema.AMOUNTS if _is_no_number(getattr(variant, name))]
    if product.inventory_tracking not in TRACKED | {"none"}:
        names.append("inventory_tracking")
    return Odd(product.id, tuple(names), product) if names else None


def unread(odd: Odd, facts: StoreFacts) -> Mapped[Product]:
    """Map a product with unreadable fields to its issues, so SparkLayer keeps what it has."""
    found = [IssueType.FIELD_UNREADABLE.issue(platform=PLATFORM, field=name) for name in odd.fields]
    name = odd.rest.name if isinstance(odd.rest.name, str) else ""
    return Mapped(value=None, issues=tuple(found), name=name or str(odd.id), url=url_of(odd.id, facts))


def url_of(product: int, facts: StoreFacts) -> str:
    """Return the address of a product's page in the control panel (inferred)."""
    return f"{facts.url}/manage/products/edit/{product}" if facts.url else ""


def _is_no_number(amount: object) -> bool:
    return isinstance(amount, Decimal) and not amount.is_finite()
