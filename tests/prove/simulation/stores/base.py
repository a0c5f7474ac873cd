"""The simulator's view of a platform: how its stores are opened, edited, observed and compared.

A merchant does the same things on every platform (`merchandise`, `clientele`, `orders`); a `Trade` is how one store
does them. Everything else is a `Premises`, one store with its server in one run, and a `StoreType`, which holds for all
runs. A platform brings one module with these three.
"""

import importlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

import trio
from attrs import field, frozen

from daemon.model import Kind
from daemon.platforms.base import WebhookReader
from daemon.sandbox.control import StandIn
from daemon.sandbox.faults import Act
from daemon.sandbox.sparklayer.api import State

Key = tuple[str, str]
"""Kind and id of an entity."""

Edit = Callable[..., None]
"""An edit; the keyword `silent` says that nobody is told."""


@frozen
class Item:
    """A sellable variant of a product, with its SKU."""

    id: int
    sku: str


@frozen(kw_only=True)
class Article:
    """A product that can be edited. A simple one has a single item, which cannot be told apart from it."""

    id: int
    title: str
    simple: bool
    items: Sequence[Item]


class Trade(Protocol):
    """The edits that a merchant makes in the store of any platform. `silent` edits are announced to nobody."""

    @property
    def statuses(self) -> Sequence[Any]:
        """Five statuses that a merchant gives orders."""
        ...

    def articles(self) -> Sequence[Article]:
        """Return the products, in the order of their ids."""
        ...

    def add_product(self, title: str, price: int, items: Sequence[Mapping[str, Any]], *, silent: bool) -> None:
        """Add a product; items have `sku`, `stock` and perhaps `options`."""
        ...

    def delete_product(self, product: int, *, silent: bool) -> None:
        """Take a product away."""
        ...

    def set_title(self, product: int, title: str, *, silent: bool) -> None:
        """Rename a product."""
        ...

    def set_price(self, article: Article, price: float, item: int | None, *, silent: bool) -> None:
        """Set the price of an item; None: of the product."""
        ...

    def set_stock(self, item: int, level: int, *, silent: bool) -> None:
        """Set an item's stock."""
        ...

    def set_sku(self, item: int, sku: str, *, silent: bool) -> None:
        """Give an item another SKU; "" takes it away."""
        ...

    def turn_over(self, product: int, *, silent: bool) -> None:
        """Hide a visible product, or show a hidden one."""
        ...

    def set_weight(self, product: int, weight: float, *, silent: bool) -> None:
        """Weigh a product."""
        ...

    def annotate(self, product: int, name: str, text: str, *, silent: bool) -> None:
        """Write a custom field of a product."""
        ...

    def add_item(self, product: int, item: Mapping[str, Any], *, silent: bool) -> None:
        """Add an item to a product that is not simple."""
        ...

    def delete_item(self, item: int, *, silent: bool) -> None:
        """Take an item away from a product that is not simple."""
        ...

    def people(self) -> Sequence[int]:
        """Return the ids of customers."""
        ...

    def trading(self) -> Collection[str]:
        """Return the ids of the customers that SparkLayer must have."""
        ...

    def add_customer(
        self, email: str, group: int, homes: Sequence[Mapping[str, str]], attributes: Mapping[str, str], **names: Any
    ) -> None:
        """Add a customer of a group of `daemon.sandbox.company`; `names` also has `silent`."""
        ...

    def update_customer(self, customer: int, *, silent: bool, **fields: str) -> None:
        """Change some of email, first_name and last_name, or just save a customer."""
        ...

    def delete_customer(self, customer: int, *, silent: bool) -> None:
        """Delete a customer."""
        ...

    def homes(self, customer: int) -> Sequence[Any]:
        """Return what names a customer's addresses."""
        ...

    def add_home(self, customer: int, home: Mapping[str, str], *, silent: bool) -> None:
        """Add an address."""
        ...

    def move_home(self, customer: int, home: Any, street: str, *, silent: bool) -> None:
        """Change the first line of an address."""
        ...

    def delete_home(self, customer: int, home: Any, *, silent: bool) -> None:
        """Take an address away."""
        ...

    def set_group(self, customer: int, group: int, *, silent: bool) -> None:
        """Move a customer to another group of `daemon.sandbox.company`."""
        ...

    def set_attribute(self, customer: int, name: str, text: str | None) -> None:
        """Write a B2B attribute of a customer, which no webhook announces; None takes it away."""
        ...

    def place_order(self, customer: int, lines: Sequence[tuple[int, int]], cart: str, *, silent: bool) -> None:
        """Place an order of items, with their quantities."""
        ...

    def orders(self) -> Sequence[int]:
        """Return the ids of orders that were not taken away."""
        ...

    def ship(self, order: int, *, silent: bool) -> None:
        """Send what is left of an order, if anything is."""
        ...

    def set_order_status(self, order: int, status: Any, *, silent: bool) -> None:
        """Give an order one of `statuses`."""
        ...

    def refundable(self, order: int) -> Sequence[tuple[int, int]]:
        """Return the lines of which something can be refunded, and how much."""
        ...

    def refund(self, order: int, line: int, quantity: int, *, silent: bool) -> None:
        """Refund some of a line."""
        ...

    def delete_order(self, order: int, *, silent: bool) -> None:
        """Take an order away."""
        ...

    def own_edits(self, *, parts: bool) -> Mapping[Edit, int]:
        """Return edits that only this platform knows, with their shares; `parts`: also those that remove something."""
        ...


