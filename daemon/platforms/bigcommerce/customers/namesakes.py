"""Retail customers with the e-mail address of a B2B customer: stores of several channels may have them.

SparkLayer knows one customer for each e-mail address over all channels (its documented limit for BigCommerce). Only
a customer who is limited to channels can have a namesake elsewhere (inferred), so only for these a call is spent. A
namesake who is a B2B customer too is found by the engine.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Failure
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.schema import Customer
from daemon.platforms.bigcommerce.secondary import of_lists
from daemon.transport.http import shortly

LIMIT = 250
MOST_ASKED = 50
"""E-mail addresses in one call: a URL may not be too long."""


class _Namesake(Struct, frozen=True):
    id: int
    email: str
    customer_group_id: int


_NAMESAKE = Decoder(_Namesake, strict=False)


async def find_namesakes(
    client: Client, path: str, customers: Sequence[Customer], groups: AbstractSet[int], lane: Lane, *, beside: bool
) -> Mapping[int, bool | Failure]:
    """Return of each of `customers` whether one of none of the B2B `groups` has its e-mail address.

    `beside`: others are read who need no call. Raises what is nobody's own failure.
    """
    emails = {one.id: (one.email or "").strip() for one in customers if one.channel_ids}
    asked = [owner for owner, email in emails.items() if email and "," not in email]

    async def ask(some: Sequence[int]) -> list[Raw]:
        query = {"email:in": ",".join(emails[owner] for owner in some), "limit": str(LIMIT)}
        listing = await shortly(partial(client.get, path, schema.RAW_LISTING, lane=lane, query=query))
        return list(listing.data)

    found: dict[int, bool | Failure] = {}
    for first in range(0, len(asked), MOST_ASKED):
        part = asked[first : first + MOST_ASKED]
        for some, answer in await of_lists(part, ask, lane, beside=beside or len(asked) < len(customers)):
            if isinstance(answer, Failure):
                found.update(dict.fromkeys(some, answer))
                continue
            retail = {one.email.strip().casefold() for one in _read(answer) if one.customer_group_id not in groups}
            found.update({owner: emails[owner].casefold() in retail for owner in some})
    return found


def _read(raws: Sequence[Raw]) -> list[_Namesake]:
    """Return the rows that can be read: who has another one's e-mail address must be sure."""
    rows = []
    for raw in raws:
        try:
            rows.append(schema.decode(raw, _NAMESAKE))
        except msgspec.DecodeError:
            continue
    return rows
