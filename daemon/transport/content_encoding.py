"""Decodes the content codings of an answer (RFC 9110, section 8.4), within a size limit.

gzip is read to its last member (RFC 1952, section 2.2); deflate with or without zlib's wrapper, since servers use both.
Names that are no codings (`identity`, `none`, `UTF-8`, `aws-chunked`) are ignored. Some proxies unpack an answer but
keep the header: a body that begins as plain text is then taken unchanged. Others compress without a header: a body that
begins with gzip's magic bytes, as no text does, is unpacked.
"""

import contextlib
import zlib
from collections.abc import Callable

_PIECE = 64 * 1024
"""Bytes unpacked at a time. zlib copies the input behind a gzip member, so larger pieces cost more per member."""

_MOST_MEMBERS = 10_000
_MOST_CODINGS = 4
_GZIP_MAGIC = b"\x1f\x8b"
_PLAIN = frozenset((b"{", b"[", b'"', b"<"))
"""First bytes of JSON and HTML; a body that begins with one and cannot be unpacked was never packed."""


class Undecodable(ValueError):
    """The body does not have its declared coding, or has one that was not asked for."""


class Truncated(ValueError):
    """The body ends before its compressed stream does."""


class Oversized(ValueError):
    """The body unpacks to more than the limit."""


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """Return `body` without the codings listed in the header `encoding`, at most `most` bytes.

    Raises Undecodable, Truncated and Oversized.
    """
    names = (part.partition(";")[0].strip(" \t\"'").lower() for part in encoding.split(","))
    codings = [name for name in names if name in _DECODERS]
    if len(codings) > _MOST_CODINGS:
        raise Undecodable("it has too many codings")
    for name in reversed(codings):  # Listed in the order in which they were applied.
        if not body:
            break
        try:
            body = _DECODERS[name](body, most)
        except (Undecodable, Truncated):
            if body.lstrip()[:1] not in _PLAIN:
                raise
    return _gunzipped(body, most) if body.startswith(_GZIP_MAGIC) else body


def _gunzipped(body: bytes, most: int) -> bytes:
    if not body.startswith(_GZIP_MAGIC[: len(body)]):
        raise Undecodable("it is not gzip")
    plain, place = bytearray(), 0
    for _ in range(_MOST_MEMBERS):
        place = _unpack(zlib.decompressobj(wbits=31), body, place, plain, most)
        # Padding or other bytes after the last member do not belong to the answer.
        if not body.startswith(_GZIP_MAGIC, place):
            return bytes(plain)
    raise Oversized("it has too many members")


def _inflated(body: bytes, most: int) -> bytes:
    """Unpack `deflate`: RFC 9110 requires zlib's wrapper, but some servers leave it out."""
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        plain = bytearray()
        with contextlib.suppress(Undecodable):
            # Raw deflate has no checksum, so a stream that ends before the body does is taken for another format.
            if _unpack(zlib.decompressobj(wbits), body, 0, plain, most) == len(body):
                return bytes(plain)
    raise Undecodable("it is not deflate")


def _unpack(stream: "zlib._Decompress", body: bytes, place: int, plain: bytearray, most: int) -> int:
    """Unpack the stream that begins at `place` into `plain`; return where it ends."""
    while not stream.eof:
        piece = body[place : place + _PIECE]
        if not piece:
            raise Truncated("it ends early")
        place += len(piece)
        try:
            plain += stream.decompress(piece, most + 1 - len(plain))
        except zlib.error as error:
            raise Undecodable(str(error)) from None
        if len(plain) > most:
            raise Oversized("it is too large when unpacked")
    return place - len(stream.unused_data)


def _unknown(_body: bytes, _most: int) -> bytes:
    raise Undecodable("its coding was not asked for")


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    **dict.fromkeys(("br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"), _unknown),
}
"""Decoders by the registered codings (IANA, HTTP Content Coding Registry); all other names are ignored."""
