"""The catalogue of what a merchant must fix that is not a platform's own: each with what to do about it.

A platform's mapping has its problems beside it; these are found where products meet each other and SparkLayer.
"""

from daemon.model import Problem, Sku

_PROPER = {"sku": "SKU", "sparklayer": "SparkLayer"}
"""Words of codes that are not written as they are."""


def sku_used_twice(sku: Sku) -> Problem:
    """Another variant has this SKU already; SparkLayer keys stock and prices by SKU."""
    return Problem(
        code="sku_used_twice",
        message=f"SKU {sku} is used by another product too. Give each variant a SKU of its own.",
    )


def refused(words: str) -> Problem:
    """SparkLayer does not take the entity as it is; these are its words."""
    return Problem(code="refused_by_sparklayer", message=f"SparkLayer did not accept it: {words}")


def title(code: str) -> str:
    """Word a code as a heading: "variant_without_sku" is "Variant without SKU"."""
    words = " ".join(_PROPER.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]
