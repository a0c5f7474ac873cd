"""Decodes request bodies strictly: unknown fields, wrong types, nulls and broken bounds are refused with 400.

Optional fields are `UNSET` when left out, so that an update can tell "leave it" from a value.
"""

import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request
from daemon.sandbox.sparklayer.problems import Detail, problem

T = TypeVar("T")

Text = Annotated[str, Meta(min_length=1)]
Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
NotNegative = Annotated[float, Meta(ge=0)]


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """Base of everything that is sent to the API."""


class Rrp(Written):
    """A recommended price; the name of the amount is inferred (sparklayer.md section 2)."""

    currency_code: Currency
    price: NotNegative


class Option(Written):
    """What tells a variant from its siblings."""

    group: Text
    value: Text


class Settings(Written, kw_only=True):
    """Order rules of a customer group."""

    customer_group: Text
    pack_size: int | UnsetType | None = UNSET
    reserve_stock_quantity: int | UnsetType | None = UNSET
    min_order_quantity: int | UnsetType | None = UNSET
    max_order_quantity: int | UnsetType | None = UNSET
    min_order_parent_quantity: int | UnsetType | None = UNSET
    max_order_parent_quantity: int | UnsetType | None = UNSET
    display: bool | UnsetType | None = UNSET
    sell: bool | UnsetType | None = UNSET


class VariantWrite(Written, kw_only=True):
    """A variant as it may be written. Ids and times are the API's own, stock goes by its own calls."""

    external_id: Text | UnsetType = UNSET
    sku: Text | UnsetType = UNSET
    weight_in_grams: NotNegative | UnsetType = UNSET
    tax_type: float | UnsetType = UNSET
    position: float | UnsetType = UNSET
    cart_image_url: str | UnsetType = UNSET
    rrp: list[Rrp] | UnsetType = UNSET
    options: list[Option] | UnsetType = UNSET
    status: Literal["pending", "discontinued", "suspended", "live"] | UnsetType = UNSET
    settings: list[Settings] | UnsetType = UNSET


class ProductWrite(Written, kw_only=True):
    """A product as it may be written."""

    external_id: Text | UnsetType = UNSET
    title: Text | UnsetType = UNSET
    slug: Text | UnsetType = UNSET
    variants: list[VariantWrite] | UnsetType = UNSET


def decode(request: Request, shape: type[T]) -> T:
    """Return the body as `shape`. Raises Refused: 415 for another media type, 400 for another content."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise problem(415, "The body must be application/json")
    try:
        return msgspec.json.decode(request.body, type=shape)
    except msgspec.DecodeError as error:
        words, place = explain(error)
        raise problem(400, words, [Detail("invalid", words, place)]) from None


def decode_some(request: Request, shape: type[list[T]]) -> list[T]:
    """Return the body as a list of at least one entry. Raises Refused as `decode` does."""
    rows = decode(request, shape)
    if not rows:
        raise problem(400, "at least one entry is required")
    return rows


def explain(error: msgspec.DecodeError) -> tuple[str, str]:
    """Return the message of a decoding error, and the path to the place such as `[3].sku`, also of a missing one."""
    words, _, path = str(error).partition(" - at `$")
    named = re.search(r"(?:unknown|missing required) field `(.*)`", words)
    place = path.rstrip("`") + (f".{named[1]}" if named else "")
    return words, place.removeprefix(".")
