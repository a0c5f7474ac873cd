"""Fields of a product that cannot be used: SparkLayer then keeps what it has of the product. Pure.

Nothing is made of the rest, since what would be left out might be removed there: a level of stock that is null would
sell without end. Names are those of BigCommerce, with the place in its lists.
"""

from decimal import Decimal

from daemon.entities import Mapped, Product, StoreFacts
from daemon.issues import IssueType
from daemon.platforms.bigcommerce.products import schema
from daemon.platforms.bigcommerce.schema import Odd

PLATFORM = "BigCommerce"
TRACKED = frozenset({"product", "variant"})
"""Where stock may be counted; "none" is the third word."""


def faults_of(product: schema.Product) -> Odd | None:
    """Return a product's amounts that are no numbers, and a way of counting stock that is not documented."""
    names = [name for name in schema.AMOUNTS if _is_no_number(getattr(product, name))]
    for place, variant in enumerate(product.variants):
        names += [f"variants[{place}].{name}" for name in schema.AMOUNTS if _is_no_number(getattr(variant, name))]
    if product.inventory_tracking not in TRACKED | {"none"}:
        names.append("inventory_tracking")
    return Odd(product.id, tuple(names), product) if names else None


def unread(odd: Odd, facts: StoreFacts) -> Mapped[Product]:
    """Map a product with fields that cannot be read: SparkLayer keeps what it has."""
    found = [IssueType.FIELD_UNREADABLE.issue(platform=PLATFORM, field=name) for name in odd.fields]
    name = odd.rest.name if isinstance(odd.rest.name, str) else ""
    return Mapped(value=None, issues=tuple(found), name=name or str(odd.id), url=url_of(odd.id, facts))


def url_of(product: int, facts: StoreFacts) -> str:
    """Return where a product is edited (inferred)."""
    return f"{facts.url}/manage/products/edit/{product}" if facts.url else ""


def _is_no_number(amount: object) -> bool:
    return isinstance(amount, Decimal) and not amount.is_finite()
