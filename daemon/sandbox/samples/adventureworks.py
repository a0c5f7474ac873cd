"""The AdventureWorks company as a BigCommerce store: 119 products with 295 variants, prices in USD, weights in LBS.

The 295 finished goods are grouped by their model; colour and size tell the variants of a model apart. A model with
one finished good becomes a simple product. A product's price and weight are the most common among its variants,
which then inherit them (null). The few weights in grams are converted to pounds. Stock is the sum over the
company's own locations. Made up, but always the same: image addresses, which variants have no SKU, which product
is hidden, which are not tracked. The data and its licence stand in `daemon/sandbox/data/adventureworks`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from daemon.sandbox.bigcommerce.records import (
    CustomField,
    CustomUrl,
    Entry,
    Image,
    Number,
    OptionValue,
    Product,
    Variant,
    number,
)
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.samples.tables import marked_rows, rows

GRAMS_PER_POUND = 453.59237
CREATED = "2026-01-01T00:00:00+00:00"

WITHOUT_SKU = ("SO-B909-M", "SJ-0194-S", "BK-R93R-62")
"""Product numbers of the variants that have no SKU in the store."""
HIDDEN = ("PA-T100",)
UNTRACKED = ("PK-7098", "CL-9009")


@frozen(kw_only=True)
class _Good:
    """A finished good. `weight` is in pounds, None when unknown."""

    id: int
    name: str
    number: str
    colour: str
    size: str
    price: float
    weight: float | None
    subcategory: str
    model: str


def adventureworks_catalogue() -> Store:
    """Return a store that has the products and nothing else."""
    store = Store(name="Adventure Works Cycles")
    models = {row[0]: row[1] for row in marked_rows("ProductModel")}
    descriptions, stock = _descriptions(), _stock()
    by_model: dict[str, list[_Good]] = defaultdict(list)
    for good in _goods():
        by_model[good.model].append(good)
    for position, (model, goods) in enumerate(by_model.items(), start=1):
        entry = _entry(store, goods, models[model], descriptions.get(model, ""), stock)
        entry.product.sort_order = position
        store.put(entry)
    return store


def _entry(store: Store, goods: Sequence[_Good], model: str, description: str, stock: Counter[int]) -> Entry:
    simple = len(goods) == 1
    product_id = store.new_id()
    title = goods[0].name if simple else model
    numbers = {good.number for good in goods}
    tracking = "product" if simple else "variant"
    product = Product(
        id=product_id,
        name=title,
        custom_url=CustomUrl(f"/{_slug(title)}/"),
        date_created=CREATED,
        date_modified=CREATED,
        description=f"<p>{description}</p>" if description else "",
        price=_most_common(good.price for good in goods),
        weight=_most_common(good.weight for good in goods if good.weight is not None),
        inventory_tracking="none" if numbers & set(UNTRACKED) else tracking,
        is_visible=not numbers & set(HIDDEN),
    )
    variants = [_variant(store, product, good, stock[good.id], simple=simple) for good in goods]
    if simple:
        product.base_variant_id = variants[0].id
    else:
        _add_options(store, goods, variants)
    field = CustomField(store.new_id(), "Subcategory", goods[0].subcategory)
    return Entry(product, variants, (_image(store, product_id, title),), (field,))


def _variant(store: Store, product: Product, good: _Good, level: int, *, simple: bool) -> Variant:
    picture = "" if simple else f"https://cdn.example/images/{good.number.lower()}.jpg"
    return Variant(
        id=store.new_id(),
        product_id=product.id,
        sku="" if good.number in WITHOUT_SKU else good.number,
        sku_id=None if simple else store.new_id(),
        price=None if simple or good.price == product.price else number(good.price),
        weight=None if simple or good.weight in {None, product.weight} else number(good.weight or 0),
        image_url=picture,
        inventory_level=level,
    )


def _add_options(store: Store, goods: Sequence[_Good], variants: Sequence[Variant]) -> None:
    """Give the variants the options that tell them apart."""
    options = {
        name: labels
        for name, labels in (("Color", [g.colour for g in goods]), ("Size", [g.size for g in goods]))
        if len(set(labels)) > 1
    }
    values: dict[tuple[str, str], OptionValue] = {}
    for name, labels in options.items():
        option_id = store.new_id()
        for label in dict.fromkeys(labels):
            values[name, label] = OptionValue(store.new_id(), label, option_id, name)
    for index, variant in enumerate(variants):
        variant.option_values = tuple(values[name, labels[index]] for name, labels in options.items())


def _image(store: Store, product_id: int, title: str) -> Image:
    name = f"https://cdn.example/images/{_slug(title)}"
    return Image(
        id=store.new_id(),
        product_id=product_id,
        is_thumbnail=True,
        sort_order=0,
        image_file=f"{_slug(title)}.jpg",
        url_zoom=f"{name}.1280.jpg",
        url_standard=f"{name}.500.jpg",
        url_thumbnail=f"{name}.220.jpg",
        url_tiny=f"{name}.44.jpg",
        description=title,
    )


def _goods() -> Iterator[_Good]:
    subcategories = {row[0]: row[2] for row in rows("ProductSubcategory")}
    for row in rows("Product"):
        if row[4] != "1":
            continue
        yield _Good(
            id=int(row[0]),
            name=row[1],
            number=row[2],
            colour=row[5],
            size=row[10],
            price=float(row[9]),
            weight=_pounds(row[13], row[12].strip()),
            subcategory=subcategories.get(row[18], ""),
            model=row[19],
        )


def _descriptions() -> dict[str, str]:
    """Return the English description of each model."""
    texts = {row[0]: row[1] for row in rows("ProductDescription")}
    links = rows("ProductModelProductDescriptionCulture")
    return {row[0]: texts[row[1]] for row in links if row[2].strip() == "en"}


def _stock() -> Counter[int]:
    """Return how many pieces of each good all locations have together."""
    levels: Counter[int] = Counter()
    for row in rows("ProductInventory"):
        levels[int(row[0])] += int(row[4])
    return levels


def _pounds(weight: str, unit: str) -> float | None:
    if not weight:
        return None
    return float(weight) if unit == "LB" else round(float(weight) / GRAMS_PER_POUND, 4)


def _most_common(values: Iterable[float]) -> Number:
    counted = Counter(values).most_common(1)
    return number(counted[0][0]) if counted else 0


def _slug(title: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
