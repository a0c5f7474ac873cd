"""The catalogue of the AdventureWorks company: 119 products with 295 variants, prices in USD, weights in LBS.

The 295 finished goods are grouped by their model; colour and size tell the variants of a model apart. A model with
one finished good becomes a simple product. A product's price and weight are the most common among its variants,
which then inherit them (null). The few weights in grams are converted to pounds. Stock is the sum over the
company's own locations. Made up, but always the same: image addresses, which variants have no SKU, which product
is hidden, which are not tracked. The data and its licence stand in `daemon/sandbox/data/adventureworks`.

Attributes say how products may be ordered; keys and JSON are SparkLayer's (sparklayer.md sections 2 and 11). What
stands at the product counts for all its variants; what a variant has itself goes before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files

from daemon.sandbox.company import Product, Variant
from daemon.sandbox.record import Record, record


def rows(table: str, between: str = "\t", end: str = "\n") -> Iterator[list[str]]:
    """Return the rows of a table whose fields are separated by tabs, or by what is given."""
    path = files("daemon.sandbox") / "data" / "adventureworks" / f"{table}.csv"
    for row in path.read_text("utf-8").split(end):
        if row.strip():
            yield row.lstrip("\n").split(between)


def marked_rows(table: str) -> Iterator[list[str]]:
    """Return the rows of a table with `+|` between fields and `&|` at row ends."""
    return rows(table, "+|", "&|")


OF_PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "FR-R92R-62": {"rrp": "1899.00"},
    "SO-R809-M": {"pack_size": "10", "min_order_quantity": "20"},
    "HL-U509-R": {
        "settings": '[{"customer_group": "base", "pack_size": 6, "min_order_quantity": 12},'
        ' {"customer_group": "gold", "pack_size": 1, "sell": true}]',
    },
    "LJ-0192-S": {"restock_date": "2027-01-15"},
}
"""By the SKU of one of the product's variants."""

OF_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "FR-R92R-62": {"rrp": "1949.5", "min_stock_level": "-25"},
    "LJ-0192-S": {"pack_size": "3", "max_order_quantity": "30", "min_stock_level": "0"},
    "LJ-0192-M": {"restock_date": "2027-02-01"},
    "LJ-0192-X": {"settings": "{not json"},
    "BK-M82S-38": {"rrp": "3799.99", "display": "true", "sell": "false"},
}


GRAMS_PER_POUND = 453.59237

WITHOUT_SKU = ("SO-B909-M", "SJ-0194-S", "BK-R93R-62")
"""Product numbers of the variants that have no SKU in the store."""
HIDDEN = ("PA-T100",)
UNTRACKED = ("PK-7098", "CL-9009")


@record("id name number colour size price weight subcategory model")
class _Good(Record):
    """A finished good. `weight` is in pounds, None when unknown."""


def catalogue() -> list[Product]:
    """Return the products, model by model."""
    models = {row[0]: row[1] for row in marked_rows("ProductModel")}
    descriptions, stock = _descriptions(), _stock()
    by_model: dict[str, list[_Good]] = defaultdict(list)
    for good in _goods():
        by_model[good.model].append(good)
    return [_product(goods, models[key], descriptions.get(key, ""), stock) for key, goods in by_model.items()]


def _product(goods: Sequence[_Good], model: str, description: str, stock: Counter[int]) -> Product:
    price = _most_common(good.price for good in goods)
    weight = _most_common(good.weight for good in goods if good.weight is not None)
    labels = {"Color": [good.colour for good in goods], "Size": [good.size for good in goods]}
    options = {name: found for name, found in labels.items() if len(set(found)) > 1}
    variants = [
        Variant(
            sku="" if good.number in WITHOUT_SKU else good.number,
            options={name: found[index] for name, found in options.items()},
            price=None if good.price == price else good.price,
            weight=None if good.weight == weight else good.weight,
            picture=f"https://cdn.example/images/{good.number.lower()}.jpg" if options else "",
            stock=stock[good.id],
            attributes=OF_VARIANTS.get(good.number, {}),
        )
        for index, good in enumerate(goods)
    ]
    return Product(
        title=model if options else goods[0].name,
        variants=variants,
        description=description,
        category=goods[0].subcategory,
        price=price,
        weight=weight,
        tracked=not any(good.number in UNTRACKED for good in goods),
        visible=not any(good.number in HIDDEN for good in goods),
        attributes={key: text for good in goods for key, text in OF_PRODUCTS.get(good.number, {}).items()},
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


def _most_common(values: Iterable[float]) -> float:
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else 0
