"""The sandbox's page in the browser: a person edits, breaks SparkLayer, and sees each change arrive."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.exploring import exploring
from tests.prove.browser.test_appearance import SCHEMES, found_by_axe
from tests.prove.browser.visitor import Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    with exploring("bigcommerce") as demo:
        visitor = Visitor(demo.url, chromium.new_context())
        yield visitor
        visitor.context.close()
        assert visitor.troubles == []


def test_a_person_edits_the_store_and_sees_it_arrive(visitor: Visitor) -> None:
    visitor.go("/")
    page = visitor.page
    product, orders = page.locator("#product-rows tr"), page.locator("#order-rows tr")
    expect(product.first).to_contain_text("same")
    page.get_by_label("Title").fill("<b>By hand</b>")
    visitor.press("Change the title")
    expect(product.first).to_have_text(re.compile("^Title<b>By hand</b><b>By hand</b>same$"))

    page.get_by_label("Price").fill("-1")
    visitor.refusals.add(400)
    visitor.press("Change the price")
    expect(page.get_by_text("price: must be a price from 0")).to_be_visible()

    visitor.press("Break SparkLayer for 30 s")
    expect(page.get_by_text("SparkLayer does not answer for another")).to_be_visible()
    page.get_by_label("SKU", exact=True).select_option(index=1)
    sku = page.locator("#unit option:checked").inner_text()
    page.get_by_label("Stock").fill("4711")
    visitor.press("Change the stock")
    stock = product.filter(has_text=f"{sku}: stock")
    expect(stock).to_have_text(re.compile("4711.*differs"))
    page.get_by_label("Quantity").fill("3")
    visitor.press("Place the order")
    expect(orders.first).to_have_text("Stateorderorder_unconfirmeddiffers")
    visitor.press("Mend it now")
    expect(stock).to_have_text(re.compile("47(11|08).*same"))
    expect(orders.first).to_have_text("Stateorderordersame")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert found_by_axe(page) == []
    assert page.get_by_role("link", name="The operators' page").get_attribute("href") != visitor.url
