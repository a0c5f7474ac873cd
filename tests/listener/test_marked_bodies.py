"""JSON that is sent with a byte order mark is read like any other, by whatever takes JSON."""

import codecs

import pytest

from daemon.errors import Invalid
from daemon.listener.http.messages import Request
from daemon.listener.routes import json_object
from daemon.model import Change, ExternalId, Kind, Secret
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import BigCommerceWebhooks
from tests.each import each

ENVELOPE = '{"scope":"store/product/updated","data":{"type":"product","id":205}}'
MARKED = {
    "UTF-8": codecs.BOM_UTF8 + ENVELOPE.encode(),
    "UTF-16, little endian": codecs.BOM_UTF16_LE + ENVELOPE.encode("utf-16-le"),
    "UTF-16, big endian": codecs.BOM_UTF16_BE + ENVELOPE.encode("utf-16-be"),
    "none": ENVELOPE.encode(),
}


def sent(body: bytes) -> Request:
    return Request("POST", "/x", "", {b"content-type": b"application/json"}, body, keep_alive=True)


@pytest.mark.holds("E22")
@each("what", [*MARKED])
def test_a_body_is_read_with_its_mark(what: str) -> None:
    assert json_object(sent(MARKED[what]))["scope"] == "store/product/updated"
    settings = BigCommerceSettings(store_hash="abc", access_token=Secret("t"), webhook_secret=Secret("s"))
    delivery = BigCommerceWebhooks(settings).read({}, MARKED[what])
    assert delivery.changes == (Change(Kind.PRODUCTS, ExternalId("205")),)


@pytest.mark.holds("E22")
@each("body", [codecs.BOM_UTF16_LE + b"{", codecs.BOM_UTF8 * 2 + b"{}", b"\xff\xff"])
def test_a_mark_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        json_object(sent(body))


def test_a_mark_alone_says_nothing() -> None:
    assert json_object(sent(codecs.BOM_UTF8)) == {}
