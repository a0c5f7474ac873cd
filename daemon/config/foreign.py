"""Variables that a cluster puts into every container, and that only look like settings of ours.

Kubernetes describes each Service of a namespace to each of its containers, as Docker's links did. With a Service named
`ignite-sync`, or `ignite-sync-listener`, their names begin as ours do. Name and value together tell them: a misspelt
setting has another value.
"""

import ipaddress
import re

_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://(?:\[([0-9a-f:.]+)\]|([0-9.]+)):[0-9]{1,5}", re.ASCII | re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_CONTAINER = re.compile(r"/[\w.-]+/[\w.-]+")
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


def is_injected(variable: str, value: str) -> bool:
    """Return whether a cluster made this variable: no setting of ours has such a name with such a value."""
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
    found = _ADDRESS.fullmatch(value)
    return found is not None and _is_ip(found[1] or found[2])


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value == "None"  # a Service without an address of its own
    return True
