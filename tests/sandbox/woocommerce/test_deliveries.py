"""Each recorded edit sends the recorded webhooks: the same topics about the same things, and no others."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tests.sandbox.woocommerce.small import ANN, BOB, JUMPER, MEDIUM, MUG, ORDER, SMALL

TOPICS = (
    *("product.created", "product.updated", "product.deleted", "product.restored", "product.published"),
    *("order.created", "order.updated", "order.deleted", "order.restored"),
    *("customer.created", "customer.updated", "customer.deleted", "coupon.created", "coupon.updated", "coupon.deleted"),
    *("action.woocommerce_product_set_stock", "action.woocommerce_variation_set_stock"),
)
"""Topics of the recorded webhooks."""

Edit = Callable[[Any], Awaitable[Any]]


def rest(method: str, path: str, body: Any = None) -> Edit:
    """Return an edit through the API."""

    async def edit(shop: Any) -> None:
        answer = await shop.ask(method, path, body)
        assert answer.status_code in {200, 201}, answer.text

    return edit


def by_hand(edit: Callable[[Any], Any]) -> Edit:
    """Return an edit of the shop's own."""

    async def act(running: Any) -> None:
        edit(running.shop)

    return act


def steps(*edits: Edit) -> Edit:
    async def act(running: Any) -> None:
        for edit in edits:
            await edit(running)

    return act


async def three_updates(running: Any) -> None:
    for level in (1, 2, 3):
        running.shop.set_stock(MUG, level)
        await running.woocommerce.webhooks.run_queue()


def written_directly(shop: Any) -> None:
    with shop.unstamped():
        shop.set_stock(MUG, 77, silent=True)


MUG_PATH, APRON = f"/products/{MUG}", f"/products/{JUMPER}/variations"
ORDERED = {"line_items": [{"product_id": MUG, "quantity": 2}]}
UPDATED = rest("PUT", f"/orders/{ORDER}", {"status": "processing"})

SCENARIOS: Mapping[str, Edit] = {
    "02_product_create_simple": rest(
        "POST", "/products", {"name": "Hammer", "regular_price": "19.99", "manage_stock": True, "stock_quantity": 10}
    ),
    "03_product_update_price": rest("PUT", MUG_PATH, {"regular_price": "21"}),
    "04_product_update_no_change": rest("PUT", MUG_PATH, {}),
    "05_product_five_updates_before_a_tick": steps(
        *(rest("PUT", MUG_PATH, {"regular_price": f"{price}"}) for price in range(5))
    ),
    "06_product_three_updates_with_ticks": three_updates,
    "07_product_create_draft": rest("POST", "/products", {"name": "Draft", "status": "draft"}),
    "08_product_publish_draft": steps(
        by_hand(lambda shop: shop.set_status(MUG, "draft", silent=True)), rest("PUT", MUG_PATH, {"status": "publish"})
    ),
    "09_product_create_variable": rest("POST", "/products", {"name": "Apron", "type": "variable", "attributes": []}),
    "10_variation_create": rest("POST", APRON, {"attributes": [{"name": "Size", "option": "L"}], "sku": "J-L"}),
    "11_variation_create_second": rest("POST", APRON, {"attributes": [{"name": "Size", "option": "XL"}]}),
    "12_variation_update_price": rest("PUT", f"{APRON}/{SMALL}", {"regular_price": "33"}),
    "13_variation_update_stock": rest("PUT", f"{APRON}/{SMALL}", {"stock_quantity": 4}),
    "14_variation_force_delete": rest("DELETE", f"{APRON}/{SMALL}?force=true"),
    "15_product_trash": rest("DELETE", MUG_PATH),
    "16_product_untrash_by_rest_status": steps(
        by_hand(lambda shop: shop.trash_product(MUG, silent=True)), rest("PUT", MUG_PATH, {"status": "publish"})
    ),
    "17_product_untrash_as_admin": by_hand(lambda shop: (shop.trash_product(MUG), shop.restore_product(MUG))),
    "18_product_force_delete": rest("DELETE", f"{MUG_PATH}?force=true"),
    "19_variable_product_trash": steps(
        by_hand(lambda shop: shop.delete_variation(MEDIUM)), rest("DELETE", f"/products/{JUMPER}")
    ),
    "21_customer_create": rest("POST", "/customers", {"email": "new@example.com", "first_name": "Nell"}),
    "22_customer_update": rest("PUT", f"/customers/{BOB}", {"last_name": "Quist"}),
    "23_customer_update_in_shop": by_hand(lambda shop: shop.customers.move_role(BOB, "customer")),
    "24_customer_usermeta_only": by_hand(lambda shop: shop.customers.set_meta(BOB, "sparklayer_group", "gold")),
    "25_customer_delete": rest("DELETE", f"/customers/{BOB}?force=true"),
    "26_order_create_pending": rest("POST", "/orders", ORDERED),
    "27_order_to_processing_reduces_stock": UPDATED,
    "28_order_meta_update": rest(
        "PUT", f"/orders/{ORDER}", {"meta_data": [{"key": "_tracking_number", "value": "RM1"}]}
    ),
    "29_order_note_only": by_hand(lambda shop: shop.orders.add_note(ORDER, "called the customer")),
    "30_order_completed": steps(
        by_hand(lambda shop: shop.orders.set_status(ORDER, "processing", silent=True)),
        rest("PUT", f"/orders/{ORDER}", {"status": "completed"}),
    ),
    "31_order_partial_refund": rest("POST", f"/orders/{ORDER}/refunds", {"amount": "1.50", "reason": "scuffed"}),
    "32_order_full_refund": rest("POST", f"/orders/{ORDER}/refunds", {}),
    "33_order_trash": rest("DELETE", f"/orders/{ORDER}"),
    "34_order_untrash_as_admin": by_hand(
        lambda shop: (shop.orders.trash(ORDER, silent=True), shop.orders.restore(ORDER))
    ),
    "35_order_force_delete": rest("DELETE", f"/orders/{ORDER}?force=true"),
    "36_stock_set_by_wc_update_product_stock": by_hand(lambda shop: shop.set_stock(MUG, 5)),
    "37_postmeta_written_directly": by_hand(written_directly),
    "38_wp_update_post_directly": by_hand(lambda shop: shop.set_title(MUG, "Renamed directly", silent=True)),
}


