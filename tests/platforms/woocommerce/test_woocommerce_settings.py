"""The settings of a shop: one spelling of its address, https, and values that can be used as they are."""

from typing import Any

import pytest

from daemon.model import Secret
from daemon.platforms.woocommerce.settings import delivery_fault, shop_address
from tests.each import each
from tests.platforms.woocommerce.recorded import settings


@each(
    ("text", "address"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("  https://Shop.Example.COM./ \n", "https://shop.example.com"),
        ("shop.example.com", "https://shop.example.com"),
        ("HTTPS://shop.example.com:443//", "https://shop.example.com"),
        ("https://shop.example.com:8443/", "https://shop.example.com:8443"),
        ("https://example.com/Store/", "https://example.com/Store"),
        ("https://example.com/store/wp-json/wc/v3/", "https://example.com/store"),
        ("https://example.com/wp-admin/edit.php?post_type=product#x", "https://example.com"),
        ("https://example.com/?p=1", "https://example.com"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://MÜLLER.example/", "https://xn--mller-kva.example"),
        ("https://xn--mller-kva.example", "https://xn--mller-kva.example"),
        ("straße.example", "https://xn--strae-oqa.example"),
        ("https://shop。example", "https://shop.example"),
        ("https://shop_1.example", "https://shop_1.example"),
        ("https://example.com/café/", "https://example.com/caf%C3%A9"),
        ("https://example.com/caf%C3%A9", "https://example.com/caf%C3%A9"),
    ],
)
def test_the_address_has_one_spelling(text: str, address: str) -> None:
    assert settings(store_url=text).store_url == address
    assert shop_address(address) == address


@each(
    "text",
    [
        *("", "http://shop.example.com", "ftp://x.com", "https://", "https://u:p@x.com", "https://x.com:y", "a b"),
        *("https:/x.com", "https://a..com", f"https://{'a' * 64}.com", "https://-a.com", "https://a-.com"),
        *("https://xn--zzzzzzzzzzzzzz9999.com", "https://999.1.1.1", "https://x.com\\y", "https://☃.com"),
        *("https://[fe80::1%25eth0]", f"https://{'.'.join(['a' * 60] * 5)}"),
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^store_url: must"):
        settings(store_url=text)


@each(
    ("changes", "words"),
    [
        ({"consumer_key": Secret("ck:1")}, "consumer_key"),
        ({"consumer_key": Secret("")}, "consumer_key"),
        ({"consumer_secret": Secret("a\nb")}, "consumer_secret"),
        ({"webhook_secret": Secret("")}, "webhook_secret"),
        ({"webhook_secret": Secret("a\nb")}, "webhook_secret"),
        ({"b2b_roles": ()}, "b2b_roles"),
        ({"b2b_roles": ("",)}, "b2b_roles"),
        ({"attribute_prefix": " "}, "attribute_prefix"),
        ({"cart_meta_field": "a,b"}, "cart_meta_field"),
    ],
)
def test_unusable_values_are_refused_without_a_quotation(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}: ") as caught:
        settings(**changes)
    assert "\n" not in str(caught.value)
    assert "ck:1" not in str(caught.value)


@each(
    ("shop", "url", "words"),
    [
        ("https://shop.example.com", "https://ignite.example.com", None),
        ("https://shop.example.com", "http://ignite.example.com", None),
        ("https://shop.example.com", "https://ignite.example.com:8080", None),
        ("https://shop.example.com", "https://ignite.example.com:8443", "ports 80, 443 and 8080"),
        ("https://shop.example.com", "https://10.0.0.7", "private network"),
        ("https://shop.example.com", "https://ignite.internal", "private network"),
        ("https://shop.internal", "https://shop.internal", None),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9999", None),
    ],
)
def test_the_public_url_is_one_that_shops_deliver_to(shop: str, url: str, words: str | None) -> None:
    fault = delivery_fault(shop, url)
    assert fault is None if words is None else words in (fault or "")
