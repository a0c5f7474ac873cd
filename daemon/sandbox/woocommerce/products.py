"""The routes of products and variations. A variation answers at `/products` by its id, but no list of these has it.

Below their product, and below `/variations` for the whole shop, which is to be read only, stand the variations.
"""

from collections.abc import Callable
from typing import Any

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.answers import INVALID_ID, answer, invalid, refused
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number, typed
from daemon.sandbox.woocommerce.listing import by_position, fields, listed, meta_cut
from daemon.sandbox.woocommerce.product_shapes import price, product_shape, stock, variation_shape
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import STATUSES, TRASH, Attribute, Product
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


def statuses(query: Query) -> set[str]:
    """Return the statuses that a list of products or variations shows; `any` is all but the trash."""
    status = query.choice("status", ANY, "any")
    wanted = query.words("include_status", ANY) or [status]
    unwanted = query.words("exclude_status", ANY[1:])
    return {each for word in wanted for each in (STATUSES if word == "any" else (word,))} - set(unwanted)


def passing(shop: Shop, query: Query, rows: list[Product]) -> list[Product]:
    """Return the rows that pass the filters which products and variations share."""
    shown = statuses(query)
    modified = query.span(shop, "modified_after", "modified_before")
    created = query.span(shop, "after", "before")
    included, excluded, parents = (set(query.ids(name)) for name in ("include", "exclude", "parent"))
    level = query.text("stock_status")
    kept = [row for row in rows if row.status in shown and (not included or row.id in included)]
    # Only what was asked for is looked at row by row: a large shop is paged through many times.
    if parents:
        kept = [row for row in kept if row.parent_id in parents]
    if excluded:
        kept = [row for row in kept if row.id not in excluded]
    if modified:
        kept = [row for row in kept if modified(row.modified)]
    if created:
        kept = [row for row in kept if created(row.created)]
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


