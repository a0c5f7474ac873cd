"""The settings of one store, `[connections.bigcommerce]`, and the check of the public URL for its webhooks.

Every value can be used as it is: the store hash in a path, the tokens in a header. An invalid one is refused with one
line that names the field and never quotes a secret. The code that knows the connection's `allow_http` decides if
`api_url` must be https; the field's metadata marks it as a URL.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen, validators

from daemon.model import Secret
from daemon.model.hosts import is_inside
from daemon.model.identifiers import header_fault, trimmed, without_slash

HTTPS_PORT = 443

_HASH = re.compile(r"[A-Za-z0-9_-]{1,64}")

CART_ID = "cart_id"
"""Name of the group in `order_staff_notes_pattern`, if the pattern has several."""


def _is_store_hash(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not _HASH.fullmatch(value):
        raise ValueError(f"{attribute.name}: must be the short id in the store's API path, such as stores/abc123")


def store_id(text: str) -> str:
    """Return the one spelling of a store's hash. Raises ValueError for a text that is none."""
    spelt = trimmed(text)
    if not _HASH.fullmatch(spelt):
        raise ValueError("must be the store's hash, the short id in the path of its API, such as abc123")
    return spelt


def fits_a_header(_: object, attribute: "Attribute[Any]", value: str | Secret) -> None:
    """Refuse a value that no header can carry; for attrs' `validator`."""
    fault = header_fault(value.reveal() if isinstance(value, Secret) else value, spaces=False)
    if fault:
        raise ValueError(f"{attribute.name}: {fault}")


def _is_url(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", value):
        raise ValueError(f"{attribute.name}: must be a URL such as https://api.bigcommerce.com")


def _are_groups(_: object, attribute: "Attribute[Any]", value: tuple[int, ...]) -> None:
    if any(group < 1 for group in value):
        raise ValueError(f"{attribute.name}: must be ids of customer groups, such as [3]")


def _maps_groups(_: object, attribute: "Attribute[Any]", value: Mapping[int, str]) -> None:
    if any(group < 1 or not name.strip() for group, name in value.items()):
        raise ValueError(
            f'{attribute.name}: must name a SparkLayer group for ids of customer groups, such as 3 = "vip"'
        )


def _finds_a_cart(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not value:
        return
    need = f"must be a regular expression with one group, or one named {CART_ID}, for the cart's id"
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise ValueError(f"{attribute.name}: {need}: {error}") from None
    if pattern.groups != 1 and CART_ID not in pattern.groupindex:
        raise ValueError(f"{attribute.name}: {need}; it has {pattern.groups} groups")


@frozen(kw_only=True)
class BigCommerceSettings:
    """One BigCommerce store and its credentials.

    `client_secret` verifies signed webhooks. `webhook_secret` is the value of the header that all our webhooks carry;
    it must stay the same while they are registered, and only webhooks need it. Without `b2b_customer_groups`, all
    groups are B2B except 0 and the guests' group. `customer_group_mapping` maps a customer group to a SparkLayer
    group. `order_staff_notes_pattern` finds the id of SparkLayer's cart in an order's staff notes; if empty, the notes
    are not read.
    """

    api_url: str = field(
        default="https://api.bigcommerce.com",
        converter=without_slash,
        validator=_is_url,
        metadata={"url": True},
    )
    store_hash: str = field(converter=trimmed, validator=_is_store_hash)
    access_token: Secret = field(validator=fits_a_header)
    client_secret: Secret | None = field(default=None, validator=validators.optional(fits_a_header))
    webhook_secret: Secret | None = field(default=None, validator=validators.optional(fits_a_header))
    b2b_customer_groups: tuple[int, ...] = field(default=(), validator=_are_groups)
    customer_group_mapping: Mapping[int, str] = field(factory=dict, validator=_maps_groups)
    order_staff_notes_pattern: str = field(default="", validator=_finds_a_cart)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that no text may show."""
        return tuple(filter(None, (self.access_token, self.client_secret, self.webhook_secret)))


def public_url_fault(store: BigCommerceSettings, public_url: str) -> str | None:
    """Return the reason why BigCommerce does not deliver to `public_url`, and the remedy; None if it does.

    It delivers webhooks only to https on port 443, on the internet (contract section 12). A store on this machine is a
    stand-in, and may deliver anywhere.
    """
    if is_inside(urlsplit(store.api_url).hostname or ""):
        return None
    parts = urlsplit(public_url)
    if parts.scheme != "https":
        wrong = "BigCommerce delivers webhooks to https only"
    elif parts.port not in {None, HTTPS_PORT}:
        wrong = f"BigCommerce delivers webhooks to port 443 only, not to {parts.port}"
    elif is_inside(parts.hostname or ""):
        wrong = "BigCommerce cannot reach an address of this machine or of a private network"
    else:
        return None
    return f"{wrong}; set the https address, on port 443, at which the reverse proxy is reached from the internet"
