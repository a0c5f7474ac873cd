"""Maps a WooCommerce product to its target state in SparkLayer. Pure: no clock, no await.

What always holds: SKUs are unique in a product, positions run from 1 without gaps, and stock and prices have only SKUs
of its variants. A simple product has one variant, with the product's own id. A variation that shows its product's SKU
has none of its own, and is left out with an issue, like one with the SKU of an earlier variation.

An unusable field leaves the whole product unmapped, so SparkLayer keeps what it has. The price is the regular price:
sale prices are not used, as on BigCommerce. Grouped and external products sell nothing themselves, and a trashed one is
gone: each maps to nothing.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter

from attrs import field, frozen

from daemon.entities import Issue, Mapped, Option, Product, Status, StockLevel, StoreFacts, Variant
from daemon.issues import IssueType
from daemon.model import ExternalId, Sku, VariantId
from daemon.platforms.shared.amounts import usable
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.rows import Odd
from daemon.platforms.shared.weights import GRAMS_IN
from daemon.platforms.woocommerce.amounts import amount_of
from daemon.platforms.woocommerce.products import schema

PLATFORM = "WooCommerce"
TRASH, PUBLISHED = "trash", "publish"
SELL_NOTHING: Mapping[str, str] = {
    "grouped": "It is a grouped product: its products are synced, each by itself.",
    "external": "It is an external product, which is sold on another website.",
}
"""Types of products that map to nothing, and why."""

SHARED = "parent"
"""Value of a variation's `manage_stock` if the product's stock is shared."""

LONGEST_SKU = 255
LONGEST_SLUG = 255
MOST_NAMED = 10
"""SparkLayer's limits are not documented (inferred)."""

Sellable = schema.Product | schema.Variation
Kept = tuple[Sku, Sellable]
"""A sellable unit that SparkLayer can hold, and the SKU it has there."""


@frozen
class RawProduct:
    """A product as read, with its variations; `odd` has paths of their fields of another type."""

    product: schema.Product
    variations: Sequence[schema.Variation] = ()
    odd: tuple[str, ...] = field(default=())


def product(source: RawProduct | Odd, facts: StoreFacts) -> Mapped[Product]:
    """Map one product. Never raises for a value that `schema` accepts."""
    raw: schema.Product = source.rest if isinstance(source, Odd) else source.product
    name = html.unescape(raw.name or "") or raw.sku or str(raw.id)
    url = page_url(facts, f"/post.php?post={raw.id}&action=edit")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, name, url)
    why_none = "It is in the trash." if raw.status == TRASH else SELL_NOTHING.get(raw.type)
    if why_none is not None:
        return Mapped(value=None, name=name, url=url, reasons=(why_none,))
    units = _units(source)
    odd = (*source.odd, *_faults_of(units))
    if odd:
        return unread(Odd(raw.id, odd, raw), PLATFORM, name, url)
    issues: list[Issue] = []
    kept = tuple(_with_sku(raw, units, issues))
    if not kept:
        issues.append(IssueType.NOTHING_TO_SELL.issue(platform=PLATFORM))
    if len(kept) > 1 and any(unit.manage_stock == SHARED for _, unit in kept):
        issues.append(IssueType.STOCK_OF_PRODUCT.issue(platform=PLATFORM))
    grams = _grams_per_unit(units, facts, issues)
    prices = dict(_prices(kept, issues))
    return Mapped(
        value=Product(
            external_id=ExternalId(str(raw.id)),
            title=html.unescape(raw.name),
            slug=_slug(raw, issues),
            variants=tuple(
                Variant(
                    external_id=VariantId(str(unit.id)),
                    sku=sku,
                    status=_status(raw, unit),
                    position=position,
                    weight_in_grams=_weight(unit, sku, grams, issues),
                    cart_image_url=_picture(raw, unit),
                    options=_options(unit, issues),
                    unreadable=("weight_in_grams",) if _is_odd_weight(unit, grams) else (),
                )
                for position, (sku, unit) in enumerate(kept, start=1)
            ),
            stock=dict(_stock(kept)),
            prices=prices,
            unreadable_prices=tuple(sku for sku, _ in kept if sku not in prices),
        ),
        issues=tuple(issues),
        name=name,
        url=url,
        reasons=tuple(_why_not_shown(raw, kept)),
    )


def is_variable(raw: schema.Product) -> bool:
    """Return True for a product that sells by its variations; plugins add types of both sorts."""
    return raw.type == "variable" or (raw.type not in {"simple", *SELL_NOTHING} and bool(raw.variations))


def _units(source: RawProduct) -> list[Sellable]:
    """Return the sellable units in their order; products that the API made have the same `menu_order` everywhere."""
    if not is_variable(source.product):
        return [source.product]
    return [*sorted(source.variations, key=attrgetter("menu_order", "id"))]


def _faults_of(units: Sequence[Sellable]) -> Iterator[str]:
    """Yield paths of amounts that are not numbers, of an undocumented `manage_stock`, and of tracked null stock."""
    for unit in units:
        where = f"variation {unit.id}: " if isinstance(unit, schema.Variation) else ""
        for name in ("regular_price", "weight"):
            amount = amount_of(getattr(unit, name))
            if amount is not None and not amount.is_finite():
                yield f"{where}{name}"
        if unit.manage_stock not in {True, False, SHARED}:
            yield f"{where}manage_stock"
        elif unit.manage_stock is not False and unit.stock_quantity is None:
            # Without a level SparkLayer would sell it without limit.
            yield f"{where}stock_quantity"


