"""Turns a product as BigCommerce tells it into what SparkLayer shall hold. Pure: no clock, no await.

What always holds: SKUs are unique in a product, positions run from 1 without gaps, stock and prices name only
SKUs of its variants. A variant without SKU, or with the SKU of an earlier one, is left out and the merchant
is told; a product may so end up without variants, and the engine decides what that means.

A variant's null price, weight or picture inherits the product's. Amounts stay exact decimals. Sale prices,
price lists and options' order are not looked at: the price is the list price, variants have no sort order and
stand as listed.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import frozen

from daemon.model import (
    ExternalId,
    Mapped,
    Option,
    Problem,
    Product,
    Sku,
    Status,
    Stock,
    StoreFacts,
    Variant,
    VariantId,
)
from daemon.platforms.bigcommerce import wire
from daemon.platforms.bigcommerce.problems import Trouble

_POUND, _OUNCE = Decimal("453.59237"), Decimal("28.349523125")
_KILOGRAM, _GRAM, _TONNE = Decimal(1000), Decimal(1), Decimal(1_000_000)

GRAMS_IN: Mapping[str, Decimal] = {
    "lbs": _POUND, "lb": _POUND, "pounds": _POUND, "pound": _POUND,
    "ounces": _OUNCE, "ounce": _OUNCE, "oz": _OUNCE,
    "kgs": _KILOGRAM, "kg": _KILOGRAM, "kilograms": _KILOGRAM, "kilogram": _KILOGRAM,
    "grams": _GRAM, "gram": _GRAM, "g": _GRAM,
    "tonnes": _TONNE, "tonne": _TONNE,
}  # fmt: skip
"""The store's unit of weight, in lower case, in grams: the words of the API's enum (LBS, Ounces, KGS, Grams,
Tonnes), of the help centre and their short forms. A tonne is taken to be metric (inferred)."""

_ABSURD = Decimal(10) ** 12
"""No price and no weight is that large; what is cannot be sent on as a number."""

Levels = Mapping[int | None, int]
"""What can be sold in all locations, by variant id."""

Kept = tuple[Sku, wire.Variant]
"""A variant that SparkLayer can hold, and the SKU it has there."""


@frozen
class Told:
    """A product as read: the catalogue's answer, and its stock where several locations are summed up."""

    product: wire.Product
    levels: Levels | None = None


def product(told: Told, facts: StoreFacts) -> Mapped[Product]:
    """Map one product. Never raises for what `wire` accepts.

    `told.levels` None: the catalogue's own stock level holds (one location).
    """
    raw = told.product
    problems: list[Problem] = []
    kept = tuple(_with_sku(raw, problems))
    grams = _grams_per_unit(raw, facts, problems)
    return Mapped(
        value=Product(
            external_id=ExternalId(str(raw.id)),
            title=raw.name,
            slug=_slug(raw),
            variants=tuple(
                _variant(raw, variant, sku, position, _weight(raw, variant, sku, grams, problems))
                for position, (sku, variant) in enumerate(kept, start=1)
            ),
            stock=dict(_stock(told, kept)),
            prices=dict(_prices(raw, kept, problems)),
        ),
        problems=tuple(problems),
        name=raw.name or raw.sku or str(raw.id),
        url=f"{facts.url}/manage/products/edit/{raw.id}" if facts.url else "",  # inferred
    )


def _with_sku(raw: wire.Product, problems: list[Problem]) -> Iterator[Kept]:
    """Yield the variants that SparkLayer can hold, and note why the others are left out."""
    taken = set[str]()
    for variant in raw.variants:
        sku = (variant.sku or "").strip()
        if not sku:
            problems.append(Trouble.VARIANT_WITHOUT_SKU.problem(variant=_called(variant)))
        elif sku in taken:
            problems.append(Trouble.SKU_REPEATED.problem(variant=_called(variant), sku=sku))
        else:
            taken.add(sku)
            yield Sku(sku), variant


def _called(variant: wire.Variant) -> str:
    """Return what a person would call the variant: its options, or else its id."""
    labels = " / ".join(value.label for value in variant.option_values or () if value.label)
    return f'The variant "{labels}" (id {variant.id})' if labels else f"The product's variant with id {variant.id}"


