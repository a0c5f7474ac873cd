"""Registers, repairs and removes the webhooks of one connection.

A webhook is *ours* if its name begins with ours and its address ends in the connection's path,
`/webhooks/{env}/{site}`. The shop never shows a secret, so the name ends in a fingerprint of it. Webhooks of other
programs and of other connections are never touched. `plan`, which is pure, decides what to change, and one call makes
and repairs all.

Seven failures in a row make WooCommerce switch a webhook off; what it missed is never sent (woocommerce.md,
Webhooks 5). Switched on again, it keeps its count of failures until the first success.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from attrs import frozen
from msgspec import Raw, Struct

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry
from daemon.model import Kind, Lane, Secret
from daemon.platforms.base import Announce, Registration, tell_nobody
from daemon.platforms.shared.odd import Shape
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.second_look import delete_listed
from daemon.platforms.woocommerce.client import Client, Listed
from daemon.platforms.woocommerce.refusal import SCOPE_MISSING
from daemon.platforms.woocommerce.walk import Place, step
from daemon.platforms.woocommerce.webhooks import TOPICS

PATH = "/webhooks"
BATCH = f"{PATH}/batch"
LIMIT = 100
NAME = "Ignite Sync"
NAME_PARTS = 3
DIGITS = 8
"""Digits of the secret's fingerprint: enough to notice another secret, too few to find it by."""

ACTIVE, DISABLED = "active", "disabled"

log = structlog.get_logger()


class Hook(Struct, frozen=True):
    """A registered webhook; its secret is never shown."""

    id: int
    name: str
    status: str
    topic: str
    delivery_url: str


FIELDS = ",".join(Hook.__struct_encode_fields__)
_HOOK = Shape(Hook)


@frozen(kw_only=True)
class Wanted:
    """Destination of our webhooks, and the secret that signs their deliveries."""

    destination: str
    secret: Secret

    def name(self, topic: str) -> str:
        """Return the name of our webhook for a topic."""
        digest = hmac.new(self.secret.reveal().encode(), b"name of a webhook", hashlib.sha256).hexdigest()
        return f"{NAME} {topic} {digest[:DIGITS]}"

    def is_ours(self, hook: Hook) -> bool:
        """Return True if this connection registered `hook`, perhaps with an earlier address or secret."""
        return hook.name.startswith(NAME) and _path(hook.delivery_url) == _path(self.destination)

    def is_right(self, hook: Hook) -> bool:
        """Return True if `hook` needs no change."""
        named = hook.name == self.name(hook.topic)
        return named and hook.status == ACTIVE and hook.delivery_url == self.destination

    def body(self, topic: str, hook: Hook | None = None) -> dict[str, Any]:
        """Return the part of a request that registers a topic, or that repairs its webhook."""
        content = {
            "name": self.name(topic),
            "topic": topic,
            "status": ACTIVE,
            "delivery_url": self.destination,
            "secret": self.secret.reveal(),
        }
        return content if hook is None else {"id": hook.id, **content}


@frozen(kw_only=True)
class Plan:
    """Topics to create, webhooks to `mend` and to delete. The topics in `right` need no change."""

    right: Sequence[str] = ()
    create: Sequence[str] = ()
    mend: Sequence[Hook] = ()
    delete: Sequence[Hook] = ()

    @property
    def wrong(self) -> list[str]:
        """The topics that are not registered as they should be."""
        return [*self.create, *(hook.topic for hook in self.mend)]

    def found(self) -> Registration:
        """Return the registration before any change."""
        return Registration(
            registered=len(self.right),
            missing=dict.fromkeys(self.wrong, ""),
            kinds=_kinds(self.wrong),
            switched_off=frozenset(hook.topic for hook in self.mend if hook.status == DISABLED),
            fresh=not (self.right or self.mend or self.delete),
        )


def plan(hooks: Iterable[Hook], wanted: Wanted) -> Plan:
    """Compare the registered webhooks with the wanted ones: one working webhook for each topic. Pure."""
    ours: dict[str, list[Hook]] = {topic: [] for topic in TOPICS}
    left: list[Hook] = []
    for hook in hooks:
        if wanted.is_ours(hook):
            ours.get(hook.topic, left).append(hook)
    # A right one stays, so that no delivery of it is lost.
    ranked = {topic: sorted(found, key=lambda hook: not wanted.is_right(hook)) for topic, found in ours.items()}
    first = {topic: found[0] for topic, found in ranked.items() if found}
    return Plan(
        right=[topic for topic, hook in first.items() if wanted.is_right(hook)],
        create=[topic for topic in TOPICS if topic not in first],
        mend=[hook for hook in first.values() if not wanted.is_right(hook)],
        delete=[*(hook for found in ranked.values() for hook in found[1:]), *left],
    )


