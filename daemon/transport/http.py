"""The only module that imports httpx: a small client per API, and the meaning of network errors.

Every network failure becomes a `Retry` with a short `reason`; `effect_unknown` says that the request may have been
carried out all the same. The caller interprets statuses, except those that mean the same everywhere: 408, 425, 429 and
5xx (`temporary`). TLS certificates are verified.

httpx's transport is called directly. Cookies, redirects, authentication, proxies from the environment and log lines are
not wanted here, and an httpx client would use half as much CPU again. CPU per request also grows with the connections
of a pool, so an `Api` has a stack of pools of one connection. The last one used comes first, so few stay open.
"""

import functools
import itertools
import math
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import httpx
import trio
from attrs import field, frozen

from daemon import __version__
from daemon.errors import Retry
from daemon.model.byte_order_mark import without_mark
from daemon.model.identifiers import without_slash
from daemon.transport import content_encoding
from daemon.transport.permission import is_limited, refuse_if_forbidden
from daemon.transport.retry_after import retry_after
from daemon.transport.throttle.aside import standing_aside
from daemon.transport.throttle.limiter import HELD_BACK, LONGEST_SHORT_WAIT

T = TypeVar("T")
Transport = httpx.AsyncBaseTransport

LARGEST_BODY = 64 * 1024 * 1024
CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 30.0
FIRST_WAIT = 0.5
"""Seconds that `shortly` waits at most after the first attempt; it doubles with each."""

LIMITED_ATTEMPTS = 2
"""Attempts within `answered_within`, if the first may have been carried out."""
TIMEOUT = "timeout"
LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})

FAILURES: tuple[tuple[type[httpx.RequestError], str, bool], ...] = (
    (httpx.ConnectError, "connect", False),
    (httpx.ConnectTimeout, "connect", False),
    (httpx.PoolTimeout, "connect", False),
    (httpx.TimeoutException, TIMEOUT, True),
    (httpx.NetworkError, "reset", True),
    (httpx.RemoteProtocolError, "truncated", True),
)
"""(error, reason, `effect_unknown`); the first match counts. httpx's other errors, such as an illegal header,
are our own mistakes and stay unchanged."""

WRITES = frozenset({"http11.send_request_headers.started", "http11.send_request_body.started"})
"""Events of httpx's transport: a part of a request is about to be written."""

_LONGEST: ContextVar[float] = ContextVar("longest", default=math.inf)


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Limit each request in this block to `seconds`. `shortly` repeats none that took longer, and a failed one once.

    The wait for the throttle does not count. The limit travels in a context variable, so the layers between need not
    pass it on.
    """
    token = _LONGEST.set(seconds)
    try:
        yield
    finally:
        _LONGEST.reset(token)


@frozen
class Answer:
    """An answer; header names are in lower case. `body` is decompressed and has no byte order mark."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """True for a 2xx status: the request was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_html(self) -> bool:
        """True if it is declared as a web page: a proxy sends those, and no call of an API here succeeds with one."""
        return self.headers.get("content-type", "").strip().lower().startswith("text/html")


@frozen
class ApiCall:
    """One request, for metrics: without path, ids and secrets. `status` is None without an answer."""

    api: str
    status: int | None
    seconds: float


class Api:
    """One API below `base_url`. `headers` go with every request; `connections` bounds the pool.

    `largest_body` is the most bytes of an answer that are read.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        user_agent: str = f"ignite-sync/{__version__}",
        connections: int = 8,
        timeout: float = 30.0,
        largest_body: int = LARGEST_BODY,
        transport: Transport | None = None,
    ) -> None:
        self._base_url = without_slash(base_url)
        self._headers = [("User-Agent", user_agent), ("Accept-Encoding", "gzip"), *headers.items()]
        self._timeout = timeout
        self._largest_body = largest_body
        self._extensions: dict[str, Any] = {"timeout": {"connect": min(CONNECT_SECONDS, timeout)}}
        self._watched = {**self._extensions, "trace": _refuse_at_writes}
        self._idle = [transport or _single_connection() for _ in range(connections)]
        self._all = tuple(self._idle)
        self._free = trio.Semaphore(connections)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, with any status.

        `path` is quoted and starts with a slash; `query` is quoted here. Redirects are returned, not followed.
        Raises Retry for every network failure, for a request that `permission` refuses, for a body of more than
        `largest_body`, and for one that cannot be unpacked.
        """
        url = f"{self._base_url}{path}"
        if query:
            url = f"{url}?{urlencode(query, safe=':,')}"
        every = [*self._headers, *headers.items()] if headers else self._headers
        extensions = self._watched if is_limited() else self._extensions
        request = httpx.Request(method, _parsed(url), headers=every, content=body, extensions=extensions)
        seconds = min(self._timeout, _LONGEST.get())
        try:
            with trio.fail_after(seconds):
                async with self._free:
                    return await self._exchange(request)
        except trio.TooSlowError as error:
            words = f"{request.url.host} took more than {seconds:g} s"
            raise Retry(words, reason=TIMEOUT, effect_unknown=True) from error
        except httpx.RequestError as error:
            raise _failure(error, request) from error

    async def aclose(self) -> None:
        """Close the connections."""
        for transport in self._all:
            await transport.aclose()

    async def _exchange(self, request: httpx.Request) -> Answer:
        transport = self._idle.pop()
        try:
            refuse_if_forbidden()
            response = await transport.handle_async_request(request)
            headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw}
            try:
                body = await _read(response, self._largest_body)
            finally:
                await response.aclose()
        finally:
            self._idle.append(transport)
        if "content-encoding" in headers:  # httpx joins several, and guesses the encoding of all headers for that
            body = content_encoding.decoded(body, response.headers["content-encoding"], self._largest_body)
        return Answer(response.status_code, headers, without_mark(body))


