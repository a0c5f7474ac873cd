"""The cookies of the page, and the requests that may be believed to come from it.

They are HttpOnly and SameSite=Strict. They are Secure too, with the prefix `__Host-` that no other host can forge,
unless the browser has the page from its own machine, where there is no TLS.
"""

import ipaddress
from urllib.parse import urlsplit

from daemon.listener.http.messages import Request

SESSION = "ignite-sync"
LOGIN = "ignite-sync-login"

FROM_HERE = frozenset({b"same-origin", b"none"})
"""Values of Sec-Fetch-Site that a form of the page, or a person who typed the address, may have."""


def read(request: Request, name: str) -> str | None:
    """Return the value of a cookie; None if it is missing, or there are several, of which one may be planted."""
    pairs = [pair.strip().partition("=") for pair in _text(request, b"cookie").split(";")]
    # A proxy may put its own address into Host: then the cookie of the login form was set as on this machine, though
    # the form is sent with the public Origin. A session's plain name counts on this machine alone: others can plant it.
    plain = [name] if name == LOGIN or is_local(request) else []
    for full_name in (f"__Host-{name}", *plain):
        values = [value for key, _, value in pairs if key == full_name]
        if values:
            return values[0] if len(values) == 1 else None
    return None


def header(request: Request, name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    """Return the header that sets a cookie for `seconds`; 0 removes it."""
    secure = not is_local(request)
    full_name = f"__Host-{name}" if secure else name
    attributes = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
    return b"set-cookie", f"{full_name}={value}; {attributes}".encode("ascii")


def is_local(request: Request) -> bool:
    """Return whether the browser has the page from a loopback address."""
    # A proxy may put an address of its own into Host. Browsers send Origin with each form, and proxies leave it.
    origin = _text(request, b"origin") or f"http://{_text(request, b'host')}"
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ""
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # not a URL, or a name
        return False
    return parts.scheme == "http" and is_loopback


def is_cross_site(request: Request) -> bool:
    """Return whether the browser says that another site has sent this."""
    site = request.headers.get(b"sec-fetch-site")
    return site is not None and site not in FROM_HERE


def _text(request: Request, name: bytes) -> str:
    return request.headers.get(name, b"").decode("latin-1")
