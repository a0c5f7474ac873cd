"""The routes of products: `/products` and its batch. A variation answers here by its id, but no list has it."""

from collections.abc import Callable
from typing import Any

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number
from daemon.sandbox.woocommerce.listing import by_position, fields, listed, meta_cut
from daemon.sandbox.woocommerce.problems import INVALID_ID, answer, refused
from daemon.sandbox.woocommerce.product_input import TYPES, write_meta_data, written
from daemon.sandbox.woocommerce.product_shapes import price, product_shape, stock
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import STATUSES, TRASH, Product
from daemon.sandbox.woocommerce.shop import Shop

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
