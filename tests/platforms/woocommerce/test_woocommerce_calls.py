"""The number of calls that work costs a shop, counted in the whole daemon; and a slow shop, which is never pressed."""

import trio
from trio.testing import MockClock

from daemon.sandbox import Shop
from daemon.sandbox.woocommerce import B2B_ROLE
from tests.platforms.woocommerce.edits import cart
from tests.platforms.woocommerce.whole import whole_daemon


def large_shop(products: int = 300, *, customers: int = 0, orders: int = 0) -> Shop:
    """Return a shop with 300 products, of which 46 are variable and have 253 variations, or with the first of them."""
    shop = Shop()
    for number in range(products):
        # Two pages have more variations than one call takes, so only pooled calls are few.
        variable = number % 100 < (19 if number < 200 else 8)
        sizes = [str(size) for size in range(5 + number % 2 + (number == 206))] if variable else []
        sold = [{"sku": f"S{number}-{size}", "options": {"Size": size}, "price": "9", "stock": 3} for size in sizes]
        sku, price, stock = ("", "", None) if sold else (f"S{number}", "9", 3)
        shop.add_product(f"Product {number}", sku=sku, price=price, stock=stock, variants=sold, silent=True)
    if customers:
        shop.customers.add_role(B2B_ROLE)
    for number in range(customers):
        shop.customers.add(f"c{number}@example.com", roles=["customer", B2B_ROLE], silent=True)
    for number in range(orders):
        shop.orders.place(0, [{"sku": "S0-0"}], cart_id=cart(str(number)), silent=True)
    return shop


async def test_a_slow_shop_never_has_more_than_four_calls_and_live_changes_wait_for_none(
    autojump_clock: MockClock,
) -> None:
    """A page takes 2 s. Amid the first full sync, each of a simple and a variable product is edited."""
    shop = large_shop(150, customers=40, orders=20)
    async with whole_daemon(shop) as whole:
        await whole.synced()
        whole.traffic.seconds = 2.0
        for kind in ("products", "customers", "orders"):
            await whole.daemon.admin.sync({"site": "test/sandbox", "kind": kind, "refresh": True})
        await trio.sleep(3)
        variable = next(row for row in shop.tops.values() if row.type == "variable")
        late = []
        for number, product in enumerate([shop.by_sku("S99"), variable]):
            title = f"Live {number}"
            shop.set_title(product.id, title)
            began = trio.current_time()

            async def arrived(title: str = title) -> bool:
                return bool(any(one.title == title for one in whole.site.state.products.products.values()))

            await whole.until(arrived, every=0.1)
            late.append(trio.current_time() - began)
        assert any(kind["full_sync"]["state"] != "ended" for kind in (await whole.status())["kinds"].values())
        assert max(late) <= 5
        await trio.sleep(1800)
        assert await whole.is_idle()
        assert whole.traffic.most_open <= 4
