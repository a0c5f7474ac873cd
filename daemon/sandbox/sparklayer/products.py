"""Products and variants (sparklayer.md section 2).

An external id and a SKU are unique in the whole site. Within one request variants are taken in their order, and a
SKU must be free at that moment, also of discontinued variants: a swap in one request is refused. A request is
carried out whole or not at all. Whether PATCH merges `variants` or replaces them is not documented, so both can be
had: with "replace" a listed variant keeps nothing but its id, and unlisted ones vanish, after the listed ones.
"""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import define, field

from daemon.sandbox.message import Request, Response, json, route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Book, Claims, Detail, Record, now, problem, refuse_prefix

Mode = Literal["merge", "replace"]
PRODUCT, VARIANT = "pp_", "pv_"
"""Prefix of the API's own ids; external ids must not have it."""

UNIQUE = {"rrp": "currency_code", "options": "group", "settings": "customer_group"}
"""Lists of a variant, and what their entries must differ in."""


@define(eq=False, kw_only=True)
class Products(Book):
    """All products of the site, and their routes."""

    mode: Mode
    duplicate_status: int
    products: dict[str, Record] = field(factory=dict, repr=False)
    _ids: dict[str, str] = field(factory=dict, repr=False)
    _variant_ids: dict[str, str] = field(factory=dict, repr=False)
    _skus: dict[str, str] = field(factory=dict, repr=False)
    _owners: dict[str, str] = field(factory=dict, repr=False)

    def find(self, product_id: str) -> Record | None:
        """Return a product by internal or external id."""
        return self.products.get(product_id) or self.products.get(self._ids.get(product_id, ""))

    def remove(self, product_id: str) -> None:
        """Let a person delete a product, with its variants. Raises KeyError for an unknown one."""
        product = self.products.pop(self._ids.get(product_id, product_id))
        gone = {product.id, *(variant.id for variant in product.variants)}
        for index in (self._ids, self._variant_ids, self._skus):
            for key in [key for key, owner in index.items() if owner in gone]:
                del index[key]
        for variant in product.variants:
            del self._owners[variant.id]

    @route("POST", "/api/v1/products")
    def create(self, request: Request) -> Response:
        """Create a product; answers 200 with it."""
        written = decode(request, "createProduct")
        return json(self._write(Record(id=self.new_id(PRODUCT), created_at=now(), variants=[]), written))

    @route("GET", "/api/v1/products/{product_id}")
    def _get(self, _request: Request, product_id: str) -> Response:
        return json(self._existing(product_id))

    @route("PATCH", "/api/v1/products/{product_id}")
    def _update(self, request: Request, product_id: str) -> Response:
        """Change a product and its variants; answers 200 with the product."""
        written = decode(request, "updateProduct")
        return json(self._write(self._existing(product_id), written))

    @route("GET", "/api/v1/variants/{variant_id}")
    def _get_variant(self, _request: Request, variant_id: str) -> Response:
        return json(self._existing_variant(variant_id)[1])

    @route("PATCH", "/api/v1/variants/{variant_id}")
    def _update_variant(self, request: Request, variant_id: str) -> Response:
        """Change the fields sent of one variant; answers 200 with it."""
        written = decode(request, "updateProductVariant")
        product, old = self._existing_variant(variant_id)
        claims = self._claims()
        new = self._draft(product, old, written, claims, "", keep=True)
        product.variants[product.variants.index(old)] = new
        for claim in claims:
            claim.commit()
        self.note(product.external_id or product.id, written)
        return json(new)

    def comparable(self) -> dict[str, Any]:
        """Return products as plain data by external id, without ids and times of the API's own."""
        own = ("id", "product_id", "created_at", "updated_at")
        return {
            product.external_id or product.id: {
                "title": product.title,
                "slug": product.slug,
                "variants": {variant.external_id or variant.id: variant.without(*own) for variant in product.variants},
            }
            for product in self.products.values()
        }

    def _claims(self) -> tuple[Claims, Claims]:
        return Claims(self._variant_ids, self.duplicate_status), Claims(self._skus, self.duplicate_status)

    def _write(self, old: Record, written: Record) -> Record:
        ids, claims = Claims(self._ids, self.duplicate_status), self._claims()
        if written.external_id is not None:
            refuse_prefix(written.external_id, PRODUCT, "external_id")
            ids.move(old.id, old.external_id, written.external_id, "external_id")
        variants = self._variants(old, written, claims)
        for claim in (ids, *claims):
            claim.commit()
        for gone in old.variants:
            del self._owners[gone.id]
        self._owners.update((variant.id, old.id) for variant in variants)
        product = Record(old | written, variants=variants, updated_at=now())
        self.products[product.id] = product
        self.note(product.external_id or product.id, written)
        return product

    def _variants(self, product: Record, written: Record, claims: tuple[Claims, Claims]) -> list[Record]:
        if written.variants is None:
            return list(product.variants)
        known = {variant.external_id: variant for variant in product.variants if variant.external_id}
        listed: dict[str, Record] = {}
        for index, sent in enumerate(written.variants):
            place = f"variants[{index}]."
            new = self._draft(
                product, known.get(sent.get("external_id")), sent, claims, place, keep=self.mode == "merge"
            )
            if new.id in listed:
                words = f"variant {new.external_id} is listed twice"
                raise problem(self.duplicate_status, words, [Detail("duplicate", words, place + "external_id")])
            listed[new.id] = new
        if self.mode == "merge":
            kept = {variant.id: listed.pop(variant.id, variant) for variant in product.variants}
            return [*kept.values(), *listed.values()]
        for vanished in (variant for variant in product.variants if variant.id not in listed):
            for claim, name in zip(claims, ("external_id", "sku"), strict=True):
                claim.release(vanished.id, vanished.get(name))
        return list(listed.values())

    def _draft(
        self,
        product: Record,
        old: Record | None,
        sent: Mapping[str, Any],
        claims: tuple[Claims, Claims],
        place: str,
        *,
        keep: bool,
    ) -> Record:
        """Return the variant as it shall be; `keep` the old values of fields that were not sent."""
        _check_lists(sent, place)
        before = old or Record()
        own = {"id": before.id or self.new_id(VARIANT), "product_id": product.id, "updated_at": now()}
        new = Record({**(before if keep else {}), **sent, **own}, created_at=before.created_at or own["updated_at"])
        for claim, name in zip(claims, ("external_id", "sku"), strict=True):
            claim.move(new.id, before.get(name), new.get(name), place + name)
        refuse_prefix(new.external_id, VARIANT, place + "external_id")
        return new

    def _existing(self, product_id: str) -> Record:
        product = self.find(product_id)
        if product is None:
            raise problem(404, f"There is no product {product_id}")
        return product

    def _existing_variant(self, variant_id: str) -> tuple[Record, Record]:
        own_id = variant_id if variant_id in self._owners else self._variant_ids.get(variant_id, "")
        if own_id not in self._owners:
            raise problem(404, f"There is no variant {variant_id}")
        product = self.products[self._owners[own_id]]
        return product, next(variant for variant in product.variants if variant.id == own_id)


def _check_lists(sent: Mapping[str, Any], place: str) -> None:
    """Refuse entries that repeat what they must differ in."""
    for name, key in UNIQUE.items():
        rows = sent.get(name, ())
        if len({row[key] for row in rows}) < len(rows):
            words = f"one entry per {key}"
            raise problem(400, f"{name}: {words}", [Detail("repeated", words, place + name)])
