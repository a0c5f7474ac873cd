"""Maps a BigCommerce product to its target state in SparkLayer. Pure: no clock, no await.

A product may end up without variants; the engine decides what that means.

A field of another type leaves the whole product unmapped, so SparkLayer keeps what it has: mapping the rest might
remove data there, and a stock level of null would sell without limit. Of an invalid price, weight or B2B attribute,
SparkLayer keeps what it has, and gets the rest of the product.

A variant with a null price, weight or picture inherits the product's. Amounts stay exact decimals. Sale prices and
price lists are not used: the price is the list price. Variants have no sort order, so they keep the order of the list.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, field, frozen

from daemon.entities import Issue, Mapped, Product, StockLevel, StoreFacts
from daemon.platforms.bigcommerce.products import attributes, schema
from daemon.platforms.shared import products
from daemon.platforms.shared.amounts import Count, own_or
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.products import StoreProduct, Unit, with_sku
from daemon.platforms.shared.rows import Odd

PLATFORM = "BigCommerce"
TRACKED = frozenset({"product", "variant"})
"""Values of `inventory_tracking` with stock; the third value is "none"."""

MOST_NAMED = 10
"""Most SKUs named in one sentence."""

Levels = Mapping[int | None, int]
"""Stock available to sell in all locations, by variant id."""


@frozen
class RawProduct:
    """A product as read: the catalogue's answer, the stock of several locations, and metafields.

    `fields` are the product's metafields by key, `variant_fields` those of its variants by variant id.
    """

    product: schema.Product
    levels: Levels | None = None
    fields: Mapping[str, str] = field(factory=dict)
    variant_fields: Mapping[int, Mapping[str, str]] = field(factory=dict)


def product(source: RawProduct | Odd, facts: StoreFacts) -> Mapped[Product]:
    """Map one product. Never raises for a value that `schema` accepts.

    If `source.levels` is None (one location), the catalogue's stock level applies.
    """
    raw: schema.Product = source.rest if isinstance(source, Odd) else source.product
    name, url = raw.name or raw.sku or str(raw.id), page_url(facts, f"/manage/products/edit/{raw.id}")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, name, url)
    issues: list[Issue] = []
    units = [_unit(source, variant) for variant in raw.variants]
    kept = with_sku(units, PLATFORM, issues)
    odd = _faults_of(raw) or _uncounted(raw, units, kept)
    if odd:
        return unread(Odd(raw.id, tuple(odd), raw), PLATFORM, name, url)
    kept = [_with_attributes(source, unit, issues) for unit in kept]
    store_product = StoreProduct(
        platform=PLATFORM,
        id=raw.id,
        title=raw.name,
        name=name,
        url=url,
        slug=(raw.custom_url and raw.custom_url.url) or "",
        is_sold=raw.is_visible and raw.availability != "disabled",
        units=units,
        shares_stock=raw.inventory_tracking == "product" and len(raw.variants) > 1,
    )
    return products.product(store_product, kept, facts, issues, list(_why_not_shown(raw, kept)))


def _unit(source: RawProduct, variant: schema.Variant) -> Unit:
    """Return a variant, without its B2B attributes."""
    raw, level = source.product, _level(source, variant)
    labels = " / ".join(value.label for value in variant.option_values if value.label)
    return Unit(
        id=variant.id,
        called=f'Variant "{labels}" (id {variant.id})' if labels else f"The product's variant (id {variant.id})",
        sku=variant.sku.strip(),
        is_sold=not variant.purchasing_disabled,
        price=own_or(variant.price, raw.price),
        weight=own_or(variant.weight, raw.weight),
        retail_price=own_or(variant.retail_price, raw.retail_price),
        picture=_picture(raw, variant),
        choices=[(value.option_display_name, value.label) for value in variant.option_values],
        stock=None if level is None else StockLevel(level),
    )


def _with_attributes(source: RawProduct, unit: Unit, issues: list[Issue]) -> Unit:
    """Return a unit with its B2B attributes: its own, else the product's."""
    extra = attributes.read(source.fields, source.variant_fields.get(unit.id, {}), unit.called, issues)
    if extra is attributes.NOTHING:
        return unit
    unreadable = tuple(sorted(extra.unreadable & {"restock_date", "min_stock_level"}))
    return evolve(
        unit,
        retail_price=unit.retail_price if extra.rrp is None else extra.rrp,
        settings=extra.settings,
        stock=unit.stock and StockLevel(unit.stock.level, extra.restock_date, extra.min_stock_level, unreadable),
        unreadable=tuple(extra.unreadable & {"rrp", "settings"}),
    )


def _is_no_number(amount: object) -> bool:
    return isinstance(amount, Decimal) and not amount.is_finite()


def _faults_of(product: schema.Product) -> list[str]:
    """Return paths of amounts that are not numbers, and of an undocumented `inventory_tracking`."""
    names = [name for name in schema.AMOUNTS if _is_no_number(getattr(product, name))]
    for place, variant in enumerate(product.variants):
        names += [f"variants[{place}].{name}" for name in schema.AMOUNTS if _is_no_number(getattr(variant, name))]
    if product.inventory_tracking not in TRACKED | {"none"}:
        names.append("inventory_tracking")
    return names


def _why_not_shown(raw: schema.Product, kept: Sequence[Unit]) -> Iterator[str]:
    """Yield the reasons why SparkLayer does not show the product, or some of its variants."""
    if not raw.is_visible:
        yield f"It is hidden in {PLATFORM}, so it is suspended in SparkLayer."
    if raw.availability == "disabled":
        yield f"It cannot be purchased in {PLATFORM}, so it is suspended in SparkLayer."
    closed = [unit.sku for unit in kept if not unit.is_sold]
    if closed:
        yield f"Purchasing is disabled for {', '.join(closed[:MOST_NAMED])}, so SparkLayer has suspended them."


def _picture(raw: schema.Product, variant: schema.Variant) -> str | None:
    """Return the variant's picture, else the product's thumbnail, in the small size of a category page."""
    if isinstance(variant.image_url, str) and variant.image_url:
        return variant.image_url
    for image in raw.images:
        if image.is_thumbnail:
            return image.url_thumbnail or image.url_standard or None
    return None


def _level(source: RawProduct, variant: schema.Variant) -> int | None:
    """Return a variant's stock available to sell: that of all locations, else the catalogue's."""
    if source.product.inventory_tracking == "product":
        return _pooled(source)
    if source.product.inventory_tracking == "variant":
        return (source.levels or {}).get(variant.id, _count(variant.inventory_level))
    return None


def _uncounted(raw: schema.Product, units: Sequence[Unit], kept: Sequence[Unit]) -> list[str]:
    """Return paths of tracked levels that are null: SparkLayer then keeps the last known ones."""
    ids = {unit.id for unit in kept if unit.stock is None}
    if not ids or raw.inventory_tracking not in TRACKED:
        return []
    if raw.inventory_tracking == "product":
        return ["inventory_level"]
    return [f"variants[{place}].inventory_level" for place, unit in enumerate(units) if unit.id in ids]


def _pooled(source: RawProduct) -> int | None:
    """Return the stock that all variants share.

    The inventory items of a product with shared stock are not documented. A single item is that stock (inferred).
    Several items may repeat the shared stock, so then the catalogue's level applies.
    """
    levels = list((source.levels or {}).values())
    return levels[0] if len(levels) == 1 else _count(source.product.inventory_level)


def _count(level: Count) -> int | None:
    return level if isinstance(level, int) else None