async def _refuse_at_writes(event: str, _info: object) -> None:
    """Refuse a request right before a part of it is written; without its end it has no effect. Raises Retry."""
    if event in WRITES:
        refuse_if_forbidden()


async def _read(response: httpx.Response, largest: int) -> bytes:
    """Read the body, always to its end: trio warns about an httpx generator that is left unfinished."""
    parts = []
    size = 0
    try:
        async for part in cast("httpx.AsyncByteStream", response.stream):
            size += len(part)
            if size <= largest:
                parts.append(part)
            else:
                await response.aclose()  # Reading the next part fails, which ends the loop.
    except httpx.NetworkError:
        if size <= largest:
            raise
    if size > largest:
        raise content_encoding.oversized(largest)
    return b"".join(parts)


@functools.lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    """Parse a URL; the few used by most requests are parsed once."""
    return httpx.URL(url)


@functools.cache
def _verified() -> ssl.SSLContext:
    """Return one TLS context for all connections: each would cost milliseconds and half a megabyte."""
    return httpx.create_ssl_context(trust_env=False)


def _single_connection() -> Transport:
    limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_SECONDS)
    return httpx.AsyncHTTPTransport(verify=_verified(), limits=limits, trust_env=False)


def _failure(error: httpx.RequestError, request: httpx.Request) -> Exception:
    distrust = _distrust(error)
    if distrust is not None:
        words = f"{request.url.host}: its TLS certificate is not trusted: {distrust}; nothing was sent"
        return Retry(words, reason="certificate")
    for kind, reason, effect_unknown in FAILURES:
        if isinstance(error, kind):
            words = f"{request.url.host}: {str(error) or type(error).__name__}"
            return Retry(words, reason=reason, effect_unknown=effect_unknown)
    return error


def _distrust(error: BaseException) -> str | None:
    """Return the fault of a TLS certificate if it is the cause of `error`, else None."""
    cause: BaseException | None = error
    # Causes may form a circle when an error is raised more than once.
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


async def reach(url: str) -> str:
    """Open a connection to the host of a URL, with its TLS handshake; send nothing. Return the host. Raises Retry."""
    place = httpx.URL(url)
    secure = place.scheme == "https"
    try:
        with trio.fail_after(CONNECT_SECONDS):
            stream: trio.abc.Stream = await trio.open_tcp_stream(place.host, place.port or (443 if secure else 80))
            async with stream:
                if secure:
                    await trio.SSLStream(stream, _verified(), server_hostname=place.host).do_handshake()
    except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
        distrust = _distrust(error)
        if distrust is not None:
            words = f"{place.host}: its TLS certificate is not trusted: {distrust}"
            raise Retry(words, reason="certificate") from error
        raise Retry(f"{place.host}: {str(error) or 'no answer'}", reason="connect") from error
    return place.host


def temporary(answer: Answer) -> Retry | None:
    """Return the Retry for a status that means "later" in every API (408, 425, 429, 5xx), else None."""
    if answer.status not in LATER and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    return Retry(
        f"answered {answer.status}",
        reason=f"http_{answer.status}",
        after=retry_after(answer.headers, time.time()),
        effect_unknown=answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )


async def shortly(
    attempt: Callable[[], Awaitable[T]], *, attempts: int = 3, within: float = 60.0, held_back: bool = True
) -> T:
    """Call `attempt` until it succeeds, at most `attempts` times, with a short wait after each `Retry`.

    The wait is random, grows with each attempt, and is no less than the other side asks for. `held_back`: the throttle
    holds back the next attempt after a 429, so its time is not waited out here. False if the next attempt begins with
    another request.

    Raises the last Retry, at once if the other side asks for more than 5 seconds. Raises Retry "timeout" if the
    attempts take more than `within` seconds together.
    """
    try:
        with trio.fail_after(within):
            for number in itertools.count(1):
                try:
                    return await attempt()
                except Retry as error:
                    if not _is_repeated(error, number):
                        raise
                    wait = random.uniform(0, min(FIRST_WAIT * 2 ** (number - 1), LONGEST_SHORT_WAIT))  # noqa: S311
                    # The throttle waits out a 429's time instead, since `finish` can end its waits.
                    if not (held_back and error.reason == HELD_BACK):
                        wait = max(error.after or 0.0, wait)
                    if number == attempts:
                        raise
                # The other entities of the batch need not wait for this request's next attempt.
                with standing_aside():
                    await trio.sleep(wait)
    except trio.TooSlowError as error:
        raise Retry(f"took more than {within:g} s", reason=TIMEOUT, effect_unknown=True) from error
    raise AssertionError  # the last attempt returns or raises


def _is_repeated(error: Retry, attempt: int) -> bool:
    """Return True if a failed attempt, the first being 1, is worth a short wait and another one."""
    if (error.after or 0.0) > LONGEST_SHORT_WAIT:
        return False
    if _LONGEST.get() == math.inf or not error.effect_unknown:
        return True
    return error.reason != TIMEOUT and not error.after and attempt < LIMITED_ATTEMPTS