class Premises(Protocol):
    """One store with its server, in one run."""

    @property
    def api(self) -> StandIn:
        """The stand-in's server."""
        ...

    @property
    def store(self) -> Any:
        """The stand-in's store."""
        ...

    @property
    def trade(self) -> Trade:
        """The edits of its merchant."""
        ...

    def deliver_by(self, poster: Any) -> None:
        """Have webhooks posted by `poster`."""
        ...

    @property
    def outstanding(self) -> int:
        """Number of webhooks that are to be brought."""
        ...

    def hooked(self) -> bool:
        """Return True if every webhook of the daemon is registered and works."""
        ...

    def lose_hooks(self, chance: random.Random) -> None:
        """Have somebody remove our webhooks, or switch them off."""
        ...

    def told(self, headers: Mapping[bytes, bytes], body: bytes) -> Sequence[Key]:
        """Return the entities that a webhook is about, worked out without the adapter."""
        ...

    def listed_products(self) -> set[str]:
        """Return the products that a list of all must have, if it was begun and ended with them there."""
        ...

    def there(self) -> Mapping[Key, str]:
        """Return everything that SparkLayer may not be told is gone, with the SKU of what has one."""
        ...

    def unannounced(self) -> set[Key]:
        """Return the entities that may have changed without a webhook; sweeps find them."""
        ...

    def differences(self, state: State, customers: Mapping[str, Any], *, whole: bool) -> Sequence[str]:
        """Return how a site differs from the store; `customers` are the site's without what was entered by hand.

        `whole`: everything was read since; else what only such a reading finds may differ.
        """
        ...

    @property
    def hooks(self) -> Mapping[int, Any]:
        """The registered webhooks, by id."""
        ...

    @property
    def webhooks(self) -> Any:
        """The sender: `attempts` has its deliveries, each with `event` and `accepted`; `settled` waits for all."""
        ...

    def entity_of(self, event: Any) -> Key:
        """Return the entity that an event of the store is about."""
        ...

    def carts(self) -> Mapping[str, str]:
        """Return the id of each order by its cart."""
        ...

    def shift(self, products: Sequence[int]) -> None:
        """Take away one of the products of a page, if that moves those of the next page."""
        ...

    def move(self, *, ahead: bool) -> None:
        """Move the store, if it has a time zone, to the one that is `ahead` of all others, or to one behind it."""
        ...

    def calm(self) -> None:
        """End all trouble that belongs to the platform."""
        ...


@frozen(kw_only=True)
class StoreType:
    """Facts and functions that all stores of a platform share.

    Paths begin below `root`. A request whose query has `naming` names its entities; `ids` are the parameters that do.
    """

    platform: str
    settings: Any
    """Settings of the connection's store."""
    store_id: str
    reader: Callable[[Any], WebhookReader]
    root: str
    lists: Mapping[str, Kind]
    naming: str
    ids: Sequence[str]
    rights: Sequence[str]
    """Parts of paths that may be forbidden for a while."""
    open: Callable[[int, Any, Any, trio.Nursery], Premises]
    """Opens an empty store, given the seed, the plan of the run, and the clock."""
    small_scale: Callable[[], AbstractContextManager[object]]
    furnished: Callable[[], Any]
    """Makes a store with products, customers and orders."""
    stand_in: Callable[[Any, str, trio.Nursery], StandIn]
    """Makes the server of a store at an address."""
    enter: Callable[[Any, Any, random.Random], Premises]
    """Enters a store with its server."""
    section: Callable[[Any], Mapping[str, str]]
    """Settings of the connection to a server, as a file says them."""
    repeats: bool = True
    """True if a webhook that was not accepted is sent again."""
    swept_whole: frozenset[str] = frozenset({Kind.STORE.value})
    """Kinds of which a sweep reads entities that have not changed."""
    foreign: Mapping[str, Act] = field(factory=dict)
    """Answers of the store's side that are not its API's own, by name."""
    bugs: Mapping[str, Callable[[], Any]] = field(factory=dict)
    """Bugs of the adapter, to be planted."""
    found: Mapping[str, tuple[int, str]] = field(factory=dict)
    """By bug of the adapter: a seed that finds it, and words of the breach that it causes."""


DEFAULT = "bigcommerce"


def store_type(platform: str) -> StoreType:
    """Return how the stores of a platform are played: its module beside this one. Raises ModuleNotFoundError."""
    return cast("StoreType", importlib.import_module(f"tests.prove.simulation.stores.{platform}").STORE)
