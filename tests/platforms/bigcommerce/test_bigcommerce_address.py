"""Addresses that BigCommerce delivers webhooks to: https on port 443, on the internet."""

from attrs import evolve

from daemon.model import Secret
from daemon.platforms.bigcommerce.settings import BigCommerceSettings, public_url_fault
from tests.each import each

STORE = BigCommerceSettings(store_hash="abc", access_token=Secret("t"))


@each(
    "url",
    ["https://sync.example.com", "https://sync.example.com:443/below", "https://8.8.8.8", "https://[2606:4700::1]"],
)
def test_an_address_on_the_internet_is_taken(url: str) -> None:
    assert public_url_fault(STORE, url) is None


@each(
    ("url", "wrong"),
    [
        ("http://sync.example.com", "https only"),
        ("http://127.0.0.1:8080", "https only"),
        ("https://sync.example.com:8443/below", "port 443 only, not to 8443"),
        ("https://localhost", "this machine"),
        ("https://LOCALHOST.", "this machine"),
        ("https://127.0.0.1", "this machine"),
        ("https://127.1.2.3:443", "this machine"),
        ("https://[::1]", "this machine"),
        ("https://0.0.0.0", "this machine"),
        ("https://10.0.0.5", "private network"),
        ("https://192.168.1.2", "private network"),
        ("https://169.254.1.1", "private network"),
        ("https://[fd00::1]", "private network"),
        ("https://sync", "private network"),
        ("https://sync.internal", "private network"),
    ],
)
def test_an_address_that_is_refused_is_told_with_the_remedy_in_one_line(url: str, wrong: str) -> None:
    fault = public_url_fault(STORE, url)
    assert fault is not None
    assert wrong in fault
    assert fault.endswith(
        "; set the https address, on port 443, at which the reverse proxy is reached from the internet"
    )
    assert "\n" not in fault


def test_nothing_is_said_of_a_stand_in_on_this_machine() -> None:
    assert public_url_fault(evolve(STORE, api_url="http://127.0.0.1:1234"), "http://127.0.0.1:8080") is None
