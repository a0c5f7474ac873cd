"""Maps a BigCommerce product to its target state in SparkLayer. Pure: no clock, no await.

What always holds: SKUs are unique in a product, positions run from 1 without gaps, and stock and prices have only SKUs
of its variants. A variant without a SKU, or with the SKU of an earlier variant, is left out with an issue. A product
may end up without variants; the engine decides what that means.

A field of another type leaves the whole product unmapped, so SparkLayer keeps what it has: mapping the rest might
remove data there, and a stock level of null would sell without limit. Of an invalid price, weight or B2B attribute,
SparkLayer keeps what it has, and gets the rest of the product.

A variant with a null price, weight or picture inherits the product's. Amounts stay exact decimals. Sale prices and
price lists are not used: the price is the list price. Variants have no sort order, so they keep the order of the list.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import field, frozen

from daemon.entities import Issue, Mapped, Money, Option, Product, Status, StockLevel, StoreFacts, Variant
from daemon.issues import IssueType
from daemon.model import ExternalId, Sku, VariantId
from daemon.platforms.bigcommerce.products import attributes, schema
from daemon.platforms.bigcommerce.products.attributes import VariantAttributes
from daemon.platforms.shared.amounts import own_or, usable
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.rows import Count, Odd
from daemon.platforms.shared.weights import GRAMS_IN

PLATFORM = "BigCommerce"
TRACKED = frozenset({"product", "variant"})
"""Values of `inventory_tracking` with stock; the third value is "none"."""

MOST_NAMED = 10
"""Most SKUs named in one sentence."""

LONGEST_SKU = 255
LONGEST_SLUG = 255
"""SparkLayer's limits are not documented (inferred)."""

Levels = Mapping[int | None, int]
"""Stock available to sell in all locations, by variant id."""

