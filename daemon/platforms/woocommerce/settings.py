"""The settings of one shop, `[connections.woocommerce]`: its keys, and the one spelling of its address. Pure.

Every value can be used as it is. An invalid one is refused with one line that names the field and never quotes a
secret.

WooCommerce delivers webhooks only to ports 80, 443 and 8080, and never to an address of its own machine or network,
except the shop's own host (woocommerce.md, Webhooks 15). A shop on loopback is a stand-in, and may deliver anywhere.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import Attribute, field, frozen, validators

from daemon.model import Secret
from daemon.model.hosts import in_ascii, is_host, is_inside
from daemon.model.identifiers import credential_fault, header_fault, line_fault, trimmed

LONGEST_SECRET = 512

TYPED_KEY, TYPED_SECRET = "woocommerce_api_key", "woocommerce_api_secret"
"""Fields of `extra_config` with the keys that a merchant types in SparkLayer's Dashboard (sparklayer.md section 9)."""

TYPED_PASSWORD = ("woocommerce_basic_user", "woocommerce_basic_pass")
"""Fields of `extra_config` with the password of a whole site; see `typed_store`."""


DEFAULT_PORTS = {"https": 443, "http": 80}
NO_ADDRESS = "must be the shop's address, such as https://shop.example.com"
DELIVERED_PORTS = frozenset({80, 443, 8080})