def ranked(deliveries: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    """Return topics with the rank of their id among the ids, so that two shops compare; their order is not promised."""
    ids = sorted({number for _, number in deliveries if number is not None})
    return sorted((topic, -1 if number is None else ids.index(number)) for topic, number in deliveries)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_an_edit_sends_the_recorded_webhooks(running: Any, recordings: Any, name: str) -> None:
    known = recordings("deliveries")["scenarios"][f"webhooks/{name}"]["deliveries"]
    async with running(cron_delay=None) as shop:
        await shop.register(*TOPICS)
        await SCENARIOS[name](shop)
        await shop.woocommerce.webhooks.run_queue()
        received = await shop.settled()
    assert ranked(received) == ranked([(row["topic"], row["id"]) for row in known])


def test_each_recorded_edit_of_the_first_shop_is_played(recordings: Any) -> None:
    elsewhere = {
        *("01_registration", "20_products_batch_update_50", "39_answers_and_failure_counts"),
        *("40_nine_changes_answered_500", "41_after_disabling", "42_reenable", "43_after_reenabling", "44_tidy"),
    }
    names = {name.partition("/")[2] for name in recordings("deliveries")["scenarios"] if name.startswith("webhooks/")}
    assert names == SCENARIOS.keys() | elsewhere


async def test_headers_and_signature_are_the_recorded_ones(running: Any, recordings: Any) -> None:
    known = recordings("deliveries")
    secret = 'with & " < and é'
    async with running() as shop:
        hook = {"topic": "product.updated", "delivery_url": "http://daemon/hook", "secret": secret}
        await shop.ask("POST", "/webhooks", hook)
        shop.shop.set_title(MUG, "Cup")
        await shop.woocommerce.webhooks.settled()
    (_, ping_headers, ping), (url, headers, body) = shop.inbox.received
    added = {"host", "content-length"}
    assert {name.lower() for name in known["ping_headers"][0]} == ping_headers.keys() | added
    assert {name.lower() for name in known["headers"][0]} == headers.keys() | added
    sample = {name.lower(): value for name, value in known["sample"]["headers"]}
    for name in ("user-agent", "accept", "accept-encoding", "connection", "content-type", "x-wc-webhook-topic"):
        assert headers[name] == sample[name]
    assert (ping, ping_headers["content-type"]) == (b"webhook_id=1", "application/x-www-form-urlencoded")
    assert (url, headers["x-wc-webhook-source"]) == ("http://daemon/hook", "http://shop.example/")
    signature = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    assert headers["x-wc-webhook-signature"] == signature


async def test_a_registration_pings_and_no_answer_matters(running: Any, recordings: Any) -> None:
    known = recordings("deliveries")["scenarios"]["webhooks/01_registration"]["deliveries"]
    async with running() as shop:
        shop.inbox.script = [None]
        for topic in TOPICS:
            await shop.ask("POST", "/webhooks", {"topic": topic, "delivery_url": "http://127.0.0.1:1/"})
        await shop.ask(
            "POST", "/webhooks", {"topic": TOPICS[0], "delivery_url": "http://127.0.0.1:1/", "status": "paused"}
        )
        await shop.woocommerce.webhooks.settled()
        hooks = await shop.get("/webhooks?per_page=100&orderby=id&order=asc")
    assert sorted(body.decode() for _, _, body in shop.inbox.received) == sorted(row["ping"] for row in known)
    assert [hook["status"] for hook in hooks] == ["active"] * len(TOPICS) + ["paused"]
    assert all("secret" not in hook and "failure_count" not in hook for hook in hooks)


@pytest.mark.parametrize("topic", ["customer.restored", "order.published", "nonsense", ""])
async def test_an_unknown_topic_is_refused_as_recorded(running: Any, recordings: Any, topic: str) -> None:
    async with running() as shop:
        answer = await shop.ask("POST", "/webhooks", {"topic": topic, "delivery_url": "http://daemon/"})
    assert answer.json() == recordings("deliveries")["invalid_topic"]
    assert answer.status_code == 400


async def test_a_batch_of_fifty_shares_delivery_ids(running: Any, recordings: Any) -> None:
    known = recordings("deliveries")["scenarios"]["webhooks/20_products_batch_update_50"]["deliveries"]
    async with running() as shop:
        ids = [shop.shop.add_product(f"Product {number}") for number in range(50)]
        await shop.register("product.updated")
        shop.shop.clock = lambda: 1_800_000_000
        await shop.ask("POST", "/products/batch", {"update": [{"id": number, "menu_order": 1} for number in ids]})
        await shop.woocommerce.webhooks.settled()
    assert len(known) == len(shop.inbox.received) == 50
    assert [number for _, number in shop.inbox.topics] == ids
    assert len({headers["x-wc-webhook-delivery-id"] for _, headers, _ in shop.inbox.received}) == 1


async def test_a_payload_is_of_the_moment_of_its_delivery(running: Any, recordings: Any) -> None:
    """An object that is gone, in the trash, or not to be seen any more leaves its error or state, signed."""
    known = recordings("deliveries")["scenarios"]
    async with running(cron_delay=None) as shop:
        await shop.register("product.created", "product.deleted")
        webhooks = shop.woocommerce.webhooks
        gone = shop.shop.add_product("Gone")
        shop.shop.delete_product(gone)
        trashed = shop.shop.add_product("Trashed")
        shop.shop.trash_product(trashed)
        await webhooks.run_queue()
        shop.woocommerce.keys.role_lost = True
        shop.shop.add_product("Unseen")
        await webhooks.run_queue()
    bodies = [json.loads(body) for _, _, body in shop.inbox.received]
    assert bodies[0] == known["webhooks3/02_created_then_force_deleted_before_delivery"]["deliveries"][0]["body"]
    assert (bodies[1]["id"], bodies[1]["status"], bodies[1]["slug"]) == (trashed, "trash", "trashed__trashed")
    assert bodies[2] == {"id": trashed}
    assert bodies[3] == known["webhooks3/04_webhook_owner_lost_rights"]["deliveries"][0]["body"]


async def test_a_blog_post_in_the_trash_passes_for_a_product(running: Any, recordings: Any) -> None:
    known = recordings("deliveries")["scenarios"]["webhooks2/03_blog_post_trashed"]["deliveries"]
    async with running() as shop:
        await shop.register("product.deleted", "coupon.deleted")
        post = shop.shop.trash_blog_post()
        received = await shop.settled()
    assert ranked(received) == ranked([(row["topic"], row["id"]) for row in known])
    assert {number for _, number in received} == {post}
    assert post not in shop.shop.products


async def test_who_has_another_first_role_is_deleted_silently(running: Any) -> None:
    async with running() as shop:
        await shop.register("customer.deleted", "customer.updated")
        shop.shop.customers.set_roles(ANN, ["sparklayer_b2b_base", "customer"])
        shop.shop.customers.delete(ANN)
        assert await shop.settled() == []
        shop.shop.customers.delete(BOB)
        assert await shop.settled() == [("customer.deleted", BOB)]


async def test_a_shared_stock_is_announced_with_all_that_share_it(running: Any) -> None:
    async with running() as shop:
        shop.shop.update(MEDIUM, manage_stock=False)
        await shop.register("product.updated")
        shop.shop.set_stock(JUMPER, 12)
        assert sorted(await shop.settled()) == [("product.updated", JUMPER), ("product.updated", MEDIUM)]
