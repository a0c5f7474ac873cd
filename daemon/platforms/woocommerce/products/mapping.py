"""Maps a WooCommerce product to its target state in SparkLayer. Pure: no clock, no await.

A simple product has one variant, with the product's own id. A variation that shows its product's SKU has none of its
own, and is left out with an issue.

An unusable field leaves the whole product unmapped, so SparkLayer keeps what it has. The price is the regular price:
sale prices are not used, as on BigCommerce. Grouped and external products sell nothing themselves, and a trashed one is
gone: each maps to nothing.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from attrs import field, frozen

from daemon.entities import Issue, Mapped, Product, StockLevel, StoreFacts
from daemon.platforms.shared import products
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.products import StoreProduct, Unit, with_sku
from daemon.platforms.shared.rows import Odd
from daemon.platforms.woocommerce.products import schema
from daemon.platforms.woocommerce.values import amount_of

PLATFORM = "WooCommerce"
TRASH, PUBLISHED = "trash", "publish"
SELL_NOTHING: Mapping[str, str] = {
    "grouped": "It is a grouped product: its products are synced, each by itself.",
    "external": "It is an external product, which is sold on another website.",
}
"""Types of products that map to nothing, and why."""

SHARED = "parent"
"""Value of a variation's `manage_stock` if the product's stock is shared."""

MOST_NAMED = 10
"""Most SKUs named in one sentence."""

Sellable = schema.Product | schema.Variation


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
    sellables = _sellables(source)
    odd = (*source.odd, *_faults_of(sellables))
    if odd:
        return unread(Odd(raw.id, odd, raw), PLATFORM, name, url)
    issues: list[Issue] = []
    units = [_unit(raw, sellable) for sellable in sellables]
    kept = with_sku(units, PLATFORM, issues)
    shared = {sellable.id for sellable in sellables if sellable.manage_stock == SHARED}
    store_product = StoreProduct(
        platform=PLATFORM,
        id=raw.id,
        title=html.unescape(raw.name),
        name=name,
        url=url,
        slug=raw.slug,  # drafts have none
        is_sold=raw.status == PUBLISHED,
        units=units,
        shares_stock=len(kept) > 1 and any(unit.id in shared for unit in kept),
    )
    return products.product(store_product, kept, facts, issues, list(_why_not_shown(raw, kept)))


def _unit(raw: schema.Product, sellable: Sellable) -> Unit:
    """Return a sellable unit. Its stock is its own, or shared with its product."""
    sku, called = sellable.sku.strip(), f"The product (id {sellable.id})"
    choices: list[tuple[str, str]] = []
    image = next(iter(raw.images), None)
    if isinstance(sellable, schema.Variation):
        choices = [(html.unescape(choice.name), html.unescape(choice.option or "")) for choice in sellable.attributes]
        labels = " / ".join(label for _, label in choices if label)
        called = f'Variation "{labels}"' if labels else "The product's variation"
        called = f"{called} (id {sellable.id})"
        sku = "" if sku == raw.sku.strip() else sku
        image = sellable.image or image
    level = None if sellable.manage_stock is False else sellable.stock_quantity
    return Unit(
        id=sellable.id,
        called=called,
        sku=sku,
        is_sold=sellable.status == PUBLISHED and sellable.purchasable,
        price=amount_of(sellable.regular_price),
        weight=amount_of(sellable.weight),
        picture=(image.thumbnail or image.src or None) if image else None,
        choices=choices,
        stock=None if level is None else StockLevel(level),
    )


def is_variable(raw: schema.Product) -> bool:
    """Return True for a product that sells by its variations; plugins add types of both sorts."""
    return raw.type == "variable" or (raw.type not in {"simple", *SELL_NOTHING} and bool(raw.variations))


def _sellables(source: RawProduct) -> list[Sellable]:
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


def _why_not_shown(raw: schema.Product, kept: Sequence[Unit]) -> Iterator[str]:
    """Yield the reasons why SparkLayer does not show the product, or some of its variants."""
    if raw.status != PUBLISHED:
        yield f'It is not published in {PLATFORM} (its status is "{raw.status}"), so it is suspended in SparkLayer.'
        return
    closed = [unit.sku for unit in kept if not unit.is_sold]
    if closed:
        yield f"{', '.join(closed[:MOST_NAMED])} cannot be purchased in {PLATFORM}, so SparkLayer has suspended them."
