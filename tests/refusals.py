"""The class of every refusal of both APIs in their own words, by operation and status: written by hand.

It comes from `contracts/` and from rule 10 of `docs/design.md`, not from the daemon's code: `tests/test_refusals.py`
drives each cell through the daemon's clients and compares. A class is one letter:

    r   Retry         it may go through later
    x   Rejected      the content is refused: an issue for the merchant
    m   Missing       ... since what is addressed does not exist
    d   Duplicate     ... since an id, a SKU or an e-mail address is taken
    b   Blocked       nothing works until it heals
    f   Forbidden     ... unless it is about one entity: a first 403, others decide
    k   KeyRefused    ... since the key is not known (here the body repeats the status)

A status with a + has words that name something taken ("already exists").
"""

from collections.abc import Iterator, Mapping

Cells = Mapping[tuple[str, str], str]
"""Letters by operation and column."""

CLASSES: Mapping[str, str] = {
    "r": "Retry",
    "x": "Rejected",
    "m": "Missing",
    "d": "Duplicate",
    "b": "Blocked",
    "f": "Forbidden",
    "k": "KeyRefused",
}

# A 401 is met with one new token, so the second one blocks. A 402 or 403 says that this key may not. What writes an
# external id or a SKU may find it taken, with an undocumented status. A 404 to what creates (a PUT by id too) or wipes
# is about the path. Purchases and settings use the 403 for the content; prices are read for leftovers only, which may
# be left out. The 409 is a concurrent write for products and prices, a taken id or address for customers and stock
# locations, and a conflict that lasts for purchases and the store currency.
SPARKLAYER = """
operation                   400 401 402 403 404 405 409 413 415 422 429 500 502 503 504  400+ 409+ 422+
getAccessToken               k   k   b   k   b   b   b   b   b   b   r   r   r   r   r    k    b    b
createProduct                x   b   b   f   r   x   r   x   x   x   r   r   r   r   r    d    d    d
updateProduct                x   b   b   f   m   x   r   x   x   x   r   r   r   r   r    d    d    d
getProduct                   x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
updateBatchStock             x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
getBatchStock                x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
deleteBatchStock             x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
getStockLocations            x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
createStockLocation          x   b   b   f   r   x   d   x   x   x   r   r   r   r   r    d    d    d
getPriceList                 x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
createPriceList              x   b   b   f   r   x   x   x   x   x   r   r   r   r   r    d    d    d
updatePriceList              x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
getPriceListPricing          x   b   b   x   m   x   x   x   x   x   r   r   r   r   r    x    x    x
updatePriceListPricing       x   b   b   f   m   x   r   x   x   x   r   r   r   r   r    x    r    x
getCustomer                  x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
upsertCustomer               x   b   b   f   r   x   d   x   x   x   r   r   r   r   r    x    d    x
deleteCustomer               x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
getPurchase                  x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
createUpdatePurchase         x   b   b   x   r   x   x   x   x   x   r   r   r   r   r    x    x    x
getStoreCurrency             x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
putStoreCurrency             x   b   b   x   r   x   x   x   x   x   r   r   r   r   r    x    x    x
patchGlobalSetting           x   b   b   x   m   x   x   x   x   x   r   r   r   r   r    x    x    x
updateFullLoggingStatus      x   b   b   f   r   x   x   x   x   x   r   r   r   r   r    x    x    x
updatePartialLoggingStatus   x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
deleteAllLoggingStatus       x   b   b   f   r   x   x   x   x   x   r   r   r   r   r    x    x    x
getLoggingStatus             x   b   b   f   m   x   x   x   x   x   r   r   r   r   r    x    x    x
"""

# Rights are the account's scopes, and the refusal of one names it; registering webhooks needs none, so that nothing
# else decides there. 423 is a lock, 499 a request that was given up, 507 a limit of the plan.
BIGCOMMERCE = """
operation                                          400 401 403 404 405 409 413 415 422 423 429 499 500 502 503 504 507
GET /v2/customer_groups                             x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/orders                                      x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/orders/{}                                   x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/orders/{}/products                          x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/orders/{}/shipments                         x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/store                                       x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v2/time                                        x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/products                            x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/products/metafields                 x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/products/{}                         x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/products/{}/metafields              x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/products/{}/variants/{}/metafields  x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/variants                            x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/catalog/variants/metafields                 x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/customers                                   x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/customers/addresses                         x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/customers/attribute-values                  x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/customers/attributes                        x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/hooks                                       x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/hooks/admin                                 x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/inventory/items                             x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/inventory/locations                         x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/orders/metafields                           x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
GET /v3/orders/{}/metafields                        x   k   f   m   x   x   x   x   x   r   r   r   r   r   r   r   r
POST /v3/hooks                                      x   k   b   m   x   x   x   x   x   r   r   r   r   r   r   r   r
PUT /v3/hooks/{}                                    x   k   b   m   x   x   x   x   x   r   r   r   r   r   r   r   r
DELETE /v3/hooks/{}                                 x   k   b   m   x   x   x   x   x   r   r   r   r   r   r   r   r
"""

# A key that may not read is refused with 401; one whose user lost the role with 403. A 404 is about an entity only with
# one of the codes for that. What a server or a plugin refuses passes at 408, 423, 425, 429 and 499.
WOOCOMMERCE = """
operation                      400 401 403 404 405 409 410 413 415 422 423 429 499 500 501 502 503
OPTIONS /customers              x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /customers                  x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /customers/{}               x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /data/currencies/current    x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /orders                     x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /orders/{}                  x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /orders/{}/refunds          x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /products                   x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /products/{}                x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /settings/{}/{}             x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /variations                 x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
GET /webhooks                   x   b   f   m   x   x   x   x   x   x   r   r   r   r   r   r   r
POST /webhooks/batch            x   b   b   m   x   x   x   x   x   x   r   r   r   r   r   r   r
DELETE /webhooks/{}             x   b   b   m   x   x   x   x   x   x   r   r   r   r   r   r   r
"""


def cells(table: str) -> Cells:
    """Return a table's cells. The letters of a row are its last words, as many as there are columns."""
    head, *rows = table.strip().splitlines()
    columns = head.split()[1:]
    return {cell: letter for row in rows for cell, letter in _row(row.split(), columns)}


def _row(words: list[str], columns: list[str]) -> Iterator[tuple[tuple[str, str], str]]:
    name, letters = " ".join(words[: -len(columns)]), words[-len(columns) :]
    for column, letter in zip(columns, letters, strict=True):
        yield (name, column), letter


def classes(table: Cells, operation: str) -> dict[str, str]:
    """Return the classes of an operation's refusals, by column."""
    return {column: CLASSES[letter] for (name, column), letter in table.items() if name == operation}


def operations(table: str) -> frozenset[str]:
    """Return the operations of a table."""
    return frozenset(name for name, _ in cells(table))
