"""What `[connections.bigcommerce]` must say to reach one store.

Every value here is fit to be used as it stands: the store hash in a path, the tokens in a header. A bad one
is refused with one line that names the field, and never quotes a secret. Whether `api_url` is https is
decided where the connection's `allow_http` is known; the field's metadata says that it is a URL.
"""

import re
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen, validators

from daemon.http import without_slash
from daemon.model import Secret

_HASH = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_VALUE = re.compile(r"[!-~]{1,512}")


def _is_store_hash(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not _HASH.fullmatch(value):
        raise ValueError(f"{attribute.name}: must be the short id in the store's API path, such as stores/abc123")


def _fits_a_header(_: object, attribute: "Attribute[Any]", value: Secret) -> None:
    if not _HEADER_VALUE.fullmatch(value.reveal()):
        raise ValueError(f"{attribute.name}: must be 1 to 512 printable ASCII characters without spaces")


def _is_url(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", value):
        raise ValueError(f"{attribute.name}: must be a URL such as https://api.bigcommerce.com")


def _are_groups(_: object, attribute: "Attribute[Any]", value: tuple[int, ...]) -> None:
    if any(group < 1 for group in value):
        raise ValueError(f"{attribute.name}: must be ids of customer groups, such as [3]")


def _is_mapping(_: object, attribute: "Attribute[Any]", value: Mapping[str, str]) -> None:
    if not all(group.isdecimal() and name.strip() for group, name in value.items()):
        raise ValueError(f'{attribute.name}: must lead from ids of customer groups to names, such as {{ 3 = "vip" }}')


def _names_a_cart(_: object, attribute: "Attribute[Any]", value: str) -> None:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"{attribute.name}: is no regular expression ({error})") from None
    if groups < 1:
        raise ValueError(f"{attribute.name}: must have a group around the cart's id, such as 'cart: (\\S+)'")


@frozen(kw_only=True)
class BigCommerceSettings:
    """One BigCommerce store and how to speak with it.

    `client_secret` verifies signed webhooks; `webhook_secret` is the value of the header that every webhook
    we register carries. It must stay the same while webhooks are registered; nothing but webhooks needs it.
    `b2b_customer_groups` empty: every group but 0 and the guests' group. `customer_group_mapping` tells which group of
    SparkLayer's the customers of a group, by its id, are in. `order_staff_notes_pattern` is a regular expression whose
    first group is the id of SparkLayer's cart, for stores whose orders have it in the staff notes.
    """

    api_url: str = field(
        default="https://api.bigcommerce.com",
        converter=without_slash,
        validator=_is_url,
        metadata={"url": True},
    )
    store_hash: str = field(validator=_is_store_hash)
    access_token: Secret = field(validator=_fits_a_header)
    client_secret: Secret | None = field(default=None, validator=validators.optional(_fits_a_header))
    webhook_secret: Secret | None = field(default=None, validator=validators.optional(_fits_a_header))
    b2b_customer_groups: tuple[int, ...] = field(default=(), validator=_are_groups)
    customer_group_mapping: Mapping[str, str] = field(factory=dict, validator=_is_mapping)
    order_staff_notes_pattern: str | None = field(default=None, validator=validators.optional(_names_a_cart))
