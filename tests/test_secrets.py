"""Every secret is a `Secret` from where it comes in to where it is sent, and no value shows one."""

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.admin.issue_links import IssueLinks
from daemon.config import ConnectionSettings, ListenerSettings, NotificationSettings, SecuritySettings, Settings
from daemon.config.table import Table
from daemon.connections.registry import KnownStore, Offered
from daemon.errors import Blocked, Side
from daemon.listener.http.messages import Request
from daemon.listener.page.page import OperatorsPage
from daemon.model import ApiKey, Connection, ConnectionId, Secret, Site
from daemon.model.operators import NamedToken
from daemon.platforms.apps import Authorized, Installed
from daemon.platforms.bigcommerce.app import BigCommerceAppSettings, _Granted
from daemon.platforms.bigcommerce.hooks import Hook
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.woocommerce.app import _Callback
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sparklayer.token import Token, _Reply
from daemon.storage.connections import Begin
from daemon.storage.installs import AwaitedStore, Install, NewState, PendingConnection
from daemon.transport.http import Answer

DAEMON = Path(__file__).parent.parent / "daemon"
SOUNDS_SECRET = re.compile(r"secret|token|passw|credential|access_?key|api_?key", re.IGNORECASE)
PLAIN = {
    ("platforms/bigcommerce/app.py", "access_token"),  # decoded by msgspec; the struct's repr stars it
    ("sparklayer/token.py", "access_token"),  # the same
    ("storage/standing.py", "credentials"),  # encrypted ones, only compared
    ("admin/shapes.py", "client_secret"),  # a schema for /openapi.json; no value is made of it
    ("listener/ignite.py", "spark_api_client_secret"),  # the same
    ("platforms/bigcommerce/app.py", "token"),  # a parameter of the address that is being verified
}
"""(file, name) of what sounds like a secret and is a plain text all the same."""


def plain_secrets() -> Iterator[tuple[str, str]]:
    """Yield (file, name) of every field, variable and parameter that sounds like a secret and is a text or bytes."""
    for path in sorted(DAEMON.rglob("*.py")):
        if "sandbox" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                        pass
                    case ast.arg(arg=name, annotation=ast.expr() as annotation):
                        pass
                    case _:
                        continue
                if SOUNDS_SECRET.search(name) and re.search(r"\b(str|bytes)\b", ast.unparse(annotation)):
                    yield str(path.relative_to(DAEMON)), name


def test_what_sounds_like_a_secret_is_one() -> None:
    assert set(plain_secrets()) == PLAIN


async def _never(*arguments: object) -> Any:
    raise NotImplementedError(arguments)


HIDDEN = "hunter2-hunter2-hunter2"
SECRET = Secret(HIDDEN)
KEY = ApiKey(client_id="id", client_secret=SECRET)
STORE = BigCommerceSettings(store_hash="abc", access_token=SECRET, client_secret=SECRET, webhook_secret=SECRET)
SHOP = WooCommerceSettings(store_url="https://shop.example.com", consumer_key=SECRET, consumer_secret=SECRET)
SITE = Site("test", "jones")
LINK = ConnectionSettings(
    site_env="test", site_id="jones", client_id="id", client_secret=SECRET, platform="bigcommerce", store=STORE
)
RECEIVERS = NotificationSettings(
    webhook_url=SECRET, webhook_secret=Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"), slack_url=SECRET
)
APP = BigCommerceAppSettings(client_id="app", client_secret=SECRET)
SEALED = HIDDEN.encode()
PAGE = OperatorsPage(
    tokens=[NamedToken(name="anna", token=SECRET)],
    secret_keys=[SECRET],
    operations={},
    entered=_never,
    shared=_never,
    now=time.time,
)
VALUES = [
    SECRET,
    KEY,
    STORE,
    LINK,
    APP,
    RECEIVERS,
    Settings(
        listener=ListenerSettings(admin_token=SECRET, ignite_token=SECRET),
        security=SecuritySettings(secret_keys=(SECRET,)),
        apps={"bigcommerce": APP},
        notifications=RECEIVERS,
        connections=(LINK,),
    ),
    Connection(id=ConnectionId(1), site=SITE, platform="bigcommerce", api_key=KEY, store=STORE),
    Table(source="s.toml", path="listener", values={"admin_token": HIDDEN}),
    NamedToken(name="anna", token=SECRET),
    PAGE,
    IssueLinks([SECRET], time.time),
    Token(SECRET, 0.0),
    _Reply(access_token=HIDDEN),
    _Granted(access_token=HIDDEN, context="stores/abc"),
    Hook(1, "store/product/updated", "https://a.test", headers={"X-Ignite-Sync-Secret": HIDDEN}),
    Installed(store_id="abc", store=STORE),
    Install(platform="bigcommerce", store_id="abc", encrypted=SEALED, now=0.0),
    PendingConnection(site=SITE, platform="bigcommerce", store_id="abc", encrypted=SEALED, now=0.0, state=HIDDEN),
    AwaitedStore(site=SITE, platform="bigcommerce", store_id="abc", encrypted=SEALED),
    NewState(site=SITE, platform="bigcommerce", state=HIDDEN, now=0.0),
    KnownStore("woocommerce", SHOP),
    Offered(api_key=KEY, store=SHOP),
    Installed(store_id="https://shop.example.com", store=SHOP),
    Authorized(state=HIDDEN, install=lambda _: _never(HIDDEN)),
    _Callback(user_id=HIDDEN, consumer_key=HIDDEN, consumer_secret=HIDDEN, key_permissions="read_write"),
    Begin(site=SITE, platform="bigcommerce", encrypted=SEALED, now=0.0, instead_of=()),
    Request("GET", "/bigcommerce/auth", f"code={HIDDEN}", {b"authorization": SEALED}, SEALED, keep_alive=True),
    Answer(200, {"set-cookie": HIDDEN}, SEALED),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_value_shows_a_secret(value: object) -> None:
    assert HIDDEN not in repr(value)
    assert HIDDEN not in str(value)
    assert HIDDEN not in f"{value} {[value]}"


def test_the_page_shows_no_key_that_is_drawn_from_a_secret() -> None:
    assert not re.search(r"b['\"]", repr(PAGE))


def test_a_secret_does_not_get_into_json_or_an_error_by_itself() -> None:
    assert HIDDEN not in str(ValueError(SECRET, KEY, STORE))
    assert HIDDEN not in repr(Blocked(f"no token for {KEY}", reason="credentials", side=Side.SPARKLAYER))
    assert SEALED not in msgspec.json.encode([SECRET, KEY, STORE])
