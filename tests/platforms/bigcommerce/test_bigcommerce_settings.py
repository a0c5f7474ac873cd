"""Invalid settings are refused in one line that names the field and no secret."""

from typing import Any

import pytest

from daemon.model import Secret
from daemon.platforms import load_platforms
from daemon.platforms.bigcommerce import PLATFORM
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from tests.each import each

GOOD: dict[str, Any] = {"store_hash": "abc123", "access_token": Secret("token")}


def test_the_platform_is_found_by_its_name() -> None:
    assert load_platforms()["bigcommerce"] is PLATFORM
    assert PLATFORM.price_list == ("BigCommerce Price", "bigcommerce-price")


def test_what_is_not_said_has_a_default() -> None:
    settings = BigCommerceSettings(**GOOD, api_url="https://api.example.com/")
    assert settings.api_url == "https://api.example.com"
    assert BigCommerceSettings(**GOOD).api_url == "https://api.bigcommerce.com"
    assert (settings.client_secret, settings.webhook_secret, settings.b2b_customer_groups) == (None, None, ())


@each(
    ("name", "value"),
    [
        ("store_hash", ""),
        ("store_hash", "../v2"),
        ("store_hash", "a\nbc"),
        ("access_token", Secret("")),
        ("access_token", Secret("hush\r\nhush")),
        ("webhook_secret", Secret("hush hush")),
        ("client_secret", Secret("hüsh")),
        ("api_url", "api.bigcommerce.com"),
        ("api_url", "https://api.bigcommerce.com/?x=1"),
        ("b2b_customer_groups", (0,)),
        ("customer_group_mapping", {0: "vip"}),
        ("customer_group_mapping", {3: " "}),
        ("order_staff_notes_pattern", "cart"),
        ("order_staff_notes_pattern", "(a)(b)"),
        ("order_staff_notes_pattern", "["),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: ") as refused:
        BigCommerceSettings(**{**GOOD, name: value})
    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


@each("pattern", ["", "cart: (.+)", "(a|b): (?P<cart_id>.+)"])
def test_a_pattern_says_where_the_cart_is(pattern: str) -> None:
    assert BigCommerceSettings(**GOOD, order_staff_notes_pattern=pattern).order_staff_notes_pattern == pattern
