"""Retail customers with the e-mail address of a B2B customer, possible in stores with several channels.

SparkLayer allows one customer for each e-mail address across all channels (its documented limit for BigCommerce). Only
a customer limited to channels can have a namesake (inferred), so only these customers cost a call. The engine finds
namesakes that are B2B customers too.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Failure
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.schema import Customer
from daemon.platforms.shared.rows import readable
from daemon.platforms.shared.secondary import of_lists
from daemon.transport.http import shortly

MOST_ASKED = 50
"""E-mail addresses in one call, because the length of a URL is limited."""


class _Namesake(Struct, frozen=True):
    id: int
    email: str
    customer_group_id: int


_NAMESAKE = Decoder(_Namesake, strict=False)


async def find_namesakes(
    client: Client, path: str, customers: Sequence[Customer], groups: AbstractSet[int], lane: Lane, *, beside: bool
) -> Mapping[int, bool | Failure]:
    """Return, for each of `customers`, True if a customer outside the B2B `groups` has its e-mail address.

    `beside`: the batch has customers that need no call. Raises a failure of the whole connection.
    """
    emails = {customer.id: (customer.email or "").strip() for customer in customers if customer.channel_ids}
    asked = [owner for owner, email in emails.items() if email and "," not in email]

    async def ask(some: Sequence[int]) -> list[Raw]:
        query = {"email:in": ",".join(emails[owner] for owner in some), "limit": str(schema.LARGEST_PAGE)}
        listing = await shortly(partial(client.get, path, schema.RAW_LISTING, lane=lane, query=query))
        return list(listing.data)

    found: dict[int, bool | Failure] = {}
    for first in range(0, len(asked), MOST_ASKED):
        part = asked[first : first + MOST_ASKED]
        for some, answer in await of_lists(part, ask, lane, beside=beside or len(asked) < len(customers)):
            if isinstance(answer, Failure):
                found.update(dict.fromkeys(some, answer))
                continue
            rows = readable(answer, _NAMESAKE)  # only a certain namesake counts
            retail = {row.email.strip().casefold() for row in rows if row.customer_group_id not in groups}
            found.update({owner: emails[owner].casefold() in retail for owner in some})
    return found
