"""Undoes the content codings of an answer (RFC 9110, section 8.4), within a limit of size.

gzip is read to its last member (RFC 1952, section 2.2), deflate with the wrapper of zlib or without (both are in use).
Names that are no codings (`identity`, `none`, `UTF-8`, `aws-chunked`) say nothing of the body. A proxy that unpacks an
answer and leaves the header leaves a plain text, which is taken as it is; one that packs it, or packs it again, without
saying so leaves gzip, which no text begins as.
"""

import contextlib
import zlib
from collections.abc import Callable

_PIECE = 64 * 1024
"""Bytes that are unpacked at a time: what follows a member of gzip is copied, once for each member."""

_MOST_MEMBERS = 10_000
_MOST_CODINGS = 4
_GZIP_MAGIC = b"\x1f\x8b"
_PLAIN = frozenset((b"{", b"[", b'"', b"<"))
"""First bytes of JSON and of pages; an answer that begins so and cannot be unpacked was never packed."""


class Undecodable(ValueError):
    """The body is not in the coding that it is said to have, or in one that was not asked for."""


class Truncated(ValueError):
    """The body ends before its coding does."""


class Oversized(ValueError):
    """The body unpacks to more than the limit."""


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """Return `body` without the codings that the header `encoding` lists, of at most `most` bytes.

    Raises Undecodable, Truncated and Oversized.
    """
    names = (part.partition(";")[0].strip(" \t\"'").lower() for part in encoding.split(","))
    codings = [name for name in names if name in _DECODERS]
    if len(codings) > _MOST_CODINGS:
        raise Undecodable("it is packed too often")
    for name in reversed(codings):  # the last one was applied last
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
        # Padding, or whatever else follows the last member, is none of the answer.
        if not body.startswith(_GZIP_MAGIC, place):
            return bytes(plain)
    raise Oversized("it has too many members")


def _inflated(body: bytes, most: int) -> bytes:
    """Unpack `deflate`: RFC 9110 has zlib's wrapper around it, some servers leave it out."""
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        plain = bytearray()
        with contextlib.suppress(Undecodable):
            # Without a wrapper there is no checksum: what ends in the middle of the body is another thing.
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
            raise Oversized("it unpacks to too much")
    return place - len(stream.unused_data)


def _unknown(_body: bytes, _most: int) -> bytes:
    raise Undecodable("it is in a coding that was not asked for")


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    **dict.fromkeys(("br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"), _unknown),
}
"""The codings that there are (IANA, HTTP Content Coding Registry); all other names say nothing."""
