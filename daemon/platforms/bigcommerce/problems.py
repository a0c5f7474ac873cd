"""What a merchant can be asked to mend at a product: a small catalogue of codes, words and remedies.

A code never changes its meaning, since it is stored. The words are shown in SparkLayer's sync-log beside the
product's name, to people who know BigCommerce and not us: they name the variant and end with what to do.
"""

import enum

from daemon.model import Problem


class Trouble(enum.Enum):
    """Each problem's words, with `{placeholders}`, and its remedy. Its code is its name in lower case."""

    VARIANT_WITHOUT_SKU = (
        "{variant} has no SKU, so it is not in SparkLayer.",
        "Give it a SKU of its own in BigCommerce.",
    )
    SKU_REPEATED = (
        'The SKU "{sku}" of {variant} is used by an earlier variant, so only that one is in SparkLayer.',
        "Give each variant a SKU of its own in BigCommerce.",
    )
    PRICE_MISSING = (
        '{variant} (SKU "{sku}") has no usable price, so none is in SparkLayer.',
        "Set a price of 0 or more on the variant or the product in BigCommerce.",
    )
    WEIGHT_UNUSABLE = (
        '{variant} (SKU "{sku}") has a weight that cannot be used, so none is in SparkLayer.',
        "Set a weight of 0 or more on the variant or the product in BigCommerce.",
    )
    WEIGHT_UNIT_UNKNOWN = (
        'The store\'s unit of weight, "{unit}", is not known, so no weight is in SparkLayer.',
        "Choose pounds, ounces, kilograms, grams or tonnes in BigCommerce's store settings.",
    )

    def problem(self, **words: object) -> Problem:
        """Return the problem in words for the merchant."""
        what, remedy = self.value
        return Problem(code=self.name.lower(), message=f"{what.format(**words)} {remedy}")