def _slug(raw: wire.Product) -> str:
    """Return the path of the product's page, or its id, since SparkLayer wants something (inferred)."""
    path = (raw.custom_url and raw.custom_url.url) or ""
    return path.strip().strip("/") or f"product-{raw.id}"


def _variant(raw: wire.Product, variant: wire.Variant, sku: Sku, position: int, grams: Decimal | None) -> Variant:
    return Variant(
        external_id=VariantId(str(variant.id)),
        sku=sku,
        status=_status(raw, variant),
        position=position,
        weight_in_grams=grams,
        cart_image_url=_picture(raw, variant),
        options=_options(variant),
    )


def _status(raw: wire.Product, variant: wire.Variant) -> Status:
    """Return `live` for what the store sells: visible, available or on preorder, and purchasable."""
    sold = raw.is_visible and raw.availability != "disabled" and not variant.purchasing_disabled
    return Status.LIVE if sold else Status.SUSPENDED


def _options(variant: wire.Variant) -> tuple[Option, ...]:
    """Return one option per group, as SparkLayer wants; the first of a group holds."""
    groups: dict[str, str] = {}
    for value in variant.option_values or ():
        if value.option_display_name and value.label:
            groups.setdefault(value.option_display_name, value.label)
    return tuple(Option(group, label) for group, label in groups.items())


def _picture(raw: wire.Product, variant: wire.Variant) -> str | None:
    """Return the variant's picture or the product's thumbnail: as small as on a category page, for a cart."""
    if isinstance(variant.image_url, str) and variant.image_url:
        return variant.image_url
    for image in raw.images or ():
        if image.is_thumbnail:
            return image.url_thumbnail or image.url_standard or None
    return None


def _grams_per_unit(raw: wire.Product, facts: StoreFacts, problems: list[Problem]) -> Decimal | None:
    grams = GRAMS_IN.get(facts.weight_unit.strip().lower())
    if grams is None and any(_own_or(variant.weight, raw.weight) for variant in raw.variants):
        problems.append(Trouble.WEIGHT_UNIT_UNKNOWN.problem(unit=facts.weight_unit))
    return grams


def _weight(
    raw: wire.Product, variant: wire.Variant, sku: Sku, grams: Decimal | None, problems: list[Problem]
) -> Decimal | None:
    weight = _own_or(variant.weight, raw.weight)
    if grams is None or weight is None:
        return None
    if not _usable(weight):
        problems.append(Trouble.WEIGHT_UNUSABLE.problem(variant=_called(variant), sku=sku))
        return None
    return weight * grams


def _prices(raw: wire.Product, kept: tuple[Kept, ...], problems: list[Problem]) -> Iterator[tuple[Sku, Decimal]]:
    for sku, variant in kept:
        price = _own_or(variant.price, raw.price)
        if price is not None and _usable(price):
            yield sku, price
        else:
            problems.append(Trouble.PRICE_MISSING.problem(variant=_called(variant), sku=sku))


def _stock(told: Told, kept: tuple[Kept, ...]) -> Iterator[tuple[Sku, Stock]]:
    """Yield the level of each SKU that the store counts. The catalogue's level holds where no location knows more."""
    raw = told.product
    for sku, variant in kept:
        level: wire.Count = None
        if raw.inventory_tracking == "product":
            level = _pooled(told)
        elif raw.inventory_tracking == "variant":
            level = (told.levels or {}).get(variant.id, _count(variant.inventory_level))
        if isinstance(level, int):
            yield sku, Stock(level)


def _pooled(told: Told) -> int | None:
    """Return the stock that all variants share.

    Which inventory items a product with one pooled stock has is not documented: a single one is that stock
    (inferred); several cannot be told from the pool being listed again and again, so the catalogue's level
    holds.
    """
    levels = list((told.levels or {}).values())
    return levels[0] if len(levels) == 1 else _count(told.product.inventory_level)


def _count(level: wire.Count) -> int | None:
    return level if isinstance(level, int) else None


def _own_or(own: wire.Amount, inherited: wire.Amount) -> Decimal | None:
    if isinstance(own, Decimal):
        return own
    return inherited if isinstance(inherited, Decimal) else None


def _usable(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < _ABSURD
