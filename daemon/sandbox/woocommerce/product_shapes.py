"""Products and variations as the REST API shows them: inheritance, sums over variations, local dates.

Field names, order and types are the recordings'. A variation has two shapes: of its own below its product, and that
of a product through `/products/<id>` and in webhooks. A variation has no image: no recorded
one has.
"""

from datetime import datetime
from typing import Any

from daemon.sandbox.woocommerce.answers import item_links, symbol
from daemon.sandbox.woocommerce.catalogue import TRASH, Catalogue, Meta, Moment, Product

UNCATEGORIZED = 15
_NO_SALE = dict.fromkeys(
    ("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt"),
)


def dated(catalogue: Catalogue, name: str, gmt: datetime | None) -> dict[str, str | None]:
    """Return a date as the API shows it twice; its local form follows the site's present zone."""
    if gmt is None:
        return {name: None, f"{name}_gmt": None}
    return {name: catalogue.local(gmt).isoformat(), f"{name}_gmt": gmt.isoformat()}


def dates(catalogue: Catalogue, created: Moment, modified: Moment) -> dict[str, str | None]:
    """Return both dates of an object."""
    return dated(catalogue, "date_created", created.gmt) | dated(catalogue, "date_modified", modified.gmt)


def meta_rows(rows: list[Meta]) -> list[dict[str, Any]]:
    """Return meta data as shown."""
    return [{"id": row.id, "key": row.key, "value": row.value} for row in rows]


def price(catalogue: Catalogue, product: Product) -> str:
    """Return the price in force; a variable product's is the least of its variations."""
    if product.type != "variable":
        return product.price
    prices = [each.price for each in _sold(catalogue, product) if each.price]
    return min(prices, key=float, default="")


def stock(catalogue: Catalogue, product: Product) -> dict[str, Any]:
    """Return the fields about stock; a variation without its own shows its parent's, managed by `parent`."""
    keeper = catalogue.stock_keeper(product)
    if keeper is None:
        managed: bool | str = False
        status = product.stock_status
        if product.type == "variable":
            levels = [stock(catalogue, each)["stock_status"] for each in _sold(catalogue, product)]
            status = "instock" if "instock" in levels else "outofstock"
    else:
        managed = True if keeper is product else "parent"
        empty = "outofstock" if keeper.backorders == "no" else "onbackorder"
        status = "instock" if keeper.stock_quantity > 0 else empty
    return {
        "manage_stock": managed,
        "stock_quantity": keeper.stock_quantity if keeper else None,
        "stock_status": status,
        "backorders": product.backorders,
        "backorders_allowed": product.backorders != "no",
        "backordered": status == "onbackorder",
        "low_stock_amount": None,
    }


def own(catalogue: Catalogue, product: Product, name: str) -> str:
    """Return a text of a product; an empty one of a variation is its parent's."""
    parent = catalogue.products.get(product.parent_id)
    value: str = getattr(product, name)
    return value or (getattr(parent, name) if parent else "")


def product_shape(catalogue: Catalogue, product: Product) -> dict[str, Any]:
    """Return a product, or a variation in a product's shape."""
    variation = bool(product.parent_id)
    amount = price(catalogue, product)
    parent = catalogue.products.get(product.parent_id)
    return {
        "id": product.id,
        "name": f"{parent.name} - {product.name}" if parent else product.name,
        "slug": f"{product.slug}__trashed" if product.status == TRASH else product.slug,
        "permalink": _permalink(catalogue, product),
        **dates(catalogue, product.created, product.modified),
        "type": product.type,
        "status": product.status,
        "featured": False,
        "catalog_visibility": "visible",
        "description": product.description,
        "short_description": "",
        "sku": own(catalogue, product, "sku"),
        **_prices(catalogue, product, amount),
        # For a key that may edit products, drafts count as purchasable; no price does not.
        "purchasable": amount != "" and product.type not in {"grouped", "external"},
        "total_sales": "0" if variation else 0,
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        **stock(catalogue, product),
        "sold_individually": False,
        "weight": own(catalogue, product, "weight"),
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_required": True,
        "shipping_taxable": True,
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": not variation,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": product.parent_id,
        "purchase_note": "",
        "categories": [] if variation else [_category(product)],
        "brands": [],
        "tags": [],
        "images": [_image(catalogue, product, *product.image)] if product.image else [],
        "attributes": _options(catalogue, product) if variation else _attributes(catalogue, product),
        "default_attributes": [],
        "variations": [each.id for each in catalogue.variations_of(product.id)],
        "grouped_products": [],
        "menu_order": product.menu_order,
        "price_html": _price_html(catalogue, amount),
        "related_ids": [],
        "meta_data": meta_rows(product.meta),
        "has_options": product.type == "variable",
        "post_password": "",
        "global_unique_id": "",
        **item_links(catalogue.home, f"products/{product.id}", up=variation and f"products/{product.parent_id}"),
    }


