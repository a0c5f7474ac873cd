"""Every edit a merchant makes to a BigCommerce store.

An edit changes the state at once, moves `date_modified` and announces events. With `silent=True` nothing is
announced: a webhook that got lost. Within `unstamped()` not even `date_modified` moves: BigCommerce changes some
things without telling anyone (bigcommerce.md section 3). A SKU may stand on two variants, as in real stores.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define, field

from daemon.sandbox.bigcommerce import events
from daemon.sandbox.bigcommerce.catalogue import MAIN_LOCATION, Catalogue
from daemon.sandbox.bigcommerce.customer_book import CustomerBook
from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.bigcommerce.metafield_book import MetafieldBook
from daemon.sandbox.bigcommerce.order_book import OrderBook
from daemon.sandbox.bigcommerce.records import CustomUrl, Entry, Number, OptionValue, Product, Variant, number


@define(eq=False, kw_only=True)
class Store(Catalogue):
    """The store, with the edits of its products and settings as methods; its other parts have their own."""

    customers: CustomerBook = field(init=False, default=Factory(CustomerBook, takes_self=True), repr=False)
    metafields: MetafieldBook = field(init=False, default=Factory(MetafieldBook, takes_self=True), repr=False)
    orders: OrderBook = field(
        init=False,
        default=Factory(lambda self: OrderBook(self, self.customers, self.metafields), takes_self=True),
        repr=False,
    )

    def set_title(self, product_id: int, title: str, *, silent: bool = False) -> None:
        """Rename a product."""
        self._edit(product_id, silent=silent, name=title)

    def set_visible(self, product_id: int, *, visible: bool, silent: bool = False) -> None:
        """Show or hide a product in the shop."""
        self._edit(product_id, silent=silent, is_visible=visible)

    def set_availability(self, product_id: int, availability: str, *, silent: bool = False) -> None:
        """Make a product `available`, `disabled` or `preorder`."""
        self._edit(product_id, silent=silent, availability=availability)

    def set_tracking(self, product_id: int, tracking: str, *, silent: bool = False) -> None:
        """Track stock by `product`, by `variant` or not at all (`none`)."""
        self._edit(product_id, silent=silent, inventory_tracking=tracking)

    def set_price(
        self, product_id: int, price: Number | None, variant_id: int | None = None, *, silent: bool = False
    ) -> None:
        """Price a product, or one of its variants (None: as the product), in the store's currency."""
        self._set_amount("price", product_id, price, variant_id, silent=silent)

    def set_weight(
        self, product_id: int, weight: Number | None, variant_id: int | None = None, *, silent: bool = False
    ) -> None:
        """Weigh a product, or one of its variants (None: as the product), in the store's unit."""
        self._set_amount("weight", product_id, weight, variant_id, silent=silent)

    def add_product(
        self,
        title: str,
        *,
        price: Number = 0,
        weight: Number = 0,
        tracking: str | None = None,
        variants: Sequence[Mapping[str, Any]] = ({},),
        silent: bool = False,
        **fields: Any,
    ) -> int:
        """Add a product and return its id; `fields` are more of `Product`'s.

        Each of `variants` may have `sku`, `options` (such as {"Size": "M"}), `price`, `weight`, `stock` and others of
        `Variant`'s fields. A single one without options makes a simple product, tracked as a whole; others are tracked
        by variant.
        """
        now, product_id = self.stamp(), fields.pop("id", None) or self.new_id()
        simple = len(variants) == 1 and not variants[0].get("options")
        entry = Entry(
            Product(
                id=product_id,
                name=title,
                custom_url=CustomUrl(f"/{title.lower().replace(' ', '-')}-{product_id}/"),
                date_created=now,
                date_modified=now,
                price=number(price),
                weight=number(weight),
                inventory_tracking=tracking or ("product" if simple else "variant"),
                **fields,
            )
        )
        for variant in variants:
            entry.variants.append(self._new_variant(entry, simple=simple, **variant))
        if simple:
            entry.product.base_variant_id = entry.variants[0].id
        self.put(entry)
        self.announce(
            events.product("created", product_id),
            *(event for variant in entry.variants for event in events.sku("created", variant)),
            silent=silent,
        )
        return product_id

    def delete_product(self, product_id: int, *, silent: bool = False) -> None:
        """Delete a product and its variants."""
        entry = self.entries.pop(product_id)
        self.ids.remove(product_id)
        self.metafields.forget("product", product_id)
        for variant in entry.variants:
            self._forget(variant)
        self.announce(events.product("deleted", product_id), silent=silent)

    def set_sku(self, variant_id: int, sku: str, *, silent: bool = False) -> None:
        """Give a variant another SKU; an empty one takes it away."""
        variant = self.variant(variant_id)
        variant.sku = sku
        self._touch(
            variant.product_id,
            *events.sku("updated", variant),
            events.product("updated", variant.product_id),
            silent=silent,
        )

    def move_sku(self, source: int, target: int, *, silent: bool = False) -> None:
        """Take the SKU from variant `source`, which keeps none, and give it to variant `target`."""
        sku = self.variant(source).sku
        self.set_sku(source, "", silent=silent)
        self.set_sku(target, sku, silent=silent)

    def set_purchasing_disabled(self, variant_id: int, *, disabled: bool, silent: bool = False) -> None:
        """Forbid or allow the sale of a variant."""
        variant = self.variant(variant_id)
        variant.purchasing_disabled = disabled
        self._touch(variant.product_id, *_about(variant), silent=silent)

    def set_stock(self, variant_id: int, level: int, location_id: int = MAIN_LOCATION, *, silent: bool = False) -> None:
        """Set what a variant has available to sell at a location. Catalogue reads show the main location."""
        variant = self.variant(variant_id)
        if location_id == MAIN_LOCATION:
            variant.inventory_level = level
        else:
            self.elsewhere[variant_id, location_id] = level
        entry = self.entries[variant.product_id]
        self._touch(variant.product_id, *events.stock(entry, variant, location_id), silent=silent)

    def add_variant(self, product_id: int, *, silent: bool = False, **fields: Any) -> int:
        """Add a variant, fields as in `add_product`, to a product with options; return its id."""
        entry = self.entries[product_id]
        if entry.simple:
            raise ValueError("a simple product has no options to tell variants apart")
        variant = self._new_variant(entry, simple=False, **fields)
        entry.variants.append(variant)
        self._owners[variant.id] = product_id
        created = (*events.sku("created", variant), events.product("updated", product_id))
        self._touch(product_id, *created, silent=silent)
        return int(variant.id)

    def delete_variant(self, variant_id: int, *, silent: bool = False) -> None:
        """Delete a variant of a product with options."""
        variant = self.variant(variant_id)
        entry = self.entries[variant.product_id]
        if entry.simple:
            raise ValueError("the base variant goes with its product")
        entry.variants.remove(variant)
        self._forget(variant)
        self._touch(
            variant.product_id,
            *events.sku("deleted", variant),
            events.product("updated", variant.product_id),
            silent=silent,
        )

    def update_settings(self, *, silent: bool = False, **settings: Any) -> None:
        """Change `currency`, `weight_unit` (LBS, Ounces, KGS, Grams, Tonnes) or `tax_inclusive`; numbers stay."""
        for name, value in settings.items():
            setattr(self, name, value)
        self.announce(Event("store/information/updated", {"type": "store"}), silent=silent)

    def _forget(self, variant: Variant) -> None:
        del self._owners[variant.id]
        self.metafields.forget("variant", variant.id)

    def _edit(self, product_id: int, *, silent: bool, **fields: Any) -> None:
        product = self.entries[product_id].product
        for name, value in fields.items():
            setattr(product, name, value)
        self._touch(product_id, events.product("updated", product_id), silent=silent)

    def _set_amount(
        self, name: str, product_id: int, value: Number | None, variant_id: int | None, *, silent: bool
    ) -> None:
        amount = None if value is None else number(value)
        if variant_id is None:
            self._edit(product_id, silent=silent, **{name: amount or 0})
            return
        variant = self.variant(variant_id)
        setattr(variant, name, amount)
        self._touch(product_id, *_about(variant), silent=silent)

    def _new_variant(
        self,
        entry: Entry,
        *,
        simple: bool,
        sku: str = "",
        options: Mapping[str, str] | None = None,
        price: Number | None = None,
        weight: Number | None = None,
        stock: int = 0,
        **fields: Any,
    ) -> Variant:
        return Variant(
            id=self.new_id(),
            product_id=entry.product.id,
            sku=sku,
            sku_id=None if simple else self.new_id(),
            price=price if price is None else number(price),
            weight=weight if weight is None else number(weight),
            inventory_level=stock,
            option_values=tuple(self._option(entry, name, label) for name, label in (options or {}).items()),
            **fields,
        )

    def _option(self, entry: Entry, name: str, label: str) -> OptionValue:
        known: list[OptionValue] = [value for variant in entry.variants for value in variant.option_values]
        for value in known:
            if (value.option_display_name, value.label) == (name, label):
                return value
        option_id = next((v.option_id for v in known if v.option_display_name == name), None)
        return OptionValue(self.new_id(), label, option_id or self.new_id(), name)


def _about(variant: Variant) -> tuple[Event, ...]:
    """Return what announces a small edit of `variant`: its SKU, or for a base variant its product."""
    return events.sku("updated", variant) or (events.product("updated", variant.product_id),)