Kept = tuple[Sku, schema.Variant]
"""A variant that SparkLayer can hold, and the SKU it has there."""


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
    kept = tuple(_with_sku(raw, issues))
    odd = _faults_of(raw) or _uncounted(source, kept)
    if odd:
        return unread(Odd(raw.id, tuple(odd), raw), PLATFORM, name, url)
    if raw.inventory_tracking == "product" and len(raw.variants) > 1:
        issues.append(IssueType.STOCK_OF_PRODUCT.issue(platform=PLATFORM))
    if not kept:
        issues.append(IssueType.NOTHING_TO_SELL.issue(platform=PLATFORM))
    grams = _grams_per_unit(raw, facts, issues)
    extra = {variant.id: _attributes(source, variant, issues) for _, variant in kept}
    prices = dict(_prices(raw, kept, issues))
    return Mapped(
        value=Product(
            external_id=ExternalId(str(raw.id)),
            title=raw.name,
            slug=_slug(raw, issues),
            variants=tuple(
                Variant(
                    external_id=VariantId(str(variant.id)),
                    sku=sku,
                    status=_status(raw, variant),
                    position=position,
                    weight_in_grams=_weight(raw, variant, sku, grams, issues),
                    cart_image_url=_picture(raw, variant),
                    options=_options(variant, issues),
                    rrp=_rrp(raw, variant, sku, extra[variant.id], facts.currency, issues),
                    settings=extra[variant.id].settings,
                    unreadable=_unreadable(raw, variant, extra[variant.id], grams),
                )
                for position, (sku, variant) in enumerate(kept, start=1)
            ),
            stock={sku: _terms(level, extra[variant.id]) for sku, variant, level in _levels(source, kept)},
            prices=prices,
            unreadable_prices=tuple(sku for sku, _ in kept if sku not in prices),
        ),
        issues=tuple(issues),
        name=name,
        url=url,
        reasons=tuple(_why_not_shown(raw, kept)),
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


def _why_not_shown(raw: schema.Product, kept: tuple[Kept, ...]) -> Iterator[str]:
    """Yield the reasons why SparkLayer does not show the product, or some of its variants."""
    if not raw.is_visible:
        yield f"It is hidden in {PLATFORM}, so it is suspended in SparkLayer."
    if raw.availability == "disabled":
        yield f"It cannot be purchased in {PLATFORM}, so it is suspended in SparkLayer."
    closed = [sku for sku, variant in kept if variant.purchasing_disabled]
    if closed:
        yield f"Purchasing is disabled for {', '.join(closed[:MOST_NAMED])}, so SparkLayer has suspended them."


def _attributes(source: RawProduct, variant: schema.Variant, issues: list[Issue]) -> VariantAttributes:
    """Return the B2B attributes of a variant: its own, else the product's."""
    return attributes.read(source.fields, source.variant_fields.get(variant.id, {}), _called(variant), issues)


def _rrp(
    raw: schema.Product, variant: schema.Variant, sku: Sku, extra: VariantAttributes, currency: str, issues: list[Issue]
) -> Money | None:
    """Return the RRP: the attribute, else the retail price. BigCommerce's 0 means that there is none."""
    amount = extra.rrp if extra.rrp is not None else own_or(variant.retail_price, raw.retail_price)
    if amount is not None and not usable(amount):
        trouble = IssueType.RETAIL_PRICE_UNUSABLE
        issues.append(trouble.issue(platform=PLATFORM, variant=_called(variant), sku=sku))
        return None
    return Money(amount, currency) if amount else None


def _unreadable(
    raw: schema.Product, variant: schema.Variant, extra: VariantAttributes, grams: Decimal | None
) -> tuple[str, ...]:
    """Return the fields of a variant in SparkLayer whose value here cannot be read."""
    weight, retail = own_or(variant.weight, raw.weight), own_or(variant.retail_price, raw.retail_price)
    found = {
        "rrp": "rrp" in extra.unreadable or (extra.rrp is None and retail is not None and not usable(retail)),
        "settings": "settings" in extra.unreadable,
        "weight_in_grams": weight is not None and weight != 0 and (grams is None or not usable(weight)),
    }
    return tuple(name for name, is_unreadable in found.items() if is_unreadable)


def _terms(level: int, extra: VariantAttributes) -> StockLevel:
    unreadable = tuple(sorted(extra.unreadable & {"restock_date", "min_stock_level"}))
    return StockLevel(level, extra.restock_date, extra.min_stock_level, unreadable)


def _with_sku(raw: schema.Product, issues: list[Issue]) -> Iterator[Kept]:
    """Yield the variants that SparkLayer can hold, and add an issue for each other one."""
    taken = set[str]()
    for variant in raw.variants:
        sku = variant.sku.strip()
        if not sku:
            issues.append(IssueType.VARIANT_WITHOUT_SKU.issue(platform=PLATFORM, variant=_called(variant)))
        elif len(sku) > LONGEST_SKU:
            issues.append(IssueType.SKU_TOO_LONG.issue(platform=PLATFORM, variant=_called(variant), most=LONGEST_SKU))
        elif sku in taken:
            issues.append(IssueType.SKU_REPEATED.issue(platform=PLATFORM, variant=_called(variant), sku=sku))
        else:
            taken.add(sku)
            yield Sku(sku), variant


def _called(variant: schema.Variant) -> str:
    """Return a variant's name for people: its options, else its id."""
    labels = " / ".join(value.label for value in variant.option_values if value.label)
    return f'Variant "{labels}" (id {variant.id})' if labels else f"The product's variant (id {variant.id})"


def _slug(raw: schema.Product, issues: list[Issue]) -> str:
    """Return the path of the product's page, else a slug from its id: SparkLayer requires one (inferred)."""
    path = (raw.custom_url and raw.custom_url.url) or ""
    slug = path.strip().strip("/") or f"product-{raw.id}"
    if len(slug) > LONGEST_SLUG:
        issues.append(IssueType.SLUG_TOO_LONG.issue(platform=PLATFORM, most=LONGEST_SLUG))
    return slug[:LONGEST_SLUG]


def _status(raw: schema.Product, variant: schema.Variant) -> Status:
    """Return `live` for a variant that the store sells: visible, available or on preorder, and purchasable."""
    sold = raw.is_visible and raw.availability != "disabled" and not variant.purchasing_disabled
    return Status.LIVE if sold else Status.SUSPENDED


def _options(variant: schema.Variant, issues: list[Issue]) -> tuple[Option, ...]:
    """Return one option for each group, as SparkLayer requires: the first, with an issue for repeated groups."""
    groups: dict[str, str] = {}
    repeated: dict[str, None] = {}
    for value in variant.option_values:
        name = value.option_display_name
        if not name or not value.label:
            continue
        if name in groups:
            repeated[name] = None
        else:
            groups[name] = value.label
    for name in repeated:
        words = {"platform": PLATFORM, "variant": _called(variant), "option": name}
        issues.append(IssueType.OPTION_REPEATED.issue(**words))
    return tuple(Option(group, label) for group, label in groups.items())


def _picture(raw: schema.Product, variant: schema.Variant) -> str | None:
    """Return the variant's picture, else the product's thumbnail, in the small size of a category page."""
    if isinstance(variant.image_url, str) and variant.image_url:
        return variant.image_url
    for image in raw.images:
        if image.is_thumbnail:
            return image.url_thumbnail or image.url_standard or None
    return None


def _grams_per_unit(raw: schema.Product, facts: StoreFacts, issues: list[Issue]) -> Decimal | None:
    grams = GRAMS_IN.get(facts.weight_unit.strip().lower())
    if grams is None and any(own_or(variant.weight, raw.weight) for variant in raw.variants):
        issues.append(IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=PLATFORM, unit=facts.weight_unit))
    return grams


