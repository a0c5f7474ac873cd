"""Parse HTTP/1.x requests from bytes, within limits. No I/O and no clock, so that it can be fuzzed.

Feed it the bytes as they arrive, in pieces of any size. It collects complete `requests` and at most one `fault`, which
is the connection's last answer. Ambiguous input is refused, because a proxy in front may interpret it differently
(request smuggling). llhttp in strict mode checks lengths, chunks, line ends and characters; this module checks sizes,
version, Host, transfer codings and the target. Trailers are read and dropped.

An upgrade is never accepted: such a request is answered like any other, as the connection's last.
"""

import re
from collections.abc import Callable
from types import SimpleNamespace

import httptools
from attrs import define, field

from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Fault, Request

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


@define(eq=False)
class Parser:
    """The reading half of one connection. The methods named `on_...` are called by httptools."""

    _limits: Limits
    _largest: Callable[[str], int] | None = None
    """Return the size of the largest body that a path allows. Asked only for a body above `Limits.body`."""
    requests: list[Request] = field(init=False, factory=list)
    """Complete requests in order of arrival; the connection that serves them empties the list."""
    fault: Fault | None = field(init=False, default=None)
    mid_request: bool = field(init=False, default=False)
    """True while a request is incomplete."""
    wants_continue: bool = field(init=False, default=False)
    """True while the client waits for `100 Continue` before it sends the body."""
    _http: httptools.HttpRequestParser = field(init=False)
    _url: bytes = field(init=False, default=b"")
    _fields: list[tuple[bytes, bytes]] = field(init=False, factory=list)
    _headers: dict[bytes, bytes] = field(init=False, factory=dict)
    _method: str = field(init=False, default="")
    _body: bytearray = field(init=False, factory=bytearray)
    _keep_alive: bool = field(init=False, default=True)
    _upgrading: bool = field(init=False, default=False)
    _piece: int = field(init=False, default=0)
    """Size of the piece being fed."""
    _shared: int = field(init=False, default=0)
    """Size of the piece in which the previous request ended: an upper bound of this head's share in it."""
    _withheld: int = field(init=False, default=0)
    """Bytes fed since the last one of a body: llhttp and httptools may hold them as part of a head or of trailers."""

    def __attrs_post_init__(self) -> None:
        self._http = httptools.HttpRequestParser(self)

    @property
    def path(self) -> str:
        """The path of the request that is being read; "" while its head is incomplete."""
        return _path(self._url.partition(b"?")[0].decode("ascii")) if self._headers else ""

    @property
    def held(self) -> int:
        """Bytes of the requests held here, complete or not."""
        whole = sum(len(request.body) for request in self.requests)
        return whole + len(self._body) + self._withheld

    def feed(self, data: bytes | bytearray) -> None:
        """Parse the next piece. Do not call again after a fault or a request that is not keep_alive."""
        self._piece = len(data)
        self._withheld += self._piece
        self._parse(data)
        if not self.mid_request:
            self._withheld = self._shared = 0
        elif self._withheld > self._limits.head:
            self._refuse(_too_large(self._limits))

    def _parse(self, data: bytes | bytearray) -> None:
        try:
            self._http.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.mid_request:
                self._parse(self._plain_head() + data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(Fault(400, f"{error}."))

    def _refuse(self, fault: Fault) -> None:
        self.fault = self.fault or fault

    def on_message_begin(self) -> None:
        """Start a request."""
        self.mid_request = True
        self._url = b""
        self._fields = []
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        """Take the target, or the next piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        if len(self._fields) >= self._limits.fields:
            self._refuse(Fault(431, f"A request may have {self._limits.fields} headers."))
        else:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head before any of the body is accepted."""
        http, fields, self._fields = self._http, self._fields, []
        headers = dict(fields)
        self._headers = headers if len(headers) == len(fields) else _joined(fields)
        self._method = http.get_method().decode("ascii")
        version = http.get_http_version()
        self._upgrading = http.should_upgrade()
        self._keep_alive = version == "1.1" and http.should_keep_alive() and not self._upgrading
        most = self._limits.head
        if self._withheld + self._shared > most and _size(self._url, fields) > most:
            self._refuse(_too_large(self._limits))
        elif fault := _judge(version, self._url, self._headers):
            self._refuse(fault)
        elif self._is_too_long(int(headers.get(b"content-length", 0))):
            self._refuse(self._too_long())
        else:
            self.wants_continue = b"expect" in headers and version == "1.1"

    def on_body(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._withheld = 0
        if self._is_too_long(len(self._body) + len(piece)):
            self._refuse(self._too_long())
        else:
            self._body += piece

    def on_message_complete(self) -> None:
        """Add the request to `requests`, unless it has a fault."""
        if self._upgrading and _has_body(self._headers):
            return
        self._withheld, self._shared = 0, self._piece
        self.mid_request = self.wants_continue = False
        body = bytes(self._body)
        self._body.clear()
        if self.fault is None:
            target, _, query = self._url.decode("ascii").partition("?")
            request = Request(self._method, _path(target), query, self._headers, body, self._keep_alive)
            self.requests.append(request)

    def _is_too_long(self, size: int) -> bool:
        return size > self._limits.body and size > self._allowed()

    def _allowed(self) -> int:
        """Return the size of the largest body of the present request."""
        return self._limits.body if self._largest is None else max(self._limits.body, self._largest(self.path))

    def _too_long(self) -> Fault:
        return Fault(413, f"A body may have {self._allowed()} bytes.", self.path)

    def _plain_head(self) -> bytes:
        """Start a parser for the body of an upgrade request, which llhttp treats as another protocol's bytes.

        Return the head to feed it first. It reports only the body, and accepts nothing after it.
        """
        self._upgrading = False
        self._http = httptools.HttpRequestParser(
            SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
        )
        framing = b"transfer-encoding" if b"transfer-encoding" in self._headers else b"content-length"
        return b"POST / HTTP/1.1\r\nconnection: close\r\n%s: %s\r\n\r\n" % (framing, self._headers[framing])


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _size(url: bytes, fields: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in fields)


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


def _too_large(limits: Limits) -> Fault:
    return Fault(431, f"Request line and headers may take {limits.head} bytes.")


def _path(target: str) -> str:
    """Return the path of a target without its query."""
    return target if target.startswith("/") else _ABSOLUTE.sub("", target) or "/"


def _judge(version: str, url: bytes, headers: dict[bytes, bytes]) -> Fault | None:
    """Return the fault of a head that llhttp accepts, or None."""
    if version not in {"1.1", "1.0"}:
        status = 400 if version == "0.9" else 505  # llhttp takes a line without a version for HTTP/0.9
        return Fault(status, "Only HTTP/1.0 and HTTP/1.1 are supported.")
    if not _HOST.fullmatch(headers.get(b"host", b"" if version == "1.1" else b"-")):
        return Fault(400, "The Host header is missing, repeated or malformed.")
    if not url.isascii() or b"#" in url:
        return Fault(400, "The target has characters that must be percent-encoded.")
    if url[:1] != b"/" and not _ABSOLUTE.match(url.decode("ascii")) and url != b"*":
        return Fault(400, "The target must be a path or an absolute URL.")
    return _judge_body(version, headers)


def _judge_body(version: str, headers: dict[bytes, bytes]) -> Fault | None:
    """Return the fault of the announced body, or None."""
    coding = headers.get(b"transfer-encoding")
    if coding is not None and version == "1.0":
        return Fault(400, "HTTP/1.0 has no transfer codings.")
    if coding is not None and coding.lower() != b"chunked":
        return Fault(501, "The only supported transfer coding is chunked.")
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        return Fault(417, "Only 100-continue may be expected.")
    return None
