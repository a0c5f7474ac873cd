"""An operator at work in a browser: logs in, sees which connection needs what, acts, and finds an entity."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, StorageState, expect

from daemon.listener.page.login import WRONG
from tests.prove.browser.conftest import OpenVisitor
from tests.prove.browser.pages import dry_run, search
from tests.prove.browser.site import ANNA, Site
from tests.prove.browser.visitor import Visitor, serve

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]

TOYS, BOOKS = "/sites/test/toys", "/sites/test/books"


def row(visitor: Visitor, name: str) -> Locator:
    """Return the row of a table that begins with a name."""
    return visitor.page.get_by_role("row").filter(has=visitor.page.get_by_role("rowheader", name=name))


def tab_to(visitor: Visitor, target: Locator) -> None:
    """Press the tab key until a target has the focus."""
    for _ in range(200):
        visitor.page.keyboard.press("Tab")
        if target.evaluate("target => target === document.activeElement"):
            return
    raise AssertionError(f"the tab key does not reach {target}")


def test_a_token_logs_in_and_a_wrong_one_does_not(visit: OpenVisitor) -> None:
    visitor = visit()
    visitor.refusals.add(401)
    visitor.go("/audit")
    expect(visitor.page).to_have_url(re.compile(r"/login\?next=/audit$"))
    visitor.log_in("wrong")
    expect(visitor.page.get_by_role("alert")).to_have_text(WRONG)
    expect(visitor.page.get_by_label("Your token")).to_be_empty()
    visitor.log_in(ANNA)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Connections")
    visitor.press("Log out")
    expect(visitor.page.get_by_label("Your token")).to_be_focused()
    visitor.go("/audit")
    expect(visitor.page).to_have_url(re.compile(r"/login\?next=/audit$"))


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_link_in_a_message_leads_to_its_page(
    visit: OpenVisitor, anna: StorageState, site: Site, *, logged_in: bool
) -> None:
    visitor = visit(anna if logged_in else None)
    address = f"{site.url}{TOYS}?kind=customers"
    serve(visitor, "http://mail.test/", f'<a href="{address}">test/toys needs attention</a>')
    visitor.go("http://mail.test/")
    visitor.page.get_by_role("link").click()
    if not logged_in:
        visitor.page.get_by_label("Your token").fill(ANNA)
        visitor.press("Log in")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("test/toys")
    expect(visitor.page).to_have_url(address)
    if logged_in:
        visitor.page.go_back()
        expect(visitor.page.get_by_role("link")).to_have_text("test/toys needs attention")


def test_every_state_is_seen_at_a_glance_the_most_urgent_first(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = visit(anna)
    visitor.go("/")
    sites = visitor.page.get_by_role("rowheader").get_by_role("link")
    expect(sites).to_have_text([re.compile(f"test/{name}") for name in ("garden", "bikes", "kitchen", "toys", "books")])
    for name, texts in {
        "test/garden": ("blocked", "The store refuses the credentials. Renew them there", "since"),
        "test/bikes": (
            "needs attention",
            "webhooks not registered; 3 customers parked; 8 removals of customers held",
            "full sync of products (71 %)",
            "1 missing",
        ),
        "test/books": ("working", "registered"),
    }.items():
        for text in texts:
            expect(row(visitor, name)).to_contain_text(text)
    row(visitor, "test/bikes").get_by_role("link", name="7 issues of test/bikes").click()
    expect(visitor.page.get_by_role("heading", name="Issues (7)")).to_be_in_viewport()
    visitor.page.get_by_text("store/order/refund/created is missing: BigCommerce answered 422").wait_for()
    for heading in ("Issues (7)", "Parked changes (3)", "Held removals (8)"):
        visitor.page.get_by_role("heading", name=heading).wait_for()
    visitor.page.get_by_text('Variant "M" (id 54) has no SKU, so it was not synced.').wait_for()
    expect(visitor.page.get_by_role("progressbar", name="Full sync of products")).to_have_attribute("value", "71")
    issue = visitor.page.get_by_role("link", name="Open Mountain Bike Socks in the store")
    expect(issue).to_have_attribute("href", "https://store-bikes.example/manage/products/edit/3")


def test_a_full_sync_is_started_seen_to_proceed_and_ends(visit: OpenVisitor, anna: StorageState, site: Site) -> None:
    visitor = visit(anna)
    visitor.go(BOOKS)
    products, progress = row(visitor, "products"), visitor.page.get_by_role("progressbar")
    with site.hold("books", "PATCH */products/*2") as held:
        visitor.press("Refresh products")
        expect(
            visitor.page.get_by_role("status").filter(has_text="A full sync that writes everything was started.")
        ).to_be_visible()
        site.run(held.arrived)
        # From here on nothing is loaded: what changes comes as server-sent events.
        visitor.page.evaluate("window.loaded = true")
        expect(progress).to_have_js_property("value", 50)
        expect(products).to_contain_text("2 seen, 1 done, 0 failed")
        expect(products.get_by_role("button")).to_have_text(["Cancel products"])
        expect(visitor.page.get_by_text("full sync of products (50 %)")).to_be_visible()
    expect(products).to_contain_text("2 seen, 2 done, 0 failed")
    expect(products).to_contain_text("(refresh): succeeded")
    expect(progress).to_have_count(0)  # it is hidden
    expect(visitor.page.get_by_text("This page is out of date.")).to_be_visible()
    assert visitor.page.evaluate("window.loaded")
    visitor.page.get_by_role("link", name="Reload it").click()
    expect(products).to_contain_text("(refresh): succeeded")
    expect(progress).to_have_count(0)


@pytest.mark.parametrize("trouble", ["refused", "hung up", "silent"])
def test_a_page_says_since_when_it_is_not_live_until_it_is_again(
    visit: OpenVisitor, anna: StorageState, site: Site, trouble: str
) -> None:
    visitor, events = visit(anna), re.compile("/events")
    visitor.page.clock.install()
    notice = visitor.page.get_by_text(re.compile(r"No live updates since \d\d:\d\d UTC"))
    if trouble == "refused":
        visitor.refusals.add(401)
        visitor.context.route(events, lambda route: route.fulfill(status=401))
        visitor.go(BOOKS)
    else:
        with visitor.page.expect_response(events):
            visitor.go(BOOKS)
        visitor.context.route(events, lambda route: route.abort("connectionrefused"))
    if trouble == "hung up":
        site.run(site.process.hang_up)  # it ends the stream, and the browser asks again in vain
    expect(notice).to_be_hidden()
    visitor.page.clock.fast_forward("00:45")
    expect(notice).to_be_visible()
    expect(notice.get_by_role("link")).to_have_attribute("href", BOOKS)
    visitor.context.unroute_all()
    visitor.page.clock.fast_forward("00:45")
    expect(notice).to_be_hidden()
    visitor.troubles = [trouble for trouble in visitor.troubles if "ERR_CONNECTION_REFUSED" not in trouble]


def test_a_pause_is_seen_refuses_reads_and_keeps_what_comes_until_it_ends(
    visit: OpenVisitor, anna: StorageState, site: Site
) -> None:
    visitor, watcher = visit(anna), visit(anna)
    visitor.refusals.add(400)
    watcher.go("/")
    books = site.benches["books"]
    visitor.go(BOOKS)
    visitor.press("Pause this connection")
    expect(visitor.page.get_by_role("status").filter(has_text="no calls are made for it")).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Sync products")).to_have_count(0)
    expect(row(watcher, "test/books")).to_contain_text(re.compile(r"paused\s+since \d"))
    before = site.portal.call(books.sparklayer.state.comparable)["products"]["1"]
    site.portal.call(books.store.set_title, 1, "Written while it was paused")
    site.when("books", "products", lambda kind: kind["outbox"]["live"] == 1)
    search(visitor, "test/books", "1")
    expect(visitor.page.get_by_role("alert")).to_contain_text("The connection test/books is paused")
    dry_run(visitor, "books")
    expect(visitor.page.get_by_role("alert")).to_contain_text("The connection test/books is paused")
    assert site.portal.call(books.sparklayer.state.comparable)["products"]["1"] == before
    visitor.go(BOOKS)
    visitor.press("Resume this connection")
    expect(visitor.page.get_by_role("status").filter(has_text="The connection was resumed.")).to_be_visible()
    site.until_sparklayer("books", "products", lambda products: "while it was paused" in str(products["1"]))
    expect(row(watcher, "test/books")).to_contain_text("working")
    expect(row(watcher, "test/books")).not_to_contain_text("since")


def test_a_dry_run_grows_is_joined_and_names_what_a_full_sync_would_do(
    visit: OpenVisitor, ben: StorageState, site: Site
) -> None:
    visitor, other = visit(ben), visit(ben)
    with site.hold("toys", "GET */v3/customers*", store=True) as held:
        dry_run(visitor, "toys")
        log = visitor.page.get_by_role("log", name="Progress")
        expect(log).to_contain_text("7 products")
        site.run(held.arrived)
        dry_run(other, "toys", "orders")
        expect(other.page.get_by_text("A dry run of this site was running already.")).to_be_visible()
    for each in (visitor, other):
        expect(each.page.get_by_role("link", name="Start another dry run")).to_be_visible()
        expect(row(each, "products")).to_contain_text("7")
        expect(row(each, "customers")).to_be_visible()
        expect(each.page.get_by_text('Variant "M" (id 54) has no SKU').first).to_be_visible()


def test_a_dry_run_of_a_blocked_connection_says_what_it_could_not_read(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = visit(anna)
    dry_run(visitor, "garden")
    expect(visitor.page.get_by_role("alert")).to_contain_text(
        "This is incomplete: BigCommerce: BigCommerce answered 401"
    )
    expect(row(visitor, "products")).to_contain_text("not read to the end")


def test_the_issues_are_downloaded_as_they_are_filtered(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = visit(anna)
    visitor.go("/sites/test/bikes")
    visitor.page.get_by_label("Problem").select_option("variant_without_sku")
    visitor.press("Filter")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "issues-test-bikes.csv"
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert {row["code"] for row in rows} == {"variant_without_sku"}
    [socks] = [row for row in rows if row["id"] == "3"]
    assert (socks["site"], socks["kind"], socks["name"]) == ("test/bikes", "products", "Mountain Bike Socks")
    assert socks["link"] == "https://store-bikes.example/manage/products/edit/3"
    expect(visitor.page.locator("#issues ~ ul.rows").first.get_by_role("listitem").first).to_be_visible()


def test_a_merchants_link_shows_what_to_mend_until_it_expires(visit: OpenVisitor, site: Site) -> None:
    merchant = visit()
    merchant.refusals.add(404)
    merchant.go(site.link("bikes", seconds=3600))
    merchant.page.get_by_text('Variant "M" (id 54) has no SKU, so it was not synced. Add a SKU').wait_for()
    expect(merchant.page.get_by_role("button")).to_have_count(0)
    assert merchant.go(site.link("bikes", seconds=0)).status == 404
    expect(merchant.page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    expect(merchant.page.get_by_text("SKU")).to_have_count(0)


def test_a_parked_change_is_retried_and_another_dropped(visit: OpenVisitor, anna: StorageState, site: Site) -> None:
    visitor = visit(anna)
    visitor.go(TOYS)
    visitor.press("Retry 10")
    expect(visitor.page.get_by_role("status").filter(has_text="The parked changes will be retried.")).to_be_visible()
    site.until_sparklayer("toys", "customers", lambda customers: "Renamed" in str(customers["10"]))
    visitor.press("Drop 11")
    expect(visitor.page.get_by_role("status").filter(has_text="The parked changes were dropped.")).to_be_visible()
    for gone in ("Retry 10", "Drop 10", "Retry 11", "Drop 11"):
        expect(visitor.page.get_by_role("button", name=gone)).to_have_count(0)
    expect(visitor.page.get_by_role("button", name="Retry 12")).to_be_visible()
    site.until_sparklayer("toys", "customers", lambda customers: "Renamed" not in str(customers["11"]))


def test_removals_are_allowed_by_name(visit: OpenVisitor, anna: StorageState, site: Site) -> None:
    visitor = visit(anna)
    visitor.go(TOYS)
    chosen = [visitor.page.get_by_label(name) for name in ("Riders Company", "Nationwide Supply")]
    for box in chosen:
        box.check()
    visitor.press("Allow the selected removals of customers")
    expect(visitor.page.get_by_role("status").filter(has_text="The removals were allowed.")).to_be_visible()
    site.until_sparklayer("toys", "customers", lambda customers: not customers.keys() & {"3", "5"})
    site.until_sparklayer("toys", "customers", lambda customers: customers.keys() >= {"1", "2", "6", "7", "8"})
    for box in chosen:
        expect(box).to_have_count(0)


def test_the_keyboard_alone_is_enough(visit: OpenVisitor, site: Site) -> None:
    visitor = visit()
    page, keyboard = visitor.page, visitor.page.keyboard
    visitor.go("/")
    expect(page.get_by_label("Your token")).to_be_focused()
    keyboard.type(ANNA)
    keyboard.press("Enter")
    page.get_by_role("heading", name="Connections").wait_for()
    keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    keyboard.press("Enter")
    tab_to(visitor, page.get_by_role("link", name="test/toys", exact=True))
    keyboard.press("Enter")
    page.get_by_role("heading", name="test/toys").wait_for()
    tab_to(visitor, page.get_by_role("button", name="Sync orders", exact=True))
    keyboard.press("Space")
    expect(page.get_by_role("status").filter(has_text="A full sync was started.")).to_be_visible()
    tab_to(visitor, page.get_by_label("The Bike Mechanics"))
    keyboard.press("Space")
    tab_to(visitor, page.get_by_role("button", name="Allow the selected removals of customers"))
    keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="The removals were allowed.")).to_be_visible()
    site.until_sparklayer("toys", "customers", lambda customers: "4" not in customers)


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("SO-B909-L", "products 3: Mountain Bike Socks"),
        ("Mountain Bike Socks", "products 3: Mountain Bike Socks"),
        ("carla0@adventure-works.com", "customers 8: Clamps & Brackets Co."),
        ("#104", "orders 104"),
        ("104", "orders 104"),
    ],
)
def test_a_search_finds_what_people_call_it(visit: OpenVisitor, anna: StorageState, text: str, heading: str) -> None:
    visitor = visit(anna)
    search(visitor, "test/bikes", text)
    visitor.page.get_by_role("heading", name=re.compile(f"^{re.escape(heading)}")).first.wait_for()
    assert text not in visitor.page.url


def test_a_search_says_why_a_variant_is_missing_and_that_nothing_is_known(
    visit: OpenVisitor, anna: StorageState
) -> None:
    visitor = visit(anna)
    search(visitor, "test/bikes", "Road-150")
    visitor.page.get_by_text('Variant "62" (id 78) has no SKU, so it was not synced. Add a SKU').wait_for()
    search(visitor, "test/bikes", "no-such-sku")
    expect(
        visitor.page.get_by_role("status").filter(
            has_text="Nothing was found for no-such-sku in the store or in SparkLayer."
        )
    ).to_be_visible()