def _why_not_shown(raw: schema.Product, kept: Sequence[Kept]) -> Iterator[str]:
    """Yield the reasons why SparkLayer does not show the product, or some of its variants."""
    if raw.status != PUBLISHED:
        yield f'It is not published in {PLATFORM} (its status is "{raw.status}"), so it is suspended in SparkLayer.'
        return
    closed = [sku for sku, unit in kept if _status(raw, unit) is Status.SUSPENDED]
    if closed:
        yield f"{', '.join(closed[:MOST_NAMED])} cannot be purchased in {PLATFORM}, so SparkLayer has suspended them."


def _with_sku(raw: schema.Product, units: Sequence[Sellable], issues: list[Issue]) -> Iterator[Kept]:
    """Yield the units that SparkLayer can hold, and add an issue for each other one."""
    taken = set[str]()
    inherited = raw.sku.strip()
    for unit in units:
        sku = unit.sku.strip()
        words = {"platform": PLATFORM, "variant": _called(unit)}
        if not sku or (isinstance(unit, schema.Variation) and sku == inherited):
            issues.append(IssueType.VARIANT_WITHOUT_SKU.issue(**words))
        elif len(sku) > LONGEST_SKU:
            issues.append(IssueType.SKU_TOO_LONG.issue(**words, most=LONGEST_SKU))
        elif sku in taken:
            issues.append(IssueType.SKU_REPEATED.issue(**words, sku=sku))
        else:
            taken.add(sku)
            yield Sku(sku), unit


def _called(unit: Sellable) -> str:
    """Return a unit's name for people: its options, else its id."""
    if isinstance(unit, schema.Product):
        return f"The product (id {unit.id})"
    labels = " / ".join(html.unescape(choice.option) for choice in unit.attributes if choice.option)
    return f'Variation "{labels}" (id {unit.id})' if labels else f"The product's variation (id {unit.id})"


def _slug(raw: schema.Product, issues: list[Issue]) -> str:
    """Return the product's slug, else one from its id: drafts have none, and SparkLayer requires one (inferred)."""
    slug = raw.slug.strip().strip("/") or f"product-{raw.id}"
    if len(slug) > LONGEST_SLUG:
        issues.append(IssueType.SLUG_TOO_LONG.issue(platform=PLATFORM, most=LONGEST_SLUG))
    return slug[:LONGEST_SLUG]


def _status(raw: schema.Product, unit: Sellable) -> Status:
    """Return `live` for a unit that is published, like its product, and can be purchased."""
    sold = raw.status == PUBLISHED and unit.status == PUBLISHED and unit.purchasable
    return Status.LIVE if sold else Status.SUSPENDED


def _options(unit: Sellable, issues: list[Issue]) -> tuple[Option, ...]:
    """Return one option for each group, as SparkLayer requires: the first, with an issue for repeated groups."""
    if isinstance(unit, schema.Product):
        return ()
    groups: dict[str, str] = {}
    repeated: dict[str, None] = {}
    for choice in unit.attributes:
        name, label = html.unescape(choice.name), html.unescape(choice.option or "")
        if not name or not label:
            continue
        if name in groups:
            repeated[name] = None
        else:
            groups[name] = label
    trouble = IssueType.OPTION_REPEATED
    issues += [trouble.issue(platform=PLATFORM, variant=_called(unit), option=name) for name in repeated]
    return tuple(Option(group, label) for group, label in groups.items())


def _picture(raw: schema.Product, unit: Sellable) -> str | None:
    """Return the variation's picture, else the product's first one, in a small size if there is one."""
    own = unit.image if isinstance(unit, schema.Variation) else None
    image = own or next(iter(raw.images), None)
    return (image.thumbnail or image.src or None) if image else None


def _grams_per_unit(units: Sequence[Sellable], facts: StoreFacts, issues: list[Issue]) -> Decimal | None:
    grams = GRAMS_IN.get(facts.weight_unit.strip().lower())
    if grams is None and any(amount_of(unit.weight) for unit in units):
        issues.append(IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=PLATFORM, unit=facts.weight_unit))
    return grams


def _weight(unit: Sellable, sku: Sku, grams: Decimal | None, issues: list[Issue]) -> Decimal | None:
    weight = amount_of(unit.weight)
    if grams is None or weight is None:
        return None
    if not usable(weight):
        issues.append(IssueType.WEIGHT_UNUSABLE.issue(platform=PLATFORM, variant=_called(unit), sku=sku))
        return None
    return weight * grams


def _is_odd_weight(unit: Sellable, grams: Decimal | None) -> bool:
    """Return True for a weight that cannot be converted, so that SparkLayer keeps its own."""
    weight = amount_of(unit.weight)
    return weight is not None and weight != 0 and (grams is None or not usable(weight))


def _prices(kept: Sequence[Kept], issues: list[Issue]) -> Iterator[tuple[Sku, Decimal]]:
    for sku, unit in kept:
        price = amount_of(unit.regular_price)
        if price is not None and usable(price):
            yield sku, price
        else:
            issues.append(IssueType.PRICE_MISSING.issue(platform=PLATFORM, variant=_called(unit), sku=sku))


def _stock(kept: Sequence[Kept]) -> Iterator[tuple[Sku, StockLevel]]:
    """Yield the stock of each unit that has its own or shares its product's."""
    for sku, unit in kept:
        if unit.manage_stock is not False and unit.stock_quantity is not None:
            yield sku, StockLevel(unit.stock_quantity)
