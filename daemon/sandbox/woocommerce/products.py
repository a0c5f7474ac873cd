"""The routes of products and variations. A variation answers at `/products` by its id, but no list of these has it.

Below their product, and below `/variations` for the whole shop, which is to be read only, stand the variations.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.woocommerce.answers import INVALID_ID, Query, invalid, refused
from daemon.sandbox.woocommerce.catalogue import STATUSES, TRASH, Attribute, Product
from daemon.sandbox.woocommerce.product_shapes import price, product_shape, stock, variation_shape
from daemon.sandbox.woocommerce.resource import Body, Resource, by_position, meta_cut, typed
from daemon.sandbox.woocommerce.shop import Shop

TYPES = ("simple", "grouped", "external", "variable")
PLAIN = {
    "name": "string",
    "type": "string",
    "status": "string",
    "sku": "string",
    "description": "string",
    "regular_price": "string",
    "sale_price": "string",
    "weight": "string",
    "manage_stock": "boolean",
    "stock_quantity": "integer",
    "stock_status": "string",
    "backorders": "string",
    "menu_order": "integer",
}
LISTS = {"attributes": "array", "meta_data": "array"}
_CHOICES = {"type": TYPES, "status": STATUSES, "backorders": ("no", "notify", "yes")}


def written(shop: Shop, body: Body, product: Product | None) -> Body:
    """Return the record fields that a body sets, `product` being what it changes. Raises Refused."""
    given = typed(body, PLAIN | LISTS)
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            raise invalid(name, f"{name} is not one of {', '.join(choices)}.", "rest_not_in_enum")
    _check_sku(shop, given.get("sku"), product)
    values = {name: value for name, value in given.items() if name in PLAIN and value is not None}
    if "attributes" in given:
        values |= _attributes(given["attributes"], variation=bool(product and product.parent_id))
    return values


def write_meta_data(shop: Shop, rows: list[Any], body: Body) -> None:
    """Set the meta data of a body; a null value takes a key away."""
    for row in body.get("meta_data") or []:
        shop.write_meta(rows, row["key"], row.get("value"))


def _attributes(rows: list[Body], *, variation: bool) -> Body:
    if variation:
        return {"options": {row["name"]: row["option"] for row in rows}}
    names = ("id", "visible", "variation")
    made = [
        Attribute(
            name=row["name"], options=row.get("options", []), **{name: row[name] for name in names if name in row}
        )
        for row in rows
    ]
    return {"attributes": made}


def _check_sku(shop: Shop, sku: str | None, product: Product | None) -> None:
    try:
        owner = shop.by_sku(sku) if sku else None
    except KeyError:
        return
    if owner is not None and owner is not product:
        words = "Invalid or duplicated SKU."
        raise refused("product_invalid_sku", words, 400, resource_id=owner.id, unique_sku=f"{sku}-1")


ANY = ("any", "future", "trash", "draft", "pending", "private", "publish")
"""Words of `status`, in the recorded order."""


def passing(shop: Shop, query: Query, rows: Sequence[Product]) -> Sequence[Product]:
    """Return the rows that pass the filters which products and variations share; `any` status is all but the trash."""
    status = query.choice("status", ANY, "any")
    wanted = query.words("include_status", ANY) or [status]
    unwanted = query.words("exclude_status", ANY[1:])
    shown = {each for word in wanted for each in (STATUSES if word == "any" else (word,))} - set(unwanted)
    modified = query.span(shop, "modified_after", "modified_before")
    created = query.span(shop, "after", "before")
    kept = [row for row in rows if row.status in shown]
    # Only what was asked for is looked at row by row: a large shop is paged through many times.
    if parents := set(query.ids("parent")):
        kept = [row for row in kept if row.parent_id in parents]
    if modified:
        kept = [row for row in kept if modified(row.modified)]
    if created:
        kept = [row for row in kept if created(row.created)]
    level = query.text("stock_status")
    return [row for row in kept if stock(shop, row)["stock_status"] == level] if level else kept


def sort_keys(query: Query) -> dict[str, Callable[[Product], Any]]:
    """Return the words of `orderby` that products and variations share."""
    return {
        "date": lambda row: (row.created.gmt, row.id),
        "id": lambda row: row.id,
        "include": by_position(query),
        "title": lambda row: (row.name, row.id),
        "slug": lambda row: (row.slug, row.id),
        "modified": lambda row: (row.modified.gmt, row.id),
        "menu_order": lambda row: (row.menu_order, row.id),
    }


class Products(Resource[Product]):
    """Products below `/products`."""

    collection, plural, trashes = "/products", "Products", True
    missing = ("woocommerce_rest_product_invalid_id", INVALID_ID)

    def rows(self, **_parents: int) -> Mapping[int, Product]:
        """Return products, and variations too."""
        return self._shop.products

    def chosen(self, query: Query, **_parents: int) -> Sequence[Product]:
        """Return the products of the asked sorts; a search by SKU finds variations too."""
        rows: Sequence[Product] = list(self._shop.tops.values())
        kind, words = query.choice("type", ("", *TYPES), ""), query.text("search").lower()
        if sku := query.text("sku"):
            rows = [row for row in self._shop.products.values() if row.sku in sku.split(",")]
        elif part := query.text("search_sku"):
            rows = [row for row in self._shop.products.values() if part.lower() in row.sku.lower()]
        elif kind or words:
            rows = [row for row in rows if kind in {"", row.type} and words in row.name.lower()]
        return passing(self._shop, query, rows)

    def orderby(self, query: Query) -> Mapping[str, Callable[[Product], Any]]:
        """Return the words of `orderby`; the sandbox counts neither sales nor ratings."""
        keys = sort_keys(query)
        more: dict[str, Callable[[Product], Any]] = {
            "popularity": keys["date"],
            "rating": keys["date"],
            "post__in": keys["include"],
            "price": lambda row: (float(price(self._shop, row) or 0), row.id),
            "sales": keys["date"],
            "random": keys["id"],
        }
        return keys | more

    def shown(self, item: Product, query: Query | None = None) -> Body:
        """Return a product."""
        return meta_cut(query, product_shape(self._shop, item))

    def create(self, body: Body, **_parents: int) -> Body:
        """Make a product."""
        shop, values = self._shop, written(self._shop, body, None)
        product_id = shop.add_product(values.pop("name", "AUTO-DRAFT"), **_priced(values))
        write_meta_data(shop, shop.product(product_id).meta, body)
        return self._edited(shop.product(product_id))

    def update(self, item: Product, body: Body) -> Body:
        """Change a product; a status takes it out of the trash."""
        if item.parent_id:
            words = "To manipulate product variations you should use the /products/<id>/variations/<id> endpoint."
            raise refused("woocommerce_rest_invalid_product_id", words, 404)
        values = written(self._shop, body, item)
        write_meta_data(self._shop, item.meta, body)
        if item.status == TRASH and "status" in values:
            item.former_status = values.pop("status")
            for name, value in values.items():
                setattr(item, name, value)
            self._shop.restore_product(item.id, by_rest=True)
        else:
            self._shop.update(item.id, **values)
        return self._edited(item)

    def remove(self, item: Product) -> None:
        """Delete a product permanently."""
        self._shop.delete_product(item.id)

    def trash(self, item: Product) -> None:
        """Move a product to the trash."""
        self._shop.trash_product(item.id)

    def _edited(self, product: Product) -> Body:
        """Return a product as it is answered after an edit: with two fields more (recorded)."""
        shown = self.shown(product)
        links = shown.pop("_links")
        template = f"{self._shop.home}/product/%pagename%/"
        return {**shown, "permalink_template": template, "generated_slug": product.slug, "_links": links}


class Variations(Resource[Product]):
    """Variations of one product and of all."""

    collection, plural = "/products/{product_id}/variations", "Variations"
    missing = ("woocommerce_rest_product_variation_invalid_id", INVALID_ID)

    def rows(self, **parents: int) -> Mapping[int, Product]:
        """Return the variations of a product, those in the trash last."""
        rows = (self._shop.variations_of(parents["product_id"], trashed=trashed) for trashed in (False, True))
        return {row.id: row for some in rows for row in some}

    def chosen(self, query: Query, **parents: int) -> Sequence[Product]:
        """Return the variations of a product, or of the whole shop without one."""
        rows, sku = self.rows(**parents) if parents else self._shop.variations, query.text("sku")
        return [row for row in passing(self._shop, query, list(rows.values())) if not sku or row.sku in sku.split(",")]

    def orderby(self, query: Query) -> Mapping[str, Callable[[Product], Any]]:
        """Return the words of `orderby`."""
        return sort_keys(query)

    def shown(self, item: Product, query: Query | None = None) -> Body:
        """Return a variation in its own shape."""
        return meta_cut(query, variation_shape(self._shop, item))

    @route("GET", "/variations")
    @route("HEAD", "/variations")
    def _all(self, request: Request) -> Response:
        return self._list(request)

    def create(self, body: Body, **parents: int) -> Body:
        """Make a variation."""
        shop, product_id = self._shop, parents["product_id"]
        if product_id not in shop.products:
            raise refused(*Products.missing, 404)
        options = {row["name"]: row["option"] for row in body.get("attributes") or []}
        # A variation is named after its options, and its type is given.
        rest = {name: value for name, value in body.items() if name not in {"attributes", "name", "type"}}
        variation_id = shop.add_variation(product_id, options=options, **_priced(written(shop, rest, None)))
        write_meta_data(shop, shop.product(variation_id).meta, body)
        return self.shown(shop.product(variation_id))

    def update(self, item: Product, body: Body) -> Body:
        """Change a variation."""
        values = written(self._shop, body, item)
        write_meta_data(self._shop, item.meta, body)
        self._shop.update(item.id, **values)
        return self.shown(item)

    def delete(self, item: Product, *, forced: bool) -> Body:
        """Delete a variation, always permanently."""
        del forced
        return super().delete(item, forced=True)

    def remove(self, item: Product) -> None:
        """Delete a variation permanently."""
        self._shop.delete_variation(item.id)


def _priced(values: Body) -> Body:
    """Return a new product's fields as the shop's edits name them."""
    managed, level = values.pop("manage_stock", False), values.pop("stock_quantity", 0)
    return {"price": values.pop("regular_price", ""), "stock": level if managed else None} | values