async def ensure(client: Client, wanted: Wanted, announce: Announce = tell_nobody) -> Registration:
    """Carry out the plan and return the registration afterwards. Raises the failures of the list of webhooks."""
    todo = plan(await _registered(client), wanted)
    found = todo.found()
    if todo.wrong or todo.delete:
        await announce(found)
    missing, failure, unsure = dict(found.missing), None, False
    if todo.wrong:
        try:
            missing = await _write(client, todo, wanted)
        except (Retry, Rejected, Blocked) as error:
            missing = dict.fromkeys(todo.wrong, str(error))
            unsure = isinstance(error, Retry) and error.effect_unknown
            failure = _lasting(error)
    deleted = 0
    for hook in todo.delete if failure is None else ():
        try:
            await _delete(client, hook)
            deleted += 1
        except (Retry, Rejected, Blocked) as error:
            log.warning("webhook not removed", reason=error.reason)
            failure = failure or _lasting(error)
    done = [topic for topic in todo.wrong if topic not in missing]
    return Registration(
        registered=len(TOPICS) - len(missing),
        missing=missing,
        kinds=_kinds(todo.wrong if unsure else done),
        mended=len(done) + deleted,
        made=frozenset(todo.create) - missing.keys(),
        switched_off=found.switched_off,
        fresh=found.fresh,
        failure=failure,
    )


async def remove(client: Client, wanted: Wanted) -> None:
    """Delete all our webhooks, wherever they lead. An empty list counts only if it comes twice."""

    async def ours() -> list[Hook]:
        return [hook for hook in await _registered(client) if wanted.is_ours(hook)]

    await delete_listed(ours, partial(_delete, client))


async def _write(client: Client, todo: Plan, wanted: Wanted) -> dict[str, str]:
    """Create and repair in one call; return the topics that failed, with WooCommerce's words."""
    parts = {
        "create": [wanted.body(topic) for topic in todo.create],
        "update": [wanted.body(hook.topic, hook) for hook in todo.mend],
    }
    answer = await client.write(
        "POST", BATCH, lane=Lane.LIVE, body={name: part for name, part in parts.items() if part}
    )
    missing = {}
    for name, part in parts.items():
        rows = answer.get(name, [])
        if not isinstance(rows, list) or len(rows) != len(part):
            raise Retry("WooCommerce's answer about webhooks is incomplete", reason="unexpected_shape")
        for body, row in zip(part, rows, strict=True):
            words = _refused(row)
            if words is not None:
                missing[str(body["topic"])] = words
    return missing


def _refused(row: Any) -> str | None:
    """Return WooCommerce's words if it refused one part of a call, else None."""
    error = row.get("error") if isinstance(row, dict) else {}
    if error is None:
        return None
    words = error.get("message") if isinstance(error, dict) else None
    return words if isinstance(words, str) else "WooCommerce did not say why"


async def _registered(client: Client) -> list[Hook]:
    """Return the registered webhooks, whatever their status, without unreadable rows."""

    async def ask(place: dict[str, str]) -> Listed:
        return await client.page(PATH, lane=Lane.LIVE, query={"_fields": FIELDS, **place})

    rows: list[Raw] = []
    place: Place | None = Place()
    while place is not None:
        found = await step(ask, place, PageSize(LIMIT))
        rows += found.rows
        place = found.following
    return [hook for hook in map(_HOOK.read, rows) if isinstance(hook, Hook)]


async def _delete(client: Client, hook: Hook) -> None:
    try:
        await client.write("DELETE", f"{PATH}/{hook.id}", lane=Lane.LIVE, query={"force": "true"})
    except Missing:
        return


def _lasting(error: Failure) -> Failure | None:
    """Return a failure that a later attempt may not meet; None for a refusal that needs the merchant."""
    if isinstance(error, Retry) or (isinstance(error, Blocked) and error.reason != SCOPE_MISSING):
        return error
    return None


def _kinds(topics: Iterable[str]) -> frozenset[Kind]:
    return frozenset(TOPICS[topic] for topic in topics)


def _path(destination: str) -> list[str]:
    """Return the end of a destination: our route and the connection's name."""
    return urlsplit(destination).path.split("/")[-NAME_PARTS:]
