"""Products with their variants (sparklayer.md section 2).

Every write lists all variants, vanished ones as `discontinued`. So it is right if SparkLayer's PATCH merges `variants`,
and also if it replaces them. The API has no deletion: a product is removed by discontinuing every variant.

The names of a customer group's rules are inferred: they are those of SparkLayer's metafields for other platforms.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import asdict, field, frozen

from daemon.entities import Status, Variant
from daemon.errors import Missing, Retry
from daemon.model import ExternalId, Lane, Sku, VariantId
from daemon.sparklayer.client import Client, encode_json, replaced, without_none
from daemon.sparklayer.inferred import CLEARED_OF_VARIANT, PRODUCT_BY_EXTERNAL_ID, RRP_AMOUNT
from daemon.sparklayer.operation import PRODUCT as CONTROL
from daemon.sparklayer.operation import About, Operation
from daemon.transport.second_answer import confirmed

PRODUCT = CONTROL.answers
CREATE = Operation(
    name="createProduct",
    method="POST",
    answers=PRODUCT,
    control=CONTROL,
    names_nothing=True,
    keyed=True,
    concurrent=True,
    about=About.BODY,
)
UPDATE = Operation(
    name="updateProduct",
    method="PATCH",
    answers=PRODUCT,
    control=CONTROL,
    keyed=True,
    concurrent=True,
    about=About.PATH,
)
GET = Operation(name="getProduct", method="GET", answers=PRODUCT, control=CONTROL, about=About.PATH)
PATH = "/api/v1/products"

EXTRAS = frozenset({"rrp", "settings"})
"""Fields of a variant that most stores never use; they are sent only if needed."""

GIVEN_BY_SPARKLAYER = frozenset({"id", "product_id", "created_at", "updated_at", "stock"})
"""Read-only fields of a variant; stock has its own calls."""


@frozen(kw_only=True)
class ProductWrite:
    """A write of a product; a `title` or `slug` of None stays unchanged (creating needs both).

    `cleared` names the `EXTRAS` to send as explicitly empty for a variant without them, since SparkLayer may hold them
    from an earlier write. `vanished` has the variants that the store no longer has, with their SKUs. Variants that are
    `kept`, and unreadable fields of variants, are sent back as they are.
    """

    external_id: ExternalId
    title: str | None
    slug: str | None
    variants: tuple[Variant, ...]
    vanished: Mapping[VariantId, Sku] = field(factory=dict)
    cleared: frozenset[str] = frozenset()
    kept: frozenset[VariantId] = frozenset()


Held = Mapping[str, Mapping[str, Any]]
"""The variants of a product in SparkLayer by external id."""


class Products:
    """Writes products of one site."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, write: ProductWrite, lane: Lane) -> None:
        """POST a product. Raises Duplicate if its external id, or a variant's id or SKU, is taken."""
        await self._client.call(CREATE, PATH, lane, encode(write, clearing=False))

    async def update(self, write: ProductWrite, lane: Lane) -> None:
        """PATCH a product by its external id; parts that are sent back are read directly before (`replaced`).

        Raises Missing if there is no such product, Duplicate if a SKU is taken.
        """
        path = _path(write.external_id)

        async def update(held: Held, before: float) -> None:
            await self._client.call(UPDATE, path, lane, encode(write, held), before)

        if write.kept or any(variant.unreadable for variant in write.variants):
            await replaced(partial(self._held_for, write, lane), update)
        else:
            await self._client.call(UPDATE, path, lane, encode(write))

    async def variants_of(self, external_id: ExternalId, lane: Lane) -> dict[VariantId, Sku]:
        """Return the SKUs of the variants that SparkLayer holds of a product, so that unknown ones can be adopted.

        Raises Missing.

        Variants without an external id or a SKU were not created by an integration and are left out.
        """
        return {
            VariantId(held["external_id"]): Sku(held["sku"])
            for held in await self._held(external_id, lane)
            if held.get("external_id") and held.get("sku")
        }

    async def _held_for(self, write: ProductWrite, lane: Lane) -> Held:
        """Return the variants that SparkLayer holds. A missing product counts only after two answers.

        Raises Retry if SparkLayer does not show all variants that are kept. If PATCH replaces `variants`, a write
        without one would remove it, which no one has allowed.
        """

        async def read() -> list[dict[str, Any]]:
            try:
                return await self._held(write.external_id, lane)
            except Missing:
                return []

        held = {one["external_id"]: one for one in await confirmed(read, bool) if one.get("external_id")}
        if not write.kept <= held.keys():
            raise Retry("SparkLayer does not show all variants that must stay unchanged", reason="unreadable")
        return held

    async def _held(self, external_id: ExternalId, lane: Lane) -> list[dict[str, Any]]:
        """Return the variants of a product. Raises Missing, and Retry for another or an incomplete product."""

        def is_asked_for(product: _Product) -> bool:
            return product.external_id == external_id and product.variants is not None

        product = await self._client.read_whole(GET, _path(external_id), lane, _Product, is_asked_for)
        variants: list[dict[str, Any]] = product["variants"]
        return variants


class _Variant(msgspec.Struct):
    external_id: str | None = None
    sku: str | None = None


class _Product(msgspec.Struct):
    external_id: str | None = None
    variants: list[_Variant] | None = None


def encode(write: ProductWrite, held: Held | None = None, *, clearing: bool = True) -> bytes:
    """Return the JSON of a product write, without fields that are None and with decimals as numbers.

    `held` has the variants with parts that are sent back.

    With `clearing`, a variant without a picture, a weight or a field of `write.cleared` sends an explicitly empty
    value. A new product has nothing to clear.
    """
    content: dict[str, Any] = {"external_id": write.external_id, "title": write.title, "slug": write.slug}
    said = (CLEARED_OF_VARIANT.keys() - EXTRAS) | write.cleared if clearing else frozenset[str]()
    nothing = {name: empty for name, empty in CLEARED_OF_VARIANT.items() if name in said}
    held = held or {}
    live = []
    for variant in write.variants:
        body = {**nothing, **_variant(variant)}
        if (there := held.get(variant.external_id)) is not None:
            # Its unreadable fields keep SparkLayer's own values.
            body = {name: value for name, value in body.items() if name not in variant.unreadable}
            body |= {name: there[name] for name in variant.unreadable if there.get(name) is not None}
        live.append(body)
    kept = [
        {name: value for name, value in variant.items() if name not in GIVEN_BY_SPARKLAYER}
        for key, variant in held.items()
        if key in write.kept
    ]
    vanished = [
        {"external_id": variant, "sku": sku, "status": Status.DISCONTINUED.value}
        for variant, sku in write.vanished.items()
    ]
    content["variants"] = [*live, *kept, *vanished]
    return encode_json(without_none(content))


def _variant(variant: Variant) -> dict[str, Any]:
    return without_none(
        {
            "external_id": variant.external_id,
            "sku": variant.sku,
            "status": variant.status.value,
            "position": variant.position,
            "weight_in_grams": variant.weight_in_grams,
            "cart_image_url": variant.cart_image_url,
            "options": [{"group": option.group, "value": option.value} for option in variant.options],
            "rrp": [{"currency_code": variant.rrp.currency, RRP_AMOUNT: variant.rrp.amount}] if variant.rrp else None,
            "settings": [without_none(asdict(rules)) for rules in variant.settings] or None,
        }
    )


def _path(external_id: ExternalId) -> str:
    return PRODUCT_BY_EXTERNAL_ID.format(quote(external_id, safe=""))
