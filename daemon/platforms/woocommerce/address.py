"""The address of a shop in its one spelling, and the check of the public URL for webhooks. Pure.

WooCommerce delivers only to ports 80, 443 and 8080, and never to an address of its own machine or network, except the
shop's own host (woocommerce.md, Webhooks 15). A shop on loopback is a stand-in, and may deliver anywhere.
"""

import ipaddress
import re
from urllib.parse import quote, urlsplit

from daemon.model.hosts import in_ascii, is_host, is_inside
from daemon.model.identifiers import trimmed

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
