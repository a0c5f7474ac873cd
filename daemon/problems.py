"""The catalogue of what a merchant must fix: a code, the words, and the remedy of each.

A code never changes its meaning, since it is stored. The words are shown in SparkLayer's sync-log beside the entity's
name and a link to where it is edited, to people who know their platform and not us: they name the part that is wrong
and end with what to do. `{platform}` is what the platform is called; the other placeholders are those of the problem.
Nothing here knows when a problem is found: mappings find what is wrong with one entity, the engine what is wrong
between entities and with SparkLayer.
"""

import enum

from daemon.model import Problem

_PROPER = {"sku": "SKU", "sparklayer": "SparkLayer", "email": "e-mail"}
"""Words of codes that are not written as they are."""


class Trouble(enum.Enum):
    """Each problem's words and its remedy. Its code is its name in lower case."""

    VARIANT_WITHOUT_SKU = (
        "{variant} has no SKU, so it is not in SparkLayer.",
        "Give it a SKU of its own in {platform}.",
    )
    SKU_REPEATED = (
        'The SKU "{sku}" of {variant} is used by an earlier variant, so only that one is in SparkLayer.',
        "Give each variant a SKU of its own in {platform}.",
    )
    SKU_USED_TWICE = (
        'The SKU "{sku}" is used by another product too, so only that one has it in SparkLayer.',
        "Give each variant a SKU of its own.",
    )
    SKU_TOO_LONG = (
        "The SKU of {variant} has more than {most} characters, so it is not in SparkLayer.",
        "Give it a shorter SKU in {platform}.",
    )
    SLUG_TOO_LONG = (
        "The path of the product's page has more than {most} characters, so it is cut short in SparkLayer.",
        "Give the product a shorter URL in {platform}.",
    )
    NOTHING_TO_SELL = (
        "The product has no variant that SparkLayer can hold, so it is not there.",
        "Give at least one variant a SKU of its own in {platform}.",
    )
    PRICE_MISSING = (
        '{variant} (SKU "{sku}") has no usable price, so none is in SparkLayer.',
        "Set a price of 0 or more on the variant or the product in {platform}.",
    )
    RETAIL_PRICE_UNUSABLE = (
        '{variant} (SKU "{sku}") has a retail price that cannot be used, so it has no recommended price in SparkLayer.',
        "Set a retail price of 0 or more on the variant or the product in {platform}.",
    )
    WEIGHT_UNUSABLE = (
        '{variant} (SKU "{sku}") has a weight that cannot be used, so none is in SparkLayer.',
        "Set a weight of 0 or more on the variant or the product in {platform}.",
    )
    WEIGHT_UNIT_UNKNOWN = (
        'The store\'s unit of weight, "{unit}", is not known, so no weight is in SparkLayer.',
        "Choose pounds, ounces, kilograms, grams or tonnes in {platform}'s store settings.",
    )
    ATTRIBUTE_UNREADABLE = (
        'The B2B attribute "{name}" of {owner} cannot be read: {expected} was expected. It is left out.',
        "Correct it in {platform}.",
    )
    EMAIL_MISSING = (
        "The customer has no e-mail address, so SparkLayer cannot have it.",
        "Give the customer an e-mail address in {platform}.",
    )
    EMAIL_INVALID = (
        "The customer's e-mail address is not a valid one, so SparkLayer cannot have the customer.",
        "Correct the e-mail address in {platform}.",
    )
    EMAIL_USED_TWICE = (
        "Another customer has the same e-mail address, so SparkLayer can have only that one.",
        "Give each customer an e-mail address of its own.",
    )
    ADDRESS_LINE_1_EMPTY = (
        "The address with id {address} is left out: its first line is empty.",
        "Complete the address in {platform}.",
    )
    ADDRESS_CITY_EMPTY = (
        "The address with id {address} is left out: its city is empty.",
        "Complete the address in {platform}.",
    )
    ADDRESS_COUNTRY_EMPTY = (
        "The address with id {address} is left out: its country is empty.",
        "Choose the country of the address in {platform}.",
    )
    ADDRESS_COUNTRY_UNKNOWN = (
        'The address with id {address} is left out: "{country}" is not the code of a country.',
        "Choose the country of the address in {platform}.",
    )
    PARENT_MISSING = (
        "Its parent customer, {parent}, is not in SparkLayer, so the customer cannot be its sub-account.",
        "Correct the parent's id, or make the parent a B2B customer.",
    )
    PARENT_GOES_IN_CIRCLES = (
        "Its parent customer is one of its own sub-accounts.",
        "Correct the parent's id of one of them.",
    )
    CART_UNKNOWN = (
        "The order says that it was placed through SparkLayer, but names no cart.",
        "Correct the order's cart id: it is a UUID.",
    )
    CART_USED_TWICE = (
        "An earlier order names the same cart, so only that one is in SparkLayer.",
        "Correct the cart id of one of the orders.",
    )
    LINE_WITHOUT_PRODUCT = (
        'The line "{line}" of the order is of no product with a SKU.',
        "Choose a product for it in {platform}, if it should be one.",
    )
    CURRENCY_CONFLICT = (
        "The store's currency is {currency}, but SparkLayer's base currency is set to another one.",
        "Ask SparkLayer's support to change it.",
    )
    REFUSED_BY_SPARKLAYER = (
        "SparkLayer did not accept it: {words}",
        "",
    )

    def problem(self, **words: object) -> Problem:
        """Return the problem in words for the merchant."""
        told = " ".join(part.format(**words) for part in self.value if part)
        return Problem(code=self.name.lower(), message=told)


def refused(words: str) -> Problem:
    """SparkLayer does not take the entity as it is; these are its words."""
    return Trouble.REFUSED_BY_SPARKLAYER.problem(words=words)


def title(code: str) -> str:
    """Word a code as a heading: "variant_without_sku" is "Variant without SKU"."""
    words = " ".join(_PROPER.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]