def variation_shape(catalogue: Catalogue, variation: Product) -> dict[str, Any]:
    """Return a variation in its own shape."""
    amount = variation.price
    return {
        "id": variation.id,
        "type": "variation",
        **dates(catalogue, variation.created, variation.modified),
        "description": variation.description,
        "permalink": _permalink(catalogue, variation),
        "sku": own(catalogue, variation, "sku"),
        "global_unique_id": "",
        **_prices(catalogue, variation, amount),
        "status": variation.status,
        "purchasable": amount != "" and variation.status == "publish",
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "tax_status": "taxable",
        "tax_class": "",
        **stock(catalogue, variation),
        "weight": own(catalogue, variation, "weight"),
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_class": "",
        "shipping_class_id": 0,
        "image": None,
        "gallery_image_ids": [],
        "attributes": _options(catalogue, variation),
        "menu_order": variation.menu_order,
        "meta_data": meta_rows(variation.meta),
        "name": variation.name,
        "parent_id": variation.parent_id,
        **item_links(
            catalogue.home,
            f"products/{variation.parent_id}/variations/{variation.id}",
            up=f"products/{variation.parent_id}",
        ),
    }


def _prices(catalogue: Catalogue, product: Product, amount: str) -> dict[str, Any]:
    regular = "" if product.type == "variable" else product.regular_price
    sold = [product, *_sold(catalogue, product)]
    return {
        "price": amount,
        "regular_price": regular,
        "sale_price": product.sale_price,
        **_NO_SALE,
        "on_sale": any(each.sale_price for each in sold),
    }


def _sold(catalogue: Catalogue, product: Product) -> list[Product]:
    return [each for each in catalogue.variations_of(product.id) if each.status == "publish"]


def _image(catalogue: Catalogue, product: Product, image_id: int, src: str) -> dict[str, Any]:
    return {
        "id": image_id,
        **dates(catalogue, product.created, product.created),
        "src": src,
        "name": src.rpartition("/")[2],
        "alt": "",
        "srcset": f"{src} 320w",
        "sizes": "(max-width: 320px) 100vw, 320px",
        "thumbnail": src,
    }


def _attributes(catalogue: Catalogue, product: Product) -> list[dict[str, Any]]:
    return [
        {
            "id": attribute.id,
            "name": attribute.name,
            "slug": attribute.slug(of_variation=False),
            "position": position,
            "visible": attribute.visible,
            "variation": attribute.variation,
            "options": [_term(catalogue, attribute.id, attribute.name, option) for option in attribute.options],
        }
        for position, attribute in enumerate(product.attributes)
    ]


def _options(catalogue: Catalogue, variation: Product) -> list[dict[str, Any]]:
    known = {attribute.name: attribute for attribute in catalogue.product(variation.parent_id).attributes}
    return [
        {
            "id": known[name].id,
            "name": name,
            "slug": known[name].slug(of_variation=True),
            "option": _term(catalogue, known[name].id, name, option),
        }
        for name, option in variation.options.items()
        if name in known
    ]


def _term(catalogue: Catalogue, attribute_id: int, name: str, option: str) -> str:
    return catalogue.terms.get(name, {}).get(option, option) if attribute_id else option


def _category(product: Product) -> dict[str, Any]:
    name = product.category or "Uncategorized"
    slug = name.lower().replace(" ", "-")
    # A number of the name's own, so that one category has one id wherever it stands.
    number = UNCATEGORIZED if not product.category else UNCATEGORIZED + 1 + sum(name.encode()) % 9_000
    return {"id": number, "name": name, "slug": slug}


def _permalink(catalogue: Catalogue, product: Product) -> str:
    if product.status == TRASH:
        return f"{catalogue.home}/?post_type=product&p={product.id}"
    if not product.parent_id:
        return f"{catalogue.home}/product/{product.slug}/"
    options = "&".join(f"attribute_{name.lower()}={option}" for name, option in product.options.items())
    return f"{catalogue.home}/product/{catalogue.product(product.parent_id).slug}/?{options}"


def _price_html(catalogue: Catalogue, amount: str) -> str:
    if not amount:
        return ""
    currency = f'<span class="woocommerce-Price-currencySymbol" translate="no">{symbol(catalogue.currency)[2]}</span>'
    shown = f"{float(amount):.{catalogue.decimals}f}"
    return f'<span class="woocommerce-Price-amount amount"><bdi>{currency}{shown}</bdi></span>'
