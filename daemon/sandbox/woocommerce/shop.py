"""Every edit that a merchant, a plugin or an order makes to the products of a WooCommerce shop.

An edit changes the state at once, moves `date_modified` and announces events, each as measured (woocommerce.md and
woocommerce-more.md). With `silent=True` nothing is announced; within `unstamped()` no date moves: together they are
what direct writes to the database do. A variation is edited by its own id.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define, field

from daemon.sandbox.woocommerce.catalogue import STATUSES, TRASH, Attribute, Catalogue, Event, Product
from daemon.sandbox.woocommerce.customer_book import CustomerBook
from daemon.sandbox.woocommerce.order_book import OrderBook

TRASHED = (("_wp_trash_meta_status", "publish"), ("_wp_trash_meta_time", "0"), ("_wp_desired_post_slug", ""))


@define(eq=False, kw_only=True)
class Shop(Catalogue):
    """The shop, with the edits of its products and settings as methods; customers and orders have their own."""

    customers: CustomerBook = field(init=False, default=Factory(CustomerBook, takes_self=True), repr=False)
    orders: OrderBook = field(
        init=False, default=Factory(lambda self: OrderBook(self, self.customers), takes_self=True), repr=False
    )

    def add_product(
        self,
        title: str,
        *,
        price: str | float = "",
        stock: int | None = None,
        variants: Sequence[Mapping[str, Any]] = (),
        attributes: Sequence[Attribute] | None = None,
        shared_attributes: bool = False,
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Add a product and return its id; `fields` are more of `Product`'s, such as sku, weight, status.

        `stock` None leaves stock unmanaged. With `variants` the product is variable; each may have `options` (such as
        {"Size": "M"}), `price`, `stock` and other fields; a single one without options makes a simple product.
        `attributes` are made from their options if not given; `shared_attributes` makes them the shop's own, whose
        terms can be renamed.
        """
        if len(variants) == 1 and not variants[0].get("options"):
            simple = {"price": price, "stock": stock} | fields | dict(variants[0])
            return self.add_product(title, silent=silent, **simple)
        now, product_id = self.moment(), self.new_id()
        if attributes is None:
            attributes = _attributes(variants, shared=shared_attributes)
        product = Product(
            id=product_id,
            name=title,
            slug=_slug(title),
            type=fields.pop("type", "variable" if variants else "simple"),
            created=now,
            modified=now,
            regular_price=_written(price),
            manage_stock=stock is not None,
            stock_quantity=stock or 0,
            attributes=list(attributes),
            **fields,
        )
        self.put(product)
        self.announce(*self._creation(product), silent=silent)
        for variant in variants:
            self.add_variation(product_id, silent=silent, **variant)
        return product_id

    def add_variation(
        self,
        product_id: int,
        *,
        options: Mapping[str, str] | None = None,
        price: str | float = "",
        stock: int | None = None,
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Add a variation and return its id. Without `stock` its parent's counts, if that is managed."""
        parent, now = self.product(product_id), self.moment()
        variation = Product(
            id=self.new_id(),
            name=", ".join((options or {}).values()),
            slug=_slug(f"{parent.name} {' '.join((options or {}).values())}"),
            type="variation",
            parent_id=product_id,
            created=now,
            modified=now,
            options=dict(options or {}),
            regular_price=_written(price),
            manage_stock=stock is not None,
            stock_quantity=stock or 0,
            **fields,
        )
        self.put(variation)
        self.touch(variation, *self._creation(variation), silent=silent)
        return int(variation.id)

    def update(self, product_id: int, *, silent: bool = False, **fields: Any) -> None:
        """Change fields of a product or variation as the API and the admin page do; also none, which counts as well."""
        product = self.product(product_id)
        events = []
        if fields.get("status") == "publish" and product.status != "publish":
            events.append(Event("product.published", product_id))
        if "stock_quantity" in fields:
            events.append(_stock_set(product))
        for name, value in fields.items():
            setattr(product, name, value)
        # The variations that share a variable product's stock.
        sharing = [each for each in self.variations_of(product_id) if self.stock_keeper(each) is product]
        edited = [product, *(sharing if "stock_quantity" in fields else ())]
        updated = [Event("product.updated", each.id) for each in edited]
        self.touch(product, *events, *updated, silent=silent)

    def set_title(self, product_id: int, title: str, *, silent: bool = False) -> None:
        """Rename a product."""
        self.update(product_id, silent=silent, name=title)

    def set_price(self, product_id: int, price: str | float, *, silent: bool = False) -> None:
        """Set the regular price of a product or variation; "" takes it away."""
        self.update(product_id, silent=silent, regular_price=_written(price))

    def set_weight(self, product_id: int, weight: str | float, *, silent: bool = False) -> None:
        """Weigh a product or variation in the shop's unit; "" takes the weight away."""
        self.update(product_id, silent=silent, weight=_written(weight))

    def set_sku(self, product_id: int, sku: str, *, silent: bool = False) -> None:
        """Give a product or variation another SKU; "" takes it away, and a variation then shows its parent's."""
        self.update(product_id, silent=silent, sku=sku)

    def set_status(self, product_id: int, status: str, *, silent: bool = False) -> None:
        """Give a product or variation another of `STATUSES`."""
        if status not in STATUSES:
            raise ValueError(f"no such status; there are {', '.join(STATUSES)}")
        self.update(product_id, silent=silent, status=status)

    def set_stock(self, product_id: int, level: int, *, silent: bool = False) -> None:
        """Set a stock level and manage it from now on; a variable product's counts for variations without their own.

        Those variations are announced with it, but only the product's date moves (woocommerce-more.md, Products).
        """
        self.update(product_id, silent=silent, manage_stock=True, stock_quantity=level)

    def set_meta(self, product_id: int, key: str, value: Any, *, silent: bool = False) -> None:
        """Write meta data through the API; None takes it away. `unstamped` and `silent` write past it."""
        self.write_meta(self.product(product_id).meta, key, value)
        self.update(product_id, silent=silent)

    def rename_term(self, attribute: str, term: str, shown: str) -> None:
        """Rename a term of one of the shop's attributes: moves no date, announces nothing (woocommerce-more.md)."""
        self.terms.setdefault(attribute, {})[term] = shown

    def delete_variation(self, variation_id: int) -> None:
        """Delete a variation, which is always permanent: announces nothing, but moves its parent's date."""
        parent = self.product(self.product(variation_id).parent_id)
        self.drop(variation_id)
        self.touch(parent, silent=True)

    def trash_product(self, product_id: int, *, silent: bool = False) -> None:
        """Move a product and its variations to the trash; each is announced, as a coupon too (recorded)."""
        for product in (*self.variations_of(product_id), self.product(product_id)):
            product.former_status, product.status = product.status, TRASH
            for key, value in TRASHED:
                self.write_meta(product.meta, key, value)
            self.touch(product, Event("coupon.deleted", product.id), silent=silent)
            self.announce(Event("product.deleted", product.id), silent=silent)

    def restore_product(self, product_id: int, *, by_rest: bool = False, silent: bool = False) -> None:
        """Take a product out of the trash on the admin page, or by REST.

        By REST (PUT of a status) nothing is announced as restored, and the variations stay in the trash. That the
        admin page brings them back is read in WooCommerce's source.
        """
        product = self.product(product_id)
        variations = [] if by_rest else self.variations_of(product_id, trashed=True)
        for each in (*variations, product):
            each.status = each.former_status
            for key, _ in TRASHED:
                self.write_meta(each.meta, key, None)
            events = [Event("product.updated", each.id), *([] if by_rest else [Event("product.restored", each.id)])]
            if each.status == "publish":
                events.insert(0, Event("product.published", each.id))
            self.touch(each, *events, silent=silent)

    def delete_product(self, product_id: int) -> None:
        """Delete a product with its variations permanently: announces nothing (recorded)."""
        if self.product(product_id).parent_id:
            raise ValueError("use delete_variation")
        self.drop(product_id)

    def empty_trash(self) -> None:
        """Delete the products in the trash permanently: announces nothing."""
        for product in list(self.tops.values()):
            if product.status == TRASH:
                self.drop(product.id)

    def trash_blog_post(self) -> int:
        """Trash a blog post and return its id; it is announced as a product and as a coupon (recorded)."""
        post_id = self.new_id()
        self.announce(Event("coupon.deleted", post_id), Event("product.deleted", post_id))
        return post_id

    def update_settings(self, **settings: Any) -> None:
        """Change `currency`, `weight_unit` (kg, g, lbs, oz), `decimals` or `tax_inclusive`.

        Nothing is converted or announced; orders keep their currency.
        """
        for name, value in settings.items():
            setattr(self, name, value)

    def _creation(self, product: Product) -> list[Event]:
        """Return the events of a new product in the recorded order."""
        events = [Event("product.published", product.id)] if product.status == "publish" else []
        return [*events, _stock_set(product), Event("product.created", product.id)]


def _stock_set(product: Product) -> Event:
    kind = "variation" if product.parent_id else "product"
    return Event(f"action.woocommerce_{kind}_set_stock", product.id)


def _attributes(variants: Sequence[Mapping[str, Any]], *, shared: bool) -> list[Attribute]:
    """Return the attributes that the options of the variants make, in the order of their first mention."""
    names: dict[str, list[str]] = {}
    for variant in variants:
        for name, option in variant.get("options", {}).items():
            options = names.setdefault(name, [])
            if option not in options:
                options.append(option)
    return [
        Attribute(name=name, options=options, id=place if shared else 0)
        for place, (name, options) in enumerate(names.items(), start=1)
    ]


def _slug(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())


def _written(value: str | float) -> str:
    """Return a price or weight as a merchant types it."""
    return value if isinstance(value, str) else f"{value:.10g}"
