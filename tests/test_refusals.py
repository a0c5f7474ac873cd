"""Every refusal of both APIs in their own words has the class that the table written by hand has for it.

The daemon's real clients meet each in process: token, throttle, rights and short retries take part.
"""

import re
from collections.abc import Awaitable, Mapping

import msgspec
import trio
from trio.testing import MockClock

from daemon.errors import Failure, Side
from daemon.model import ApiKey, Lane, Secret
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client as ShopClient
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.woocommerce.client import OBJECT, RAW
from daemon.platforms.woocommerce.client import Client as WooCommerceClient
from daemon.sandbox import BigCommerce, BigCommerceOptions, Shop, Store, WooCommerce, WooCommerceOptions
from daemon.sandbox.message import Request, Response
from daemon.sandbox.transport import Exchange
from daemon.sparklayer.client import Client as SiteClient
from daemon.sparklayer.token import PATH as TOKEN_PATH
from daemon.sparklayer.token import TOKEN, Tokens
from daemon.transport.client import ThrottledApi, ignore
from daemon.transport.http import Api
from daemon.transport.throttle import AdaptivePolicy, Limiter
from tests.each import each
from tests.prove.simulation.faults import SHOP
from tests.prove.simulation.furnishing import UNUSED
from tests.prove.simulation.stores.woocommerce import SETTINGS as WOOCOMMERCE_SETTINGS
from tests.refusals import BIGCOMMERCE, SPARKLAYER, WOOCOMMERCE, cells, classes, operations
from tests.sparklayer.test_own_words import OPERATIONS

TAKEN = "Not possible: the SKU already exists"
BODY = b'{"external_id": "7", "sku": "A-7"}'
SITE_CELLS, SHOP_CELLS, WOOCOMMERCE_CELLS = cells(SPARKLAYER), cells(BIGCOMMERCE), cells(WOOCOMMERCE)


@each("name", [*OPERATIONS])
async def test_a_refusal_of_spark_layer_has_its_class(autojump_clock: MockClock, name: str) -> None:
    operation, expected, met = OPERATIONS[name], classes(SITE_CELLS, name), {}
    for column in expected:
        refusal = refusal_of_spark_layer(column)
        transport = Answering(refusal, token=refusal if operation is TOKEN else GRANTED)
        api = ThrottledApi(
            "sparklayer",
            Api("https://site.test", headers={}, transport=transport),
            Limiter(api="sparklayer", side=Side.SPARKLAYER, policy=AdaptivePolicy()),
            ignore,
        )
        client = SiteClient(api, Tokens(api, ApiKey(client_id="id", client_secret=Secret("secret"))))
        met[column] = await class_of(client.call(operation, "/any/7", Lane.LIVE, BODY))
        await api.aclose()
    assert met == expected


@each("name", sorted(operations(BIGCOMMERCE)))
async def test_a_refusal_of_the_store_has_its_class(autojump_clock: MockClock, name: str) -> None:
    method, path = name.replace("{}", "7").split()
    expected, met = classes(SHOP_CELLS, name), {}
    for column in expected:
        settings = BigCommerceSettings(store_hash="abc", access_token=Secret("token"))
        client = ShopClient(settings, Answering(refusal_of_the_store(path, column)), ignore)
        if method == "GET":
            reading = client.get(path, schema.ANYTHING, lane=Lane.LIVE)
            met[column] = await class_of(reading)
        else:
            met[column] = await class_of(client.write(method, path, lane=Lane.LIVE))
        await client.aclose()
    assert met == expected


@each("name", sorted(operations(WOOCOMMERCE)))
async def test_a_refusal_of_the_shop_has_its_class(autojump_clock: MockClock, name: str) -> None:
    method, path = name.replace("{}", "7").split()
    expected, met = classes(WOOCOMMERCE_CELLS, name), {}
    for column in expected:
        client = WooCommerceClient(WOOCOMMERCE_SETTINGS, Answering(refusal_of_the_shop(column)), ignore)
        if method == "GET":
            reading = client.get(path, RAW, lane=Lane.LIVE)
            met[column] = await class_of(reading)
        elif method == "OPTIONS":
            description = client.options(path, OBJECT, lane=Lane.LIVE)
            met[column] = await class_of(description)
        else:
            met[column] = await class_of(client.write(method, path, lane=Lane.LIVE))
        await client.aclose()
    assert met == expected


async def test_every_operation_that_the_daemon_uses_is_in_a_table() -> None:
    """Of the store's operations the walk uses exactly those that are not in `UNUSED`, and fails otherwise."""
    assert operations(SPARKLAYER) == OPERATIONS.keys()
    async with trio.open_nursery() as nursery:
        shop = BigCommerce(Store(clock=float), BigCommerceOptions(), "https://shop.test", nursery)
        used = shop.routes.names() - UNUSED[SHOP]
        nursery.cancel_scope.cancel()
    assert operations(BIGCOMMERCE) == {re.sub(r"\{\w+\}", "{}", name) for name in used}


async def test_woocommerces_table_has_operations_that_a_shop_has() -> None:
    async with trio.open_nursery() as nursery:
        shop = WooCommerce(Shop(), WooCommerceOptions(), "https://shop.test", nursery)
        assert operations(WOOCOMMERCE) <= {re.sub(r"\{\w+\}", "{}", name) for name in shop.routes.names()}
        nursery.cancel_scope.cancel()


def refusal_of_spark_layer(column: str) -> Response:
    """Return an RFC 7807 problem, which names something taken if the column has a +."""
    status = int(column.removesuffix("+"))
    problem = {"title": "No", "status": status, "detail": TAKEN if column.endswith("+") else "Not possible"}
    return _json(status, problem, kind="application/problem+json")


def refusal_of_the_store(path: str, column: str) -> Response:
    """Return a refusal in the shape of v2 or of v3."""
    status = int(column)
    v2, v3 = [{"status": status, "message": "No"}], {"status": status, "title": "No", "type": "/api-docs"}
    return _json(status, v2 if path.startswith("/v2/") else v3)


def refusal_of_the_shop(column: str) -> Response:
    """Return a refusal in WordPress's words, with the code of a missing entity if that is its status."""
    status = int(column)
    code = {401: "woocommerce_rest_authentication_error", 404: "woocommerce_rest_product_invalid_id"}.get(status, "no")
    return _json(status, {"code": code, "message": "No.", "data": {"status": status}})


def _json(status: int, content: object, kind: str = "application/json") -> Response:
    return Response(status=status, headers={"content-type": kind}, body=msgspec.json.encode(content))


GRANTED = _json(200, {"access_token": "token"})


class Answering(Exchange):
    """Gives the same answer to every request, and `token` to those for a token."""

    def __init__(self, answer: Response, token: Response = GRANTED) -> None:
        super().__init__(self._give)
        self._given: Mapping[bool, Response] = {False: answer, True: token}

    async def _give(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return self._given[request.path == TOKEN_PATH]


async def class_of(call: Awaitable[object]) -> str:
    """Return the name of the class of failure that a call ends with."""
    try:
        await call
    except Failure as failure:
        return type(failure).__name__
    return "success"
