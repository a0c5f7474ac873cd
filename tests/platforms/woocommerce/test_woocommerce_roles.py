"""A cache or a proxy that ignores the role of a question makes no customer B2B, and takes none away."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity
from daemon.platforms.shared.rows import Unreadable
from daemon.platforms.woocommerce.customers.mapping import RawCustomer
from tests.each import each
from tests.platforms.woocommerce.shop import ROLE, SECOND_ROLE, FakeShop

pytestmark = pytest.mark.holds("A1")

SHOWN, HIDDEN, SECOND, RETAIL, OWNER, OTHERS = 1, 2, 3, 4, 5, (6, 7, 8)
MEMBERS = {SHOWN, HIDDEN, SECOND}


class ProxiedShop(FakeShop):
    """A shop with a member, two members whose first role hides it, retail customers, and its owner.

    `proxy` answers the questions for a role, if it is given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.proxy: Callable[[FakeShop, httpx.Request], httpx.Response] | None = None
        self.known_roles = ["all", "administrator", "editor", "customer", ROLE, SECOND_ROLE]
        self.add_customers(SHOWN, roles=(ROLE,))
        self.add_customers(HIDDEN, roles=("customer", ROLE))
        self.add_customers(SECOND, roles=("customer", SECOND_ROLE))
        self.add_customers(RETAIL, *OTHERS, roles=("customer",))
        self.add_customers(OWNER, roles=("administrator",))

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.proxy is None or request.method != "GET" or "role" not in request.url.params:
            return super().answer(request)
        self.asked.append(request)
        return self.proxy(super(), request)  # type: ignore[arg-type]


def with_role(role: str) -> Callable[[FakeShop, httpx.Request], httpx.Response]:
    """Return a proxy that asks for one role, whichever it was asked for."""
    return lambda shop, request: shop.answer(_asking_for(role, request))


def _asking_for(role: str, request: httpx.Request) -> httpx.Request:
    return httpx.Request(request.method, request.url.copy_set_param("role", role))


def cached() -> Callable[[FakeShop, httpx.Request], httpx.Response]:
    """Return a proxy that answers as the shop did when the question was first asked, for whichever role."""
    kept: dict[httpx.URL, httpx.Response] = {}

    def answer(shop: FakeShop, request: httpx.Request) -> httpx.Response:
        key = _asking_for("", request).url
        if key not in kept:
            kept[key] = shop.answer(request)
        return kept[key]

    return answer


PROXIES = {
    "customers of all roles": lambda: with_role("all"),
    "customers of a retail role": lambda: with_role("customer"),
    "members of one role": lambda: with_role(ROLE),
    "no customers": lambda: with_role("editor"),
    "those of the first question": cached,
}


async def walk(shop: FakeShop) -> AsyncIterator[Entity]:
    cursor: str | None = None
    while True:
        page = await shop.adapter.page(Kind.CUSTOMERS, cursor)
        for entity in page.entities:
            yield entity
        cursor = page.cursor
        if cursor is None:
            return


async def sweep(shop: FakeShop) -> AsyncIterator[Entity]:
    cursor: str | None = None
    while True:
        page = await shop.adapter.changed_since(Kind.CUSTOMERS, 0.0, cursor)
        for entity in page.entities:
            yield entity
        cursor = page.cursor
        if cursor is None:
            return


async def read(shop: FakeShop) -> AsyncIterator[Entity]:
    found = await shop.adapter.read(Kind.CUSTOMERS, [ExternalId(str(id_)) for id_ in shop.customers], Lane.LIVE)
    for entity in found.values():
        yield entity


async def read_alone(shop: FakeShop) -> AsyncIterator[Entity]:
    for id_ in shop.customers:
        entity = await shop.adapter.read_one(Kind.CUSTOMERS, ExternalId(str(id_)), Lane.LIVE)
        assert entity is not None
        yield entity


WAYS: dict[str, Callable[[FakeShop], AsyncIterator[Entity]]] = {
    "walk": walk,
    "sweep": sweep,
    "read": read,
    "read alone": read_alone,
}


@each("way", WAYS)
@each("proxy", PROXIES)
async def test_lists_that_ignore_the_role_change_no_membership(
    autojump_clock: MockClock,
    proxy: Callable[[], Callable[[FakeShop, httpx.Request], httpx.Response]],
    way: Callable[[FakeShop], AsyncIterator[Entity]],
) -> None:
    """Each customer is told as it is, or not at all: it is read again, and so is a page."""
    shop = ProxiedShop()
    shop.proxy = proxy()
    told = {}
    with contextlib.suppress(Retry):
        async for entity in way(shop):
            if isinstance(entity.content, RawCustomer):
                told[int(entity.external_id)] = entity.content.is_b2b
            else:
                assert isinstance(entity.content, Unreadable)
    assert told == {id_: id_ in MEMBERS for id_ in told}
    shop.proxy = None
    after = {int(entity.external_id): entity.content.is_b2b async for entity in way(shop)}
    assert after == {id_: id_ in MEMBERS for id_ in after}
    assert after.keys() >= MEMBERS


async def test_a_person_with_three_roles_is_a_member_and_one_with_all_roles_stays_alone(
    autojump_clock: MockClock,
) -> None:
    shop = ProxiedShop()
    shop.add_customers(HIDDEN, roles=("customer", ROLE, "administrator"))
    shop.add_customers(RETAIL, roles=("customer", "editor", ROLE, "administrator"))
    found = {int(entity.external_id): entity.content async for entity in walk(shop)}
    assert {id_ for id_, content in found.items() if isinstance(content, RawCustomer)} == MEMBERS
    assert isinstance(found[RETAIL], Unreadable)


async def test_a_role_that_the_shop_no_longer_has_proves_nothing(autojump_clock: MockClock) -> None:
    shop = ProxiedShop()
    shop.add_customers(RETAIL, roles=("lost",))
    entity = await shop.adapter.read_one(Kind.CUSTOMERS, ExternalId(str(RETAIL)), Lane.LIVE)
    assert entity is not None
    assert not entity.content.is_b2b


async def test_a_sweep_asks_again_only_about_customers_that_it_has_not_seen_as_members(
    autojump_clock: MockClock,
) -> None:
    shop = ProxiedShop()
    assert {int(entity.external_id) async for entity in walk(shop)} == MEMBERS
    shop.asked.clear()
    assert {int(entity.external_id) async for entity in sweep(shop)} == MEMBERS
    assert {query["role"] for query in shop.queries("/customers")} == {ROLE, SECOND_ROLE}
    shop.proxy = with_role("all")
    with pytest.raises(Retry):
        _ = [entity async for entity in sweep(shop)]
