"""Products and variants (sparklayer.md section 2).

An external id and a SKU are unique in the whole site. Within one request variants are taken in their order, and a
SKU must be free at that moment, also of discontinued variants: a swap in one request is refused. A request is
carried out whole or not at all. Whether PATCH merges `variants` or replaces them is not documented, so both can be
had: with "replace" a listed variant keeps nothing but its id, and unlisted ones vanish, after the listed ones.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from attrs import define, field
from msgspec import UNSET, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import ProductWrite, VariantWrite, decode
from daemon.sandbox.sparklayer.claims import Claims
from daemon.sandbox.sparklayer.problems import Detail, problem

Mode = Literal["merge", "replace"]
PRODUCT, VARIANT = "pp_", "pv_"
"""What the API's own ids begin with, and external ids must not."""


class Variant(VariantWrite, kw_only=True):
    """A variant as it is stored and answered."""

    id: str
    product_id: str
    created_at: str
    updated_at: str


class Product(msgspec.Struct, kw_only=True):
    """A product as it is stored and answered."""

    id: str
    external_id: str | UnsetType = UNSET
    title: str
    slug: str
    created_at: str
    updated_at: str
    variants: list[Variant]


@define(eq=False, kw_only=True)
class Products:
    """All products of the site, and their routes.

    `writes` counts what was carried out; `journal` has the bodies by external id, where they are kept.
    """

    mode: Mode
    duplicate_status: int
    keep_journal: bool
    products: dict[str, Product] = field(factory=dict, repr=False)
    writes: int = 0
    journal: dict[str, list[Mapping[str, Any]]] = field(factory=dict, repr=False)
    _ids: dict[str, str] = field(factory=dict, repr=False)
    _variant_ids: dict[str, str] = field(factory=dict, repr=False)
    _skus: dict[str, str] = field(factory=dict, repr=False)
    _owners: dict[str, str] = field(factory=dict, repr=False)
    _last: int = 0

    def route(self, router: Router) -> None:
        """Add the routes."""
        router.add("POST", "/api/v1/products", self.create)
        router.add("GET", "/api/v1/products/{product_id}", self.get)
        router.add("PATCH", "/api/v1/products/{product_id}", self.update)
        router.add("GET", "/api/v1/variants/{variant_id}", self.get_variant)
        router.add("PATCH", "/api/v1/variants/{variant_id}", self.update_variant)

    def find(self, product_id: str) -> Product | None:
        """Return a product by internal or external id."""
        return self.products.get(product_id) or self.products.get(self._ids.get(product_id, ""))

    def create(self, request: Request) -> Response:
        """Create a product; answers 200 with it."""
        written = decode(request, ProductWrite)
        title, slug = written.title, written.slug
        if title is UNSET or slug is UNSET:
            missing = "title" if title is UNSET else "slug"
            raise problem(400, f"{missing} is required", [Detail("required", "is required", missing)])
        now, own_id = _now(), self._new_id(PRODUCT)
        blank = Product(id=own_id, title=title, slug=slug, created_at=now, updated_at=now, variants=[])
        return json(self._write(blank, written, request))

    def get(self, _request: Request, product_id: str) -> Response:
        """Answer a product."""
        return json(self._existing(product_id))

    def update(self, request: Request, product_id: str) -> Response:
        """Change a product and its variants; answers 200 with the product."""
        written = decode(request, ProductWrite)
        return json(self._write(self._existing(product_id), written, request))

    def get_variant(self, _request: Request, variant_id: str) -> Response:
        """Answer a variant."""
        return json(self._existing_variant(variant_id)[1])

    def update_variant(self, request: Request, variant_id: str) -> Response:
        """Change the fields sent of one variant; answers 200 with it."""
        written = decode(request, VariantWrite)
        product, old = self._existing_variant(variant_id)
        claims = Claims(self._variant_ids), Claims(self._skus)
        new = self._draft(product, old, written, claims, "", keep=True)
        product.variants[product.variants.index(old)] = new
        _commit(*claims)
        self._record(request, product)
        return json(new)

    def _write(self, old: Product, written: ProductWrite, request: Request) -> Product:
        ids, claims = Claims(self._ids), (Claims(self._variant_ids), Claims(self._skus))
        if written.external_id is not UNSET:
            _refuse_prefix(written.external_id, PRODUCT, "external_id")
            self._move(ids, old.id, old.external_id, written.external_id, "external_id")
        variants = self._variants(old, written, claims)
        _commit(ids, *claims)
        for gone in old.variants:
            del self._owners[gone.id]
        self._owners.update((variant.id, old.id) for variant in variants)
        product = msgspec.structs.replace(
            old, **_given(written, ("external_id", "title", "slug")), variants=variants, updated_at=_now()
        )
        self.products[product.id] = product
        self._record(request, product)
        return product

    def _variants(self, product: Product, written: ProductWrite, claims: tuple[Claims, Claims]) -> list[Variant]:
        if written.variants is UNSET:
            return product.variants
        known = {variant.external_id: variant for variant in product.variants if variant.external_id}
        listed: dict[str, Variant] = {}
        for index, sent in enumerate(written.variants):
            place = f"variants[{index}]."
            old = known.get(sent.external_id) if sent.external_id else None
            new = self._draft(product, old, sent, claims, place, keep=self.mode == "merge")
            if new.id in listed:
                raise self._duplicate(f"variant {sent.external_id} is listed twice", place + "external_id")
            listed[new.id] = new
        if self.mode == "merge":
            kept = {variant.id: listed.pop(variant.id, variant) for variant in product.variants}
            return [*kept.values(), *listed.values()]
        for vanished in (variant for variant in product.variants if variant.id not in listed):
            claims[0].release(vanished.id, vanished.external_id)
            claims[1].release(vanished.id, vanished.sku)
        return list(listed.values())

    def _draft(
        self,
        product: Product,
        old: Variant | None,
        sent: VariantWrite,
        claims: tuple[Claims, Claims],
        place: str,
        *,
        keep: bool,
    ) -> Variant:
        """Return the variant as it shall be; `keep` the old values of fields that were not sent."""
        _check_groups(sent, place)
        own_id, now = old.id if old else self._new_id(VARIANT), _now()
        fields = _given(old, VariantWrite.__struct_fields__) if old and keep else {}
        fields |= _given(sent, VariantWrite.__struct_fields__)
        for claim, name in zip(claims, ("external_id", "sku"), strict=True):
            before = getattr(old, name) if old else UNSET
            self._move(claim, own_id, before, fields.get(name, UNSET), place + name)
        if "external_id" in fields:
            _refuse_prefix(fields["external_id"], VARIANT, place + "external_id")
        created = old.created_at if old else now
        return Variant(id=own_id, product_id=product.id, created_at=created, updated_at=now, **fields)

    def _move(self, claims: Claims, owner: str, old: str | UnsetType, new: str | UnsetType, place: str) -> None:
        if not claims.move(owner, old, new):
            raise self._duplicate(f"{place.rpartition('.')[2]} {new} is already in use", place)

    def _duplicate(self, words: str, place: str) -> Exception:
        return problem(self.duplicate_status, words, [Detail("duplicate", words, place)])

    def _existing(self, product_id: str) -> Product:
        product = self.find(product_id)
        if product is None:
            raise problem(404, f"There is no product {product_id}")
        return product

    def _existing_variant(self, variant_id: str) -> tuple[Product, Variant]:
        own_id = variant_id if variant_id in self._owners else self._variant_ids.get(variant_id, "")
        if own_id not in self._owners:
            raise problem(404, f"There is no variant {variant_id}")
        product = self.products[self._owners[own_id]]
        return product, next(variant for variant in product.variants if variant.id == own_id)

    def _new_id(self, prefix: str) -> str:
        self._last += 1
        return f"{prefix}{self._last}"

    def _record(self, request: Request, product: Product) -> None:
        self.writes += 1
        if self.keep_journal:
            key = product.external_id or product.id
            self.journal.setdefault(key, []).append(msgspec.json.decode(request.body))


def _given(value: msgspec.Struct, names: Iterable[str]) -> dict[str, Any]:
    return {name: given for name in names if (given := getattr(value, name)) is not UNSET}


def _commit(*claims: Claims) -> None:
    for claim in claims:
        claim.commit()


def _refuse_prefix(external_id: str, prefix: str, place: str) -> None:
    if external_id.startswith(prefix):
        words = f"must not begin with {prefix}"
        raise problem(400, f"external_id {words}", [Detail("invalid", words, place)])


def _check_groups(sent: VariantWrite, place: str) -> None:
    """One price per currency, one option per group, one set of rules per customer group."""
    for name, key in (("rrp", "currency_code"), ("options", "group"), ("settings", "customer_group")):
        rows = getattr(sent, name) or ()
        if len({getattr(row, key) for row in rows}) < len(rows):
            words = f"one entry per {key}"
            raise problem(400, f"{name}: {words}", [Detail("repeated", words, place + name)])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
