"""An answer is decoded for every Content-Encoding in use, within a size limit."""

import codecs
import gzip
import itertools
import zlib

import httpx
import pytest

from daemon.errors import Retry
from daemon.model.byte_order_mark import text_of, without_mark
from daemon.transport.content_encoding import decoded
from daemon.transport.http import Answer, Api
from tests.each import each

BODY = b'{"data": [1, 2, 3], "name": "Jumper"}' * 10
MOST = 64 * 1024


def raw_deflate(content: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-15)
    return pack.compress(content) + pack.flush()


def members(content: bytes, size: int) -> bytes:
    return b"".join(gzip.compress(content[start : start + size]) for start in range(0, len(content), size))


ZIPPED = gzip.compress(BODY)
READABLE = {
    "no coding": ("identity", BODY),
    "no coding, oddly written": (" IDENTITY ,", BODY),
    "a character set": ("UTF-8", BODY),
    "a character set in small letters": ("utf-8", BODY),
    "none": ("none", BODY),
    "nothing": ("", BODY),
    "a transfer's framing": ("aws-chunked", BODY),
    "gzip": ("gzip", ZIPPED),
    "gzip in capitals": ("GZIP", ZIPPED),
    "gzip with space": (" gzip\t", ZIPPED),
    "gzip's old name": ("x-gzip", ZIPPED),
    "two members": ("gzip", members(BODY, 200)),
    "many members": ("gzip", members(BODY, 1)),
    "an empty member": ("gzip", gzip.compress(b"") + ZIPPED + gzip.compress(b"")),
    "padding": ("gzip", ZIPPED + bytes(512)),
    "something behind": ("gzip", ZIPPED + b"\r\n"),
    "zlib": ("deflate", zlib.compress(BODY)),
    "deflate without a wrapper": ("Deflate", raw_deflate(BODY)),
    "twice": ("gzip, gzip", gzip.compress(ZIPPED)),
    "in turn": ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    "beside no codings": ("utf-8, gzip, identity", ZIPPED),
    "gzip, unpacked on the way": ("gzip", BODY),
    "deflate, unpacked on the way": ("deflate", BODY),
    "gzip with a parameter": ("gzip;q=1.0", ZIPPED),
    "gzip in quotation marks": ('"gzip"', ZIPPED),
    "gzip without a word": ("", ZIPPED),
    "gzip that is called UTF-8": ("UTF-8", ZIPPED),
    "gzip, packed once more on the way": ("gzip", gzip.compress(ZIPPED)),
    "brotli, unpacked on the way": ("br", BODY),
    "a page, unpacked on the way": ("gzip", b"\n<html>"),
}


async def _answer(encodings: list[str], body: bytes) -> Answer:
    headers = [("Content-Encoding", encoding) for encoding in encodings]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body)))
    return await Api("https://app.example", headers={}, transport=transport).send("GET", "/")


@pytest.mark.holds("E04")
@each("what", [*READABLE])
async def test_a_readable_answer_is_read(what: str) -> None:
    encoding, body = READABLE[what]
    plain = body if what.startswith("a page") else BODY
    assert (await _answer([encoding], body)).body == plain


@pytest.mark.holds("E04")
async def test_several_headers_are_one_list() -> None:
    assert (await _answer(["deflate", "gzip"], gzip.compress(zlib.compress(BODY)))).body == BODY


UNREADABLE = {
    "brotli": ("br", b"\x0b\x02\x80", "undecodable"),
    "zstd": ("zstd", b"\x28\xb5\x2f\xfd\x00", "undecodable"),
    "no gzip": ("gzip", b"hello", "undecodable"),
    "no deflate": ("deflate", b"\xff\xff\xff", "undecodable"),
    "damaged gzip": ("gzip", ZIPPED[:-8] + bytes(8), "undecodable"),
    "gzip cut off": ("gzip", ZIPPED[:-1], "truncated"),
    "gzip's first byte": ("gzip", ZIPPED[:1], "truncated"),
    "a second member cut off": ("gzip", ZIPPED + ZIPPED[:-9], "truncated"),
    "deflate cut off": ("deflate", zlib.compress(BODY)[:-5], "truncated"),
    "codings without end": (", ".join(["gzip"] * 5), ZIPPED, "undecodable"),
}


@pytest.mark.holds("E04")
@each("what", [*UNREADABLE])
async def test_an_unreadable_answer_is_asked_for_again(what: str) -> None:
    encoding, body, reason = UNREADABLE[what]
    with pytest.raises(Retry) as failure:
        await _answer([encoding], body)
    assert (failure.value.reason, failure.value.effect_unknown) == (reason, True)


@pytest.mark.holds("E04")
@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(MOST + 1))),
        ("gzip", gzip.compress(bytes(MOST)) + gzip.compress(b"1")),
        ("gzip", gzip.compress(b"") * 20_000),
        ("deflate", zlib.compress(bytes(MOST + 1))),
        ("deflate", raw_deflate(bytes(MOST + 1))),
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(MOST * 1000)))),
        ("", gzip.compress(bytes(MOST + 1))),
    ],
    ids=["gzip", "two members", "20,000 members", "zlib", "raw deflate", "twice", "without a word"],
)
def test_a_bomb_is_bounded(encoding: str, bomb: bytes) -> None:
    with pytest.raises(Retry, match="larger than"):
        decoded(bomb, encoding, MOST)


def test_what_fits_exactly_is_taken() -> None:
    assert decoded(gzip.compress(bytes(MOST)), "gzip", MOST) == bytes(MOST)


@each(("name", "cut"), list(itertools.product(("gzip", "deflate"), range(1, 40, 5))))
def test_wherever_it_is_cut_off_nothing_is_taken_for_whole(name: str, cut: int) -> None:
    packed = gzip.compress(BODY) if name == "gzip" else zlib.compress(BODY)
    with pytest.raises(Retry, match=r"incomplete|unpacked"):
        decoded(packed[:-cut], name, MOST)


MARKED = {
    "UTF-8": codecs.BOM_UTF8 + '{"a": "é"}'.encode(),
    "UTF-16, little endian": codecs.BOM_UTF16_LE + '{"a": "é"}'.encode("utf-16-le"),
    "UTF-16, big endian": codecs.BOM_UTF16_BE + '{"a": "é"}'.encode("utf-16-be"),
    "UTF-32": codecs.BOM_UTF32_LE + '{"a": "é"}'.encode("utf-32-le"),
    "none": '{"a": "é"}'.encode(),
}


@pytest.mark.holds("E22")
@each("what", [*MARKED])
async def test_a_byte_order_mark_is_no_part_of_an_answer(what: str) -> None:
    assert (await _answer([], MARKED[what])).body == '{"a": "é"}'.encode()
    assert (await _answer(["gzip"], gzip.compress(MARKED[what]))).body == '{"a": "é"}'.encode()
    assert text_of(MARKED[what]) == '{"a": "é"}'


def test_what_is_not_what_its_mark_says_stays_as_it_is() -> None:
    assert without_mark(b"\xff\xfe\x00") == b"\xff\xfe\x00"
    with pytest.raises(UnicodeDecodeError):
        text_of(b"\xff\xfe\x00")
