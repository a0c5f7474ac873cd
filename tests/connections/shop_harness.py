"""The daemon's own routes, registry and database, between SparkLayer (a prepared answer) and a real WooCommerce shop.

async with open_shop() as h:
    response = await h.connect(h.typed())            # SparkLayer's connect, with keys of the shop
    asked = await h.consent()                        # without keys: the query of the shop's page
    response = await h.call_back(h.posted(asked["user_id"]))
    await h.states(), await h.key(), h.shop, h.later # h.later: the wall clock
"""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from attrs import define, field
from sqlalchemy import select

from daemon.composition import Daemon, build_routes, compose
from daemon.config import ListenerSettings, SecuritySettings, Settings
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Routes
from daemon.model import ApiKey, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sandbox import Shop, WooCommerce, open_woocommerce
from daemon.storage import connections
from daemon.storage.database import Database
from daemon.storage.tables import connections as rows
from daemon.storage.tables import install_states, installs, pending_connections
from tests.databases import InlineDatabase, new_database

TOKEN = "SparkLayer's token"
PUBLIC = "https://sync.example.com"
SITE = Site("test", "jones")


@define
class ShopHarness:
    """The daemon's routes, with a shop beside them. `later` is the wall clock; `knows` is SparkLayer's answer."""

    shop: WooCommerce
    database: InlineDatabase
    daemon: Daemon = field(init=False)
    routes: Routes = field(init=False)
    public_url: str | None = PUBLIC
    later: float = 1000.0
    knows: bool | None = True

    async def start(self) -> None:
        settings = Settings(
            security=SecuritySettings(secret_keys=(Secret("a key of the tests"),)),
            listener=ListenerSettings(public_url=self.public_url, ignite_token=Secret(TOKEN)),
        )
        metrics = Metrics()
        self.daemon = await compose(
            settings, cast("Database", self.database), metrics, knows=self._knows, now=lambda: self.later
        )
        await self.daemon.lifecycle.open_all()
        self.routes = Routes.of(build_routes(self.daemon, settings), metrics)

    async def _knows(self, _site: Site, _key: ApiKey) -> bool | None:
        return self.knows

    async def ask(self, method: str, path: str, body: Any = None) -> Response:
        headers = {b"content-type": b"application/json", b"authorization": f"Bearer {TOKEN}".encode()}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return await self.routes.answer(Request(method, path, query, headers, content, keep_alive=True))

    async def connect(self, extra: Any = None, **changes: Any) -> Response:
        key = {"spark_api_client_id": "id", "spark_api_client_secret": "secret-1"}
        config = {} if extra is None else {"extra_config": extra}
        return await self.ask("POST", f"/v1/{SITE}", {"store_id": self.shop.url, **key, **config, **changes})

    async def refused(self, extra: Mapping[str, Any]) -> str:
        """Connect with keys that are refused; return the words."""
        response = await self.connect(extra)
        assert (response.status, await self.states()) == (400, [])
        return str(json.loads(response.body)["detail"])

    def typed(self, permissions: str = "read_write") -> dict[str, str]:
        """Return new keys of the shop, as SparkLayer brings them."""
        key = self.shop.keys.add(permissions)
        return {"woocommerce_api_key": key.consumer_key, "woocommerce_api_secret": key.consumer_secret}

    def posted(self, state: str, permissions: str = "read_write", **changes: Any) -> dict[str, Any]:
        """Return what a shop posts when its owner has agreed."""
        key = self.shop.keys.add(permissions)
        words = {"consumer_key": key.consumer_key, "consumer_secret": key.consumer_secret}
        return {"key_id": 1, "user_id": state, **words, "key_permissions": "read_write", **changes}

    async def consent(self) -> dict[str, str]:
        """Connect without keys; return the query of the shop's page."""
        response = await self.connect()
        assert response.status == 201
        return query_of(json.loads(response.body)["redirect_url"], self.shop.url)

    async def call_back(self, body: Any) -> Response:
        return await self.ask("POST", "/woocommerce/callback", body)

    async def states(self) -> list[str]:
        return [stored.state for stored in await self.database.read(connections.of_site, SITE)]

    async def store(self) -> WooCommerceSettings:
        """Return the shop that the site is connected to."""
        stored = await self.daemon.lifecycle.registry.active(SITE)
        assert stored is not None
        store = self.daemon.lifecycle.registry.decrypted(stored).store
        assert isinstance(store, WooCommerceSettings)
        return store

    async def key(self) -> str:
        return (await self.store()).consumer_key.reveal()

    async def plain(self) -> str:
        """Return all that the tables about connections have in clear."""
        tables = (rows, installs, pending_connections, install_states)
        return str([await self.database.read(lambda conn, of=of: [*conn.execute(select(of))]) for of in tables])


def query_of(url: str, shop: str) -> dict[str, str]:
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{shop}/wc-auth/v1/authorize"
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


@contextlib.asynccontextmanager
async def open_shop(**changes: Any) -> AsyncIterator[ShopHarness]:
    async with open_woocommerce(shop=Shop()) as shop:
        harness = ShopHarness(shop, new_database(), **changes)
        await harness.start()
        yield harness
        harness.database.close()