class Products:
    """Products below `/products`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @route("GET", "/products")
    @route("HEAD", "/products")
    def _list(self, request: Request) -> Response:
        query, shop = Query(request.query), self._shop
        keys = sort_keys(query)
        by_date, by_id = keys["date"], keys["id"]
        more: dict[str, Callable[[Product], Any]] = {
            "popularity": by_date,
            "rating": by_date,
            "post__in": keys["include"],
            "price": lambda row: (float(price(shop, row) or 0), row.id),
            "sales": by_date,
            "random": by_id,
        }
        return listed(
            request,
            passing(shop, query, self._asked(query)),
            lambda row: meta_cut(query, product_shape(shop, row)),
            home=shop.home,
            orderby=keys | more,
            default=("date", "desc"),
        )

    def _asked(self, query: Query) -> list[Product]:
        """Return the products of the asked sorts; a search by SKU finds variations too."""
        rows = self._shop.products.values()
        if sku := query.text("sku"):
            return [row for row in rows if row.sku in sku.split(",")]
        if part := query.text("search_sku"):
            return [row for row in rows if part.lower() in row.sku.lower()]
        kind, words = query.text("type"), query.text("search").lower()
        query.choice("type", ("", *TYPES), "")
        tops = list(self._shop.tops.values())
        if not kind and not words:
            return tops
        return [row for row in tops if kind in {"", row.type} and words in row.name.lower()]

    @route("GET", "/products/{product_id}")
    @route("HEAD", "/products/{product_id}")
    def _get(self, request: Request, product_id: str) -> Response:
        product, query = self._find(number(product_id)), Query(request.query)
        return answer(fields(query, meta_cut(query, product_shape(self._shop, product))))

    @route("POST", "/products")
    def _post(self, request: Request) -> Response:
        return answer(self._create(decoded(request)), 201)

    @route("PUT", "/products/{product_id}")
    @route("POST", "/products/{product_id}")
    @route("PATCH", "/products/{product_id}")
    def _put(self, request: Request, product_id: str) -> Response:
        return answer(self._update(number(product_id), decoded(request)))

    @route("DELETE", "/products/{product_id}")
    def _remove(self, request: Request, product_id: str) -> Response:
        return answer(self._delete(number(product_id), forced=bool(Query(request.query).flag("force"))))

    @route("POST", "/products/batch")
    @route("PUT", "/products/batch")
    @route("PATCH", "/products/batch")
    def _batch(self, request: Request) -> Response:
        return batched(
            request,
            create=self._create,
            update=self._update,
            delete=lambda product_id: self._delete(product_id, forced=bool(Query(request.query).flag("force"))),
        )

    def _create(self, body: Body) -> Body:
        shop, values = self._shop, written(self._shop, body, None)
        managed, level = values.pop("manage_stock", False), values.pop("stock_quantity", 0)
        title = values.pop("name", "AUTO-DRAFT")
        price = values.pop("regular_price", "")
        product_id = shop.add_product(title, price=price, stock=level if managed else None, **values)
        write_meta_data(shop, shop.product(product_id).meta, body)
        return self._edited(shop.product(product_id))

    def _update(self, product_id: int, body: Body) -> Body:
        product = self._find(product_id)
        if product.parent_id:
            words = "To manipulate product variations you should use the /products/<id>/variations/<id> endpoint."
            raise refused("woocommerce_rest_invalid_product_id", words, 404)
        values = written(self._shop, body, product)
        write_meta_data(self._shop, product.meta, body)
        if product.status == TRASH and "status" in values:
            product.former_status = values.pop("status")
            for name, value in values.items():
                setattr(product, name, value)
            self._shop.restore_product(product_id, by_rest=True)
        else:
            self._shop.update(product_id, **values)
        return self._edited(product)

    def _delete(self, product_id: int, *, forced: bool) -> Body:
        product = self._find(product_id)
        before = product_shape(self._shop, product)
        if forced:
            self._shop.delete_product(product_id)
            return before
        if product.status == TRASH:
            raise refused("woocommerce_rest_already_trashed", "The product has already been deleted.", 410)
        self._shop.trash_product(product_id)
        return product_shape(self._shop, product)

    def _edited(self, product: Product) -> Body:
        """Return a product as it is answered after an edit: with two fields more (recorded)."""
        shown: dict[str, Any] = product_shape(self._shop, product)
        links = shown.pop("_links")
        template = f"{self._shop.home}/product/%pagename%/"
        return {**shown, "permalink_template": template, "generated_slug": product.slug, "_links": links}

    def _find(self, product_id: int) -> Product:
        product = self._shop.products.get(product_id)
        if product is None:
            raise refused("woocommerce_rest_product_invalid_id", INVALID_ID, 404)
        return product


class Variations:
    """Variations of one product and of all."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @route("GET", "/variations")
    @route("HEAD", "/variations")
    def _all(self, request: Request) -> Response:
        return self._listed(request, list(self._shop.variations.values()))

    @route("GET", "/products/{product_id}/variations")
    @route("HEAD", "/products/{product_id}/variations")
    def _list(self, request: Request, product_id: str) -> Response:
        parent = number(product_id)
        rows = (*self._shop.variations_of(parent), *self._shop.variations_of(parent, trashed=True))
        return self._listed(request, list(rows))

    def _listed(self, request: Request, rows: list[Product]) -> Response:
        query, shop = Query(request.query), self._shop
        sku = query.text("sku")
        return listed(
            request,
            [row for row in passing(shop, query, rows) if not sku or row.sku in sku.split(",")],
            lambda row: meta_cut(query, variation_shape(shop, row)),
            home=shop.home,
            orderby=sort_keys(query),
            default=("date", "desc"),
        )

    @route("GET", "/products/{product_id}/variations/{variation_id}")
    def _get(self, request: Request, product_id: str, variation_id: str) -> Response:
        variation, query = self._find(number(product_id), number(variation_id)), Query(request.query)
        return answer(fields(query, meta_cut(query, variation_shape(self._shop, variation))))

    @route("POST", "/products/{product_id}/variations")
    def _post(self, request: Request, product_id: str) -> Response:
        return answer(self._create(number(product_id), decoded(request)), 201)

    @route("PUT", "/products/{product_id}/variations/{variation_id}")
    @route("POST", "/products/{product_id}/variations/{variation_id}")
    @route("PATCH", "/products/{product_id}/variations/{variation_id}")
    def _put(self, request: Request, product_id: str, variation_id: str) -> Response:
        return answer(self._update(number(product_id), number(variation_id), decoded(request)))

    @route("DELETE", "/products/{product_id}/variations/{variation_id}")
    def _remove(self, _request: Request, product_id: str, variation_id: str) -> Response:
        return answer(self._delete(number(product_id), number(variation_id)))

    @route("POST", "/products/{product_id}/variations/batch")
    def _batch(self, request: Request, product_id: str) -> Response:
        parent = number(product_id)
        return batched(
            request,
            create=lambda body: self._create(parent, body),
            update=lambda variation_id, body: self._update(parent, variation_id, body),
            delete=lambda variation_id: self._delete(parent, variation_id),
        )

    def _create(self, product_id: int, body: Body) -> Body:
        shop = self._shop
        if product_id not in shop.products:
            raise refused("woocommerce_rest_product_invalid_id", INVALID_ID, 404)
        options = {row["name"]: row["option"] for row in body.get("attributes") or []}
        values = written(shop, {name: value for name, value in body.items() if name != "attributes"}, None)
        managed, level = values.pop("manage_stock", False), values.pop("stock_quantity", 0)
        # A variation is named after its options, and its type is given.
        values.pop("name", None), values.pop("type", None)
        price = values.pop("regular_price", "")
        variation_id = shop.add_variation(
            product_id, options=options, price=price, stock=level if managed else None, **values
        )
        write_meta_data(shop, shop.product(variation_id).meta, body)
        return variation_shape(shop, shop.product(variation_id))

    def _update(self, product_id: int, variation_id: int, body: Body) -> Body:
        variation = self._find(product_id, variation_id)
        values = written(self._shop, body, variation)
        write_meta_data(self._shop, variation.meta, body)
        self._shop.update(variation_id, **values)
        return variation_shape(self._shop, variation)

    def _delete(self, product_id: int, variation_id: int) -> Body:
        before = variation_shape(self._shop, self._find(product_id, variation_id))
        self._shop.delete_variation(variation_id)
        return before

    def _find(self, product_id: int, variation_id: int) -> Product:
        variation = self._shop.products.get(variation_id)
        if variation is None or not variation.parent_id or variation.parent_id != product_id:
            raise refused("woocommerce_rest_product_variation_invalid_id", INVALID_ID, 404)
        return variation
