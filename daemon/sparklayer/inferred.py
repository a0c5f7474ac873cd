"""Everything we believe of SparkLayer's API without having read it: paths, names, statuses and words.

The public pages could be read only in part (sparklayer.md). What is documented stands where it is used; what is
deduced stands here, so that the first look at the real API corrects one file. The few deductions that are no value to
be named here, or that a platform needs, which knows nothing of SparkLayer, are marked "inferred" where they stand; the
`docs/mapping.md` lists those places, and a test holds it to that.
"""

import re
from collections.abc import Mapping
from typing import Any

PRODUCT_BY_EXTERNAL_ID = "/api/v1/products/{}"
"""The path is documented; that PATCH by external id is the way to write one again is not (section 2)."""

CLEARED_OF_VARIANT: Mapping[str, Any] = {"cart_image_url": "", "weight_in_grams": 0, "rrp": [], "settings": []}
"""How a variant loses a field that it had: leaving it out of a PATCH would keep the old value (section 2)."""

CLEARED: tuple[()] = ()
"""A SKU sent with blank quantity and price loses its prices; that an empty `pricing` is that blank (section 4)."""

FIRST_LINE = 0
"""The first value of `line` in a price error. Rows are tried alone before they are blamed, so this only saves calls."""

SYNC_ERROR_NAMES = ("external_id", "external_url", "visible_id", "title", "message")
"""Only the first two were seen whole (section 8)."""

RESOLVED_FIELD = "synced_external_ids"
"""The PATCH's list of resolved ids; a setting, since it is a guess (section 8)."""

TOKEN_SECONDS = 3600.0
"""How long a token lives when the answer does not say; the documented value (section 1)."""

REFUSED_KEY = frozenset({400, 401, 403})
"""Answers of the token endpoint that mean: this key is not valid (section 1 names none)."""

KEY_ERROR = "error"
KEY_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
"""How the token endpoint may name a refused key besides RFC 7807: as OAuth 2.0 does (section 1 shows no refusal), with
the codes of RFC 6749 section 5.2 and no other: many gateways have an `error` of their own."""

NET_TERMS = "net_terms"
"""Field of a payment on account with the days until an invoice is due. Only the beginning of SparkLayer's own name was
seen; the rest is from another program's metafields (section 5)."""

CUSTOMER_OF_PLATFORM = "platform"
"""Identifies the customer of a purchase that SparkLayer does not have yet; only its own ids were seen (section 6)."""

LINE_NAMES = ("platform", "sku")
"""Identifiers of a purchase's line; only that there are identifiers was seen (section 6)."""

TRACKING_NAMES = ("tracking_number", "tracking_url")
"""How a shipment says where it can be followed (section 6)."""

RRP_AMOUNT = "price"
"""The amount of a recommended price; only its currency_code was seen (section 2)."""

SETTINGS_REFUSED = frozenset({"http_403", "missing", "http_405", "http_422"})
"""Refusals of a global setting that mean, whatever their words: this key may not write it (section 7)."""

SETTINGS_REFUSED_WORDS = re.compile(r"unavailable for updates", re.IGNORECASE)
"""Text of every refusal that means the same. The words are documented, their status is not: it may be 400, which
with other words is about the value."""

PULLED_ENTITIES = "entities"
"""The key of a pulled page's entities; only that of the next page was seen (section 9)."""

SUSPENDED = frozenset({402, 403})
"""Answers to an ordinary call that mean: this site or plan may not use the API, whatever is sent."""

DUPLICATE_STATUSES = frozenset({400, 409, 422})
DUPLICATE_WORDS = re.compile(
    r"duplicate|already (?:exists?|taken|used|in use|been (?:taken|used))|(?:must be|not) unique", re.IGNORECASE
)
"""How a refusal may say that an external id or a SKU is taken: the status for it was not seen (section 2)."""
