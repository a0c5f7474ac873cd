"""Maps the parts of a product that every platform has to its target state in SparkLayer. Pure.

What always holds: SKUs are unique in a product, positions run from 1 without gaps, and stock and prices have only SKUs
of its variants. A unit without a SKU, or with the SKU of an earlier one, is left out with an issue. Of an invalid price
or weight, SparkLayer keeps what it has, and gets the rest of the product.
"""

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from daemon.entities import Issue, Mapped, Money, Option, OrderRules, Product, Status, StockLevel, StoreFacts, Variant
from daemon.issues import IssueType
from daemon.model import ExternalId, Sku, VariantId
from daemon.platforms.shared.amounts import GRAMS_IN, usable

LONGEST_SKU = 255
LONGEST_SLUG = 255
"""SparkLayer's limits are not documented (inferred)."""


@frozen(kw_only=True)
class Unit:
    """A sellable unit as the store has it: a variant, or a product without variants. `called` names it in issues.

    Amounts may be unusable. `choices` are option groups with their labels. `stock` is None if it is not tracked.
    `unreadable` names fields of the variant that cannot be read, besides the amounts here.
    """

    id: int
    called: str
    sku: str
    is_sold: bool
    price: Decimal | None
    weight: Decimal | None
    retail_price: Decimal | None = None
    picture: str | None
    choices: Sequence[tuple[str, str]]
    stock: StockLevel | None
    settings: tuple[OrderRules, ...] = ()
    unreadable: tuple[str, ...] = ()


@frozen(kw_only=True)
class StoreProduct:
    """A product as the store has it, with all its units. `slug` is empty if the store has none."""

    platform: str
    id: int
    title: str
    name: str
    url: str
    slug: str
    is_sold: bool
    units: Sequence[Unit]
    shares_stock: bool
    """True if several units have the stock of the product."""


def with_sku(units: Sequence[Unit], platform: str, issues: list[Issue]) -> list[Unit]:
    """Return the units that SparkLayer can hold, and add an issue for each other one."""
    kept: dict[str, Unit] = {}
    for unit in units:
        if not unit.sku:
            issues.append(IssueType.VARIANT_WITHOUT_SKU.issue(platform=platform, variant=unit.called))
        elif len(unit.sku) > LONGEST_SKU:
            issues.append(IssueType.SKU_TOO_LONG.issue(platform=platform, variant=unit.called, most=LONGEST_SKU))
        elif unit.sku in kept:
            issues.append(IssueType.SKU_REPEATED.issue(platform=platform, variant=unit.called, sku=unit.sku))
        else:
            kept[unit.sku] = unit
    return list(kept.values())


def product(
    source: StoreProduct, kept: Sequence[Unit], facts: StoreFacts, issues: list[Issue], reasons: Sequence[str]
) -> Mapped[Product]:
    """Map a product with the units that `with_sku` has kept."""
    platform = source.platform
    if not kept:
        issues.append(IssueType.NOTHING_TO_SELL.issue(platform=platform))
    if source.shares_stock:
        issues.append(IssueType.STOCK_OF_PRODUCT.issue(platform=platform))
    grams = GRAMS_IN.get(facts.weight_unit.strip().lower())
    if grams is None and any(unit.weight for unit in source.units):
        issues.append(IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=platform, unit=facts.weight_unit))
    prices = {Sku(unit.sku): unit.price for unit in kept if unit.price is not None and usable(unit.price)}
    unpriced = [unit for unit in kept if unit.sku not in prices]
    priceless = IssueType.PRICE_MISSING
    issues += [priceless.issue(platform=platform, variant=unit.called, sku=unit.sku) for unit in unpriced]
    # SparkLayer requires a slug (inferred), and some products have none.
    slug = source.slug.strip().strip("/") or f"product-{source.id}"
    if len(slug) > LONGEST_SLUG:
        issues.append(IssueType.SLUG_TOO_LONG.issue(platform=platform, most=LONGEST_SLUG))
    variants = [
        _variant(source, unit, position, facts.currency, grams, issues) for position, unit in enumerate(kept, start=1)
    ]
    value = Product(
        external_id=ExternalId(str(source.id)),
        title=source.title,
        slug=slug[:LONGEST_SLUG],
        variants=tuple(variants),
        stock={Sku(unit.sku): unit.stock for unit in kept if unit.stock is not None},
        prices=prices,
        unreadable_prices=tuple(Sku(unit.sku) for unit in unpriced),
    )
    return Mapped(value=value, issues=tuple(issues), name=source.name, url=source.url, reasons=tuple(reasons))


def _variant(
    source: StoreProduct, unit: Unit, position: int, currency: str, grams: Decimal | None, issues: list[Issue]
) -> Variant:
    platform, called, sku = source.platform, unit.called, Sku(unit.sku)
    weight, unreadable = None, [*unit.unreadable]
    if grams is not None and unit.weight is not None and usable(unit.weight):
        weight = unit.weight * grams
    elif unit.weight:
        unreadable.append("weight_in_grams")
        if grams is not None:
            issues.append(IssueType.WEIGHT_UNUSABLE.issue(platform=platform, variant=called, sku=sku))
    options: dict[str, str] = {}
    repeated: dict[str, None] = {}
    for group, label in unit.choices:
        if group in options and label:
            repeated[group] = None
        elif group and label:
            options[group] = label
    # SparkLayer takes one option for each group: the first.
    trouble = IssueType.OPTION_REPEATED
    issues += [trouble.issue(platform=platform, variant=called, option=group) for group in repeated]
    rrp = unit.retail_price
    if rrp is not None and not usable(rrp):
        issues.append(IssueType.RETAIL_PRICE_UNUSABLE.issue(platform=platform, variant=called, sku=sku))
        unreadable.append("rrp")
        rrp = None
    return Variant(
        external_id=VariantId(str(unit.id)),
        sku=sku,
        status=Status.LIVE if source.is_sold and unit.is_sold else Status.SUSPENDED,
        position=position,
        weight_in_grams=weight,
        cart_image_url=unit.picture,
        options=tuple(Option(group, label) for group, label in options.items()),
        rrp=Money(rrp, currency) if rrp else None,  # 0 stands for none
        settings=unit.settings,
        unreadable=tuple(sorted({*unreadable})) if unreadable else (),
    )
