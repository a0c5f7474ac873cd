"""Finds the entities that a person means: by the platform's id, or by what people call them.

Both sides are asked: the store, and the ledger for what the store has no more. Nothing is sent to SparkLayer, and what
was asked for is neither kept nor logged.
"""

from daemon.engine.context import ConnectionContext
from daemon.errors import Rejected
from daemon.model import EmailKey, ExternalId, Key, Kind, Lane
from daemon.platforms.base import BAD_ID, Match
from daemon.storage import ledger
from daemon.storage.noted import noted

ID = "id"
OWNED: dict[Kind, str] = {Kind.PRODUCTS: "SKU in SparkLayer", Kind.ORDERS: "cart id"}
"""What the ledger's keys are to people; an e-mail address stands there as a keyed hash."""


async def find(context: ConnectionContext, kind: Kind, text: str) -> list[Match]:
    """Return what may be meant by `text`, each entity once. Raises the failures of the platform, and StorageTrouble."""
    found = [
        *await _by_id(context, kind, ExternalId(text)),
        *await context.platform.find(kind, text),
        *await _by_key(context, kind, text),
    ]
    by_id: dict[ExternalId, Match] = {}
    for match in found:
        known = by_id.setdefault(match.external_id, match)
        if match.name and not known.name:
            by_id[match.external_id] = Match(known.external_id, known.by, match.name)
    return list(by_id.values())


async def _by_id(context: ConnectionContext, kind: Kind, external_id: ExternalId) -> list[Match]:
    """Return the entity of this id if the store has it, or if anything is noted of it."""
    about = await context.storage.read(noted, context.connection.id, kind, external_id)
    if not about.known:
        try:
            if not external_id or await context.platform.read_one(kind, external_id, Lane.LIVE) is None:
                return []
        except Rejected as refused:
            if refused.reason != BAD_ID:
                raise
            return []
    return [Match(external_id, ID)]


async def _by_key(context: ConnectionContext, kind: Kind, text: str) -> list[Match]:
    """Return who owns a key in SparkLayer: what was renamed or deleted in the store is still found by it."""
    key: Key = text
    by = OWNED.get(kind)
    if kind is Kind.CUSTOMERS and "@" in text:
        key, by = email_key(context, text), "e-mail address in SparkLayer"
    if by is None:
        return []
    owners = await context.storage.read(ledger.owners, context.connection.id, kind, [key])
    return [Match(owner, by) for owner in owners.values()]


def email_key(context: ConnectionContext, email: str) -> EmailKey:
    """Return the key by which only one customer of a site has an e-mail address, in upper case or not."""
    return EmailKey(context.fingerprint(email.lower()).hex())