_INSIDE_WORDPRESS = re.compile(r"/(?:wp-json|wp-admin|wp-login\.php|index\.php)(?:/.*)?$")
_URL = re.compile(r"https?://[^/\s?#@]+(?:/[^\s?#]*)?")
_OF_A_PATH = "/%:@!$&'()*+,;=~"
"""Characters of a path that need no escape, beside letters and digits (RFC 3986, section 3.3)."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)


def shop_address(text: str) -> str:
    """Return the one spelling of a shop's address: https unless http is given, lower case, no slash at the end.

    A host in letters beyond ASCII is spelt as DNS has it, `xn--...`. A path into WordPress, such as /wp-admin, is left
    out, and so are a query and a fragment. A text that is no address is returned as it is; `address_fault` names its
    fault.
    """
    text = trimmed(text)
    if not _SCHEME.match(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text
    scheme, host = parts.scheme.lower(), in_ascii(parts.hostname or "").rstrip(".")
    if "@" in parts.netloc or not host:
        return text
    host = f"[{host}]" if ":" in host else host
    at = "" if port in {None, DEFAULT_PORTS.get(scheme)} else f":{port}"
    path = _INSIDE_WORDPRESS.sub("", re.sub(r"/{2,}", "/", parts.path)).rstrip("/")
    path = quote(path, safe=_OF_A_PATH)
    return f"{scheme}://{host}{at}{path}"


def store_id(text: str) -> str:
    """Return the one spelling of a shop's address. Raises ValueError for a text that is none.

    A single word is none: it would be the id of a store on another platform.
    """
    address = shop_address(text)
    fault = address_fault(address)
    if not fault and "://" not in text and "." not in (urlsplit(address).hostname or ""):
        fault = NO_ADDRESS
    if fault:
        raise ValueError(fault)
    return address


def address_fault(address: str) -> str | None:
    """Return the fault of an address in its one spelling, or None."""
    if not _URL.fullmatch(address):
        return NO_ADDRESS
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return "must have a number as its port"
    if not is_host(parts.hostname or ""):
        return NO_ADDRESS
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "must begin with https:// because the keys are sent with every request"
    return None


def delivery_fault(store_url: str, public_url: str) -> str | None:
    """Return the reason why a shop does not deliver to `public_url`, and the remedy; None if it does."""
    shop, parts = urlsplit(store_url).hostname or "", urlsplit(public_url)
    if is_loopback(shop):
        return None
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if port not in DELIVERED_PORTS:
        wrong = f"WooCommerce delivers webhooks to the ports 80, 443 and 8080 only, not to {port}"
    elif is_inside(parts.hostname or "") and parts.hostname != shop:
        wrong = "WooCommerce does not deliver webhooks to an address of a private network"
    else:
        return None
    return f"{wrong}; set the https address at which the reverse proxy is reached from the internet"


def is_loopback(host: str) -> bool:
    """Return True for a host on this machine. Names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_shop(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if fault := address_fault(value):
        raise ValueError(f"{attribute.name}: {fault}")


def _fits_basic(_: object, attribute: "Attribute[Any]", value: Secret) -> None:
    """Refuse a key that HTTP's Basic authentication cannot carry: a colon ends the user's name."""
    fault = header_fault(value.reveal(), spaces=False)
    if fault is None and attribute.name == "consumer_key" and ":" in value.reveal():
        fault = "must be the key alone, such as ck_...; it has the character :"
    if fault:
        raise ValueError(f"{attribute.name}: {fault}")


def _signs(_: object, attribute: "Attribute[Any]", value: Secret) -> None:
    text = value.reveal()
    fault = line_fault(text)
    if fault is None and not 0 < len(text) <= LONGEST_SECRET:
        fault = f"must be 1 to {LONGEST_SECRET} characters; it has {len(text)}"
    if fault:
        raise ValueError(f"{attribute.name}: {fault}")


def _is_named(_: object, attribute: "Attribute[Any]", value: str) -> None:
    if not value.strip() or "," in value or line_fault(value):
        raise ValueError(f"{attribute.name}: must be the key of a meta field, such as sparklayer_cart_id")


def _are_patterns(_: object, attribute: "Attribute[Any]", value: tuple[str, ...]) -> None:
    if not value or any(not pattern.strip() for pattern in value):
        raise ValueError(f'{attribute.name}: must be patterns of role names, such as ["sparklayer_b2b*"]')


@frozen(kw_only=True)
class WooCommerceSettings:
    """One WooCommerce shop and the keys of its REST API.

    `webhook_secret` signs the deliveries of our webhooks; only webhooks need it. `b2b_roles` are patterns of WordPress
    roles (the default is inferred from the documented role "SparkLayer B2B: Base"): customers with such a role are B2B.
    `attribute_prefix` begins the meta fields of a customer that are B2B attributes. `cart_meta_field` is the meta field
    with the cart's id of an order that was placed through SparkLayer (inferred).
    """

    store_url: str = field(converter=shop_address, validator=_is_shop, metadata={"url": True})
    consumer_key: Secret = field(validator=_fits_basic)
    consumer_secret: Secret = field(validator=_fits_basic)
    webhook_secret: Secret | None = field(default=None, validator=validators.optional(_signs))
    b2b_roles: tuple[str, ...] = field(default=("sparklayer_b2b*",), validator=_are_patterns)
    attribute_prefix: str = field(default="sparklayer_", validator=_is_named)
    cart_meta_field: str = field(default="sparklayer_cart_id", validator=_is_named)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that no text may show."""
        return tuple(filter(None, (self.consumer_key, self.consumer_secret, self.webhook_secret)))


def typed_store(store_id: str, extra_config: Mapping[str, object]) -> WooCommerceSettings | None:
    """Return the settings of a shop with typed keys, as `TypedKeys.read` describes. Raises ValueError.

    The password of a whole site is read and not used: it and the keys would both have to be in the one `Authorization`
    header of a request. So the keys work if the password does not cover the REST API. WooCommerce takes keys from the
    URL too, but we send none there: servers log URLs, and the shop repeats them in its `Link` header (woocommerce.md,
    REST).
    """
    given = {name: extra_config.get(name) for name in (TYPED_KEY, TYPED_SECRET, *TYPED_PASSWORD)}
    filled = {name: value for name, value in given.items() if value is not None and value != ""}
    if not filled:
        return None
    for name, value in filled.items():
        fault = "must be a text" if not isinstance(value, str) else None
        if fault := fault or (credential_fault(value) if name not in TYPED_PASSWORD else None):
            raise ValueError(f"extra_config.{name}: {fault}")
    for name in (TYPED_KEY, TYPED_SECRET):
        if name not in filled:
            raise ValueError(f"extra_config.{name}: is missing")
    key, secret = (Secret(trimmed(str(filled[name]))) for name in (TYPED_KEY, TYPED_SECRET))
    try:
        return WooCommerceSettings(store_url=store_id, consumer_key=key, consumer_secret=secret)
    except ValueError as error:
        field_name, _, fault = str(error).partition(": ")
        typed = {"consumer_key": TYPED_KEY, "consumer_secret": TYPED_SECRET}
        raise ValueError(f"extra_config.{typed[field_name]}: {fault}") from None