def _weight(
    raw: schema.Product, variant: schema.Variant, sku: Sku, grams: Decimal | None, issues: list[Issue]
) -> Decimal | None:
    weight = own_or(variant.weight, raw.weight)
    if grams is None or weight is None:
        return None
    if not usable(weight):
        issues.append(IssueType.WEIGHT_UNUSABLE.issue(platform=PLATFORM, variant=_called(variant), sku=sku))
        return None
    return weight * grams


def _prices(raw: schema.Product, kept: tuple[Kept, ...], issues: list[Issue]) -> Iterator[tuple[Sku, Decimal]]:
    for sku, variant in kept:
        price = own_or(variant.price, raw.price)
        if price is not None and usable(price):
            yield sku, price
        else:
            issues.append(IssueType.PRICE_MISSING.issue(platform=PLATFORM, variant=_called(variant), sku=sku))


def _levels(source: RawProduct, kept: tuple[Kept, ...]) -> Iterator[tuple[Sku, schema.Variant, int]]:
    """Yield the level of each SKU with tracked stock."""
    for sku, variant in kept:
        level = _level(source, variant)
        if level is not None:
            yield sku, variant, level


def _level(source: RawProduct, variant: schema.Variant) -> int | None:
    """Return a variant's stock available to sell: that of all locations, else the catalogue's."""
    if source.product.inventory_tracking == "product":
        return _pooled(source)
    if source.product.inventory_tracking == "variant":
        return (source.levels or {}).get(variant.id, _count(variant.inventory_level))
    return None


def _uncounted(source: RawProduct, kept: tuple[Kept, ...]) -> list[str]:
    """Return paths of tracked levels that are null: SparkLayer then keeps the last known ones."""
    raw, skus = source.product, {variant.id for _, variant in kept}
    if raw.inventory_tracking not in TRACKED:
        return []
    if raw.inventory_tracking == "product":
        return [] if _pooled(source) is not None or not kept else ["inventory_level"]
    return [
        f"variants[{place}].inventory_level"
        for place, variant in enumerate(raw.variants)
        if variant.id in skus and _level(source, variant) is None
    ]


def _pooled(source: RawProduct) -> int | None:
    """Return the stock that all variants share.

    The inventory items of a product with shared stock are not documented. A single item is that stock (inferred).
    Several items may repeat the shared stock, so then the catalogue's level applies.
    """
    levels = list((source.levels or {}).values())
    return levels[0] if len(levels) == 1 else _count(source.product.inventory_level)


def _count(level: Count) -> int | None:
    return level if isinstance(level, int) else None
