"""Assumptions about SparkLayer's API that no documentation confirms: paths, names, statuses and words.

The public pages could be read only in part (sparklayer.md). A documented fact stands where it is used; a deduction
stands here, so that the first look at the real API corrects one file. Some deductions are not values, or belong to a
platform, which does not know SparkLayer. They are marked "inferred" where they are used; `docs/mapping.md` lists those
places, and a test compares the list with the code.
"""

import re
from collections.abc import Mapping
from typing import Any

PRODUCT_BY_EXTERNAL_ID = "/api/v1/products/{}"
"""The path is documented; that a PATCH of it updates an existing product is not (section 2)."""

CLEARED_OF_VARIANT: Mapping[str, Any] = {"cart_image_url": "", "weight_in_grams": 0, "rrp": [], "settings": []}
"""Values that clear a variant's field: a PATCH that leaves the field out would keep the old value (section 2)."""

CLEARED: tuple[()] = ()
"""A SKU with blank quantity and price loses its prices (documented); an empty `pricing` is blank (not; section 4)."""

FIRST_LINE = 0
"""First `line` number of price errors. Rows are tried alone before they are blamed, so this only saves calls."""

SYNC_ERROR_NAMES = ("external_id", "external_url", "visible_id", "title", "message")
"""Fields of a sync-log error; only the first two were seen whole (section 8)."""

RESOLVED_FIELD = "synced_external_ids"
"""Field with the resolved ids in a sync-log PATCH; a setting, since it is a guess (section 8)."""

TOKEN_SECONDS = 3600.0
"""Lifetime of a token if the answer does not say; the documented value (section 1)."""

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
"""Form of a refused key besides RFC 7807: that of OAuth 2.0 (section 1 shows no refusal). Only the codes of RFC 6749
section 5.2 count, since many gateways have an `error` of their own."""

NET_TERMS = "net_terms"
"""Field of a payment on account with the days until an invoice is due. Only the beginning of the name was seen; the
rest comes from another program's metafields (section 5)."""

CUSTOMER_OF_PLATFORM = "platform"
"""Identifier of the customer of a new purchase; only SparkLayer's own ids were seen (section 6)."""

LINE_NAMES = ("platform", "sku")
"""Identifiers of a purchase's line; only that there are identifiers was seen (section 6)."""

TRACKING_NAMES = ("tracking_number", "tracking_url")
"""Tracking fields of a shipment (section 6)."""

RRP_AMOUNT = "price"
"""The amount of a recommended price; only its currency_code was seen (section 2)."""

SETTINGS_REFUSED = frozenset({"http_403", "missing", "http_405", "http_422"})
"""Refusals of a global setting that mean, with any text: this key may not write it (section 7)."""

SETTINGS_REFUSED_WORDS = re.compile(r"unavailable for updates", re.IGNORECASE)
"""Text of any other refusal with that meaning. The text is documented, but its status is not: it may be 400, which
with another text is about the value."""

PULLED_ENTITIES = "entities"
"""Field with the entities of a pulled page; only the field for the next page was seen (section 9)."""

SUSPENDED = frozenset({402, 403})
"""Statuses of an ordinary call that mean: this site or plan may not use the API at all."""

DUPLICATE_STATUSES = frozenset({400, 409, 422})
DUPLICATE_WORDS = re.compile(
    r"duplicate|already (?:exists?|taken|used|in use|been (?:taken|used))|(?:must be|not) unique", re.IGNORECASE
)
"""Texts of a refusal for a taken external id or SKU; its status was not seen (section 2)."""
