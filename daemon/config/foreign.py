"""Variables that a cluster sets in every container and that only look like settings.

Kubernetes, and formerly Docker's links, describe each Service of a namespace to each of its containers. If a Service is
named `ignite-sync` or `ignite-sync-listener`, these variables have our prefix. Name and value together identify them; a
misspelt setting has a different value.
"""

import ipaddress
import re

_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://(?:\[([0-9a-f:.]+)\]|([0-9.]+)):[0-9]{1,5}", re.ASCII | re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_CONTAINER = re.compile(r"/[\w.-]+/[\w.-]+")
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


def is_injected(variable: str, value: str) -> bool:
    """Return True for a variable set by a cluster: no setting has such a name with such a value."""
    name = variable.upper()
    if re.search(r"_SERVICE_PORT(_\w+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT$", name):
        return bool(_PORT.fullmatch(value)) or _is_address(value)
    if re.search(r"_PORT(_[0-9]+_(TCP|UDP|SCTP))?$", name):
        return _is_address(value)
    if re.search(r"_SERVICE_HOST$|_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR$", name):
        return _is_ip(value)
    if re.search(r"_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO$", name):
        return value.lower() in _PROTOCOLS
    return name.endswith("_NAME") and bool(_CONTAINER.fullmatch(value))


def _is_address(value: str) -> bool:
    address = _ADDRESS.fullmatch(value)
    return address is not None and _is_ip(address[1] or address[2])


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value == "None"  # a headless Service
    return True
