"""The catalogue of what a merchant must fix that is not a platform's own: each with what to do about it.

A platform's mapping has its problems beside it; these are found where entities meet each other and SparkLayer.
"""

from daemon.model import ExternalId, Problem, Sku

_PROPER = {"sku": "SKU", "sparklayer": "SparkLayer"}
"""Words of codes that are not written as they are."""


def sku_used_twice(sku: Sku) -> Problem:
    """Another variant has this SKU already; SparkLayer keys stock and prices by SKU."""
    return Problem(
        code="sku_used_twice",
        message=f"SKU {sku} is used by another product too. Give each variant a SKU of its own.",
    )


def email_used_twice() -> Problem:
    """Another customer has this e-mail address already; it is unique in a SparkLayer site."""
    return Problem(
        code="email_used_twice",
        message="Another customer has the same e-mail address. Give each customer one of its own.",
    )


def parent_missing(parent: ExternalId) -> Problem:
    """Name a parent that is not in SparkLayer, so that the customer cannot be its sub-account."""
    return Problem(
        code="parent_missing",
        message=f"Its parent customer {parent} is not in SparkLayer. Correct its id, or make it a B2B customer.",
    )


def parent_goes_in_circles() -> Problem:
    """Say that the customer is, by way of its parents, a sub-account of itself."""
    return Problem(
        code="parent_goes_in_circles",
        message="Its parent customer is one of its own sub-accounts. Correct the parent's id of one of them.",
    )


def currency_conflict(currency: str) -> Problem:
    """SparkLayer's base currency is set to another one and cannot be changed from here (sparklayer.md section 7)."""
    return Problem(
        code="currency_conflict",
        message=f"The store's currency is {currency}, but SparkLayer's base currency is set to another one."
        " Ask SparkLayer's support to change it.",
    )


def refused(words: str) -> Problem:
    """SparkLayer does not take the entity as it is; these are its words."""
    return Problem(code="refused_by_sparklayer", message=f"SparkLayer did not accept it: {words}")


def title(code: str) -> str:
    """Word a code as a heading: "variant_without_sku" is "Variant without SKU"."""
    words = " ".join(_PROPER.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]
