"""Checks a public URL: BigCommerce delivers webhooks only to https on port 443, on the internet (section 12). Pure.

A store on this machine is a stand-in, and may deliver anywhere.
"""

import ipaddress
from urllib.parse import urlsplit

from daemon.platforms.bigcommerce.settings import BigCommerceSettings

HTTPS_PORT = 443


def public_url_fault(store: BigCommerceSettings, public_url: str) -> str | None:
    """Return the reason why BigCommerce does not deliver to `public_url`, and the remedy; None if it does."""
    if _is_inside(urlsplit(store.api_url).hostname or ""):
        return None
    parts = urlsplit(public_url)
    if parts.scheme != "https":
        wrong = "BigCommerce delivers webhooks to https only"
    elif parts.port not in {None, HTTPS_PORT}:
        wrong = f"BigCommerce delivers webhooks to port 443 only, not to {parts.port}"
    elif _is_inside(parts.hostname or ""):
        wrong = "BigCommerce cannot reach an address of this machine or of a private network"
    else:
        return None
    return f"{wrong}; set the https address, on port 443, at which the reverse proxy is reached from the internet"


def _is_inside(host: str) -> bool:
    """Return True for a host on this machine or in a private network. Names are not looked up."""
    host = host.rstrip(".").lower()
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".localdomain", ".home.arpa"))
