"""The routes of variations: below their product, and `/variations` with those of the whole shop, to be read only."""

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number
from daemon.sandbox.woocommerce.listing import fields, listed, meta_cut
from daemon.sandbox.woocommerce.problems import INVALID_ID, answer, refused
from daemon.sandbox.woocommerce.product_input import write_meta_data, written
from daemon.sandbox.woocommerce.product_shapes import variation_shape
from daemon.sandbox.woocommerce.products import passing, sort_keys
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import Product
from daemon.sandbox.woocommerce.shop import Shop


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
