"""Attributes of the sample company that say how its products may be ordered, and one that cannot be read.

Keys and JSON are SparkLayer's (sparklayer.md sections 2 and 11). What stands at the product counts for all its
variants; what a variant has itself goes before.
"""

from collections.abc import Mapping

OF_PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "FR-R92R-62": {"rrp": "1899.00"},
    "SO-R809-M": {"pack_size": "10", "min_order_quantity": "20"},
    "HL-U509-R": {
        "settings": '[{"customer_group": "base", "pack_size": 6, "min_order_quantity": 12},'
        ' {"customer_group": "gold", "pack_size": 1, "sell": true}]',
    },
    "LJ-0192-S": {"restock_date": "2027-01-15"},
}
"""By the SKU of one of the product's variants."""

OF_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "FR-R92R-62": {"rrp": "1949.5", "min_stock_level": "-25"},
    "LJ-0192-S": {"pack_size": "3", "max_order_quantity": "30", "min_stock_level": "0"},
    "LJ-0192-M": {"restock_date": "2027-02-01"},
    "LJ-0192-X": {"settings": "{not json"},
    "BK-M82S-38": {"rrp": "3799.99", "display": "true", "sell": "false"},
}
