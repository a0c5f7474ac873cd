"""Decodes the content codings of an answer (RFC 9110, section 8.4), within a size limit.

gzip is read to its last member (RFC 1952, section 2.2); deflate with or without zlib's wrapper, since servers use both.
Names that are no codings (`identity`, `none`, `UTF-8`, `aws-chunked`) are ignored. Some proxies unpack an answer but
keep the header: a body that begins as plain text is then taken unchanged. Others compress without a header: a body that
begins with gzip's magic bytes, as no text does, is unpacked.
"""

import zlib
from collections.abc import Callable

from daemon.errors import Retry

_PIECE = 64 * 1024
"""Bytes unpacked at a time. zlib copies the input behind a gzip member, so larger pieces cost more per member."""

_MOST_MEMBERS = 10_000
_MOST_CODINGS = 4
_GZIP_MAGIC = b"\x1f\x8b"
_PLAIN = frozenset((b"{", b"[", b'"', b"<"))
"""First bytes of JSON and HTML; a body that begins with one and cannot be unpacked was never packed."""


def oversized(most: int) -> Retry:
    """Return the failure of a request whose answer has more than `most` bytes."""
    return Retry(f"the answer is larger than {most // 1024} KiB", reason="oversized", effect_unknown=True)


def _undecodable(why: str) -> Retry:
    return Retry(f"the answer cannot be unpacked: {why}", reason="undecodable", effect_unknown=True)


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """Return `body` without the codings listed in the header `encoding`, at most `most` bytes.

    Raises Retry: "undecodable" if it does not have its declared coding, or one that was not asked for; "truncated" if
    it ends before its compressed stream does; "oversized".
    """
    names = (part.partition(";")[0].strip(" \t\"'").lower() for part in encoding.split(","))
    codings = [name for name in names if name in _DECODERS]
    if len(codings) > _MOST_CODINGS:
        raise _undecodable("it has too many codings")
    for name in reversed(codings):  # Listed in the order in which they were applied.
        if not body:
            break
        try:
            body = _DECODERS[name](body, most)
        except Retry as error:
            if error.reason == "oversized" or body.lstrip()[:1] not in _PLAIN:
                raise
    return _gunzipped(body, most) if body.startswith(_GZIP_MAGIC) else body


def _gunzipped(body: bytes, most: int) -> bytes:
    if not body.startswith(_GZIP_MAGIC[: len(body)]):
        raise _undecodable("it is not gzip")
    plain, place = bytearray(), 0
    for _ in range(_MOST_MEMBERS):
        place = _unpack(zlib.decompressobj(wbits=31), body, place, plain, most)
        # Padding or other bytes after the last member do not belong to the answer.
        if not body.startswith(_GZIP_MAGIC, place):
            return bytes(plain)
    raise oversized(most)  # it has too many members


def _inflated(body: bytes, most: int) -> bytes:
    """Unpack `deflate`: RFC 9110 requires zlib's wrapper, but some servers leave it out."""
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        plain = bytearray()
        try:
            # Raw deflate has no checksum, so a stream that ends before the body does is taken for another format.
            if _unpack(zlib.decompressobj(wbits), body, 0, plain, most) == len(body):
                return bytes(plain)
        except Retry as error:
            if error.reason != "undecodable":
                raise
    raise _undecodable("it is not deflate")


def _unpack(stream: "zlib._Decompress", body: bytes, place: int, plain: bytearray, most: int) -> int:
    """Unpack the stream that begins at `place` into `plain`; return where it ends."""
    while not stream.eof:
        piece = body[place : place + _PIECE]
        if not piece:
            raise Retry("the compressed answer is incomplete", reason="truncated", effect_unknown=True)
        place += len(piece)
        try:
            plain += stream.decompress(piece, most + 1 - len(plain))
        except zlib.error as error:
            raise _undecodable(str(error)) from None
        if len(plain) > most:
            raise oversized(most)
    return place - len(stream.unused_data)


def _unknown(_body: bytes, _most: int) -> bytes:
    raise _undecodable("its coding was not asked for")


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    **dict.fromkeys(("br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"), _unknown),
}
"""Decoders by the registered codings (IANA, HTTP Content Coding Registry); all other names are ignored."""
