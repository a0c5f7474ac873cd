"""The catalogue of problems that a merchant must fix: code, condition, message, remedy and kinds of entity.

A code never changes its meaning, because it is stored. SparkLayer's sync-log shows the text beside the entity's name
and a link to the page where it is edited. Its readers know their platform but not this daemon, so a text says what is
wrong, where, and how to fix it. `{platform}` is the platform's name; the other placeholders belong to the problem.

Mappings report problems of one entity; the engine reports problems between entities and with SparkLayer. The link (the
sync-log's `external_url`) is `Mapped.url`: only the platform's mapping knows it.
"""

import enum
from collections import defaultdict
from collections.abc import Sequence

from attrs import frozen

from daemon.entities import Issue
from daemon.model import Kind

MOST_LISTED = 10
"""Most problems of one code that an issue lists; the rest are counted."""

MOST_CHARACTERS = 6000
"""Length of an issue's text after which only the first problem of each code is listed."""

LONGEST_WORD = 300
"""Most characters of a quoted value, such as a name or a SKU; a longer one loses its middle."""

_PROPER = {"sku": "SKU", "sparklayer": "SparkLayer", "email": "e-mail"}
"""Words of codes that have a spelling of their own in a heading."""


@frozen(kw_only=True)
class IssueText:
    """The texts of one type of issue, and the kinds of entity that can have it.

    `when` is the condition, for the maintainers of this catalogue. `message` and `remedy` are for the merchant.
    """

    when: str
    message: str
    remedy: str
    at: tuple[Kind, ...]


class IssueType(enum.Enum):
    """Every type of issue; its name in lower case is the code."""

    VARIANT_WITHOUT_SKU = IssueText(
        when="a variant's SKU is empty",
        message="{variant} has no SKU, so it was not synced.",
        remedy="Add a SKU in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SKU_REPEATED = IssueText(
        when="two variants of a product have the same SKU; reported for all but the first",
        message='{variant} has the same SKU, "{sku}", as an earlier variant of this product, so it was not synced.',
        remedy="Give each variant its own SKU in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SKU_USED_TWICE = IssueText(
        when="another product already has a variant's SKU; reported until that product gives it up",
        message='The SKU "{sku}" is already used by another product, so this variant was not synced.',
        remedy="Give each variant its own SKU.",
        at=(Kind.PRODUCTS,),
    )
    SKU_TOO_LONG = IssueText(
        when="a variant's SKU is longer than SparkLayer accepts",
        message="{variant} has a SKU that is longer than {most} characters, so it was not synced.",
        remedy="Shorten the SKU in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SLUG_TOO_LONG = IssueText(
        when="the path of a product's page is longer than SparkLayer accepts",
        message="The product's URL path is longer than {most} characters, so it was shortened in SparkLayer.",
        remedy="Shorten the product's URL in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    OPTION_REPEATED = IssueText(
        when="a variant has two options with the same display name; reported for all but the first",
        message='{variant} has more than one option called "{option}", so only the first one was synced.',
        remedy="Give each option of the product its own display name in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    STOCK_OF_PRODUCT = IssueText(
        when="the stock of a product with several variants is tracked for the product as a whole",
        message=(
            "Stock is tracked for the product as a whole, so SparkLayer shows the total for every variant and "
            "checkouts may fail."
        ),
        remedy="Track stock by variant in {platform}, on the product's page under Inventory.",
        at=(Kind.PRODUCTS,),
    )
    NOTHING_TO_SELL = IssueText(
        when="SparkLayer cannot hold any variant of a product",
        message="The product has no variant that SparkLayer can accept, so it was not synced.",
        remedy="Give at least one variant its own SKU in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    PRICE_MISSING = IssueText(
        when="the price of a variant, or of its product, is missing, negative or absurdly large",
        message='{variant} (SKU "{sku}") has no valid price, so SparkLayer keeps the price that it has.',
        remedy="Set a price of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    RETAIL_PRICE_UNUSABLE = IssueText(
        when="the retail price is negative or absurdly large, and no attribute replaces it",
        message='{variant} (SKU "{sku}") has an invalid retail price, so SparkLayer keeps the RRP that it has.',
        remedy="Set a retail price of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    WEIGHT_UNUSABLE = IssueText(
        when="a weight is negative or absurdly large",
        message='{variant} (SKU "{sku}") has an invalid weight, so SparkLayer keeps the weight that it has.',
        remedy="Set a weight of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    WEIGHT_UNIT_UNKNOWN = IssueText(
        when="something has a weight, and the store's unit of weight is unknown",
        message='The store\'s unit of weight, "{unit}", is not recognised, so SparkLayer keeps its weights.',
        remedy="Choose pounds, ounces, kilograms, grams or tonnes in {platform}'s store settings.",
        at=(Kind.PRODUCTS, Kind.STORE),
    )
    ATTRIBUTE_UNREADABLE = IssueText(
        when="a B2B attribute or metafield does not have the expected format",
        message=(
            'The B2B attribute "{name}" of {owner} could not be read, so SparkLayer keeps what it has: {expected} was '
            "expected."
        ),
        remedy="Correct it in {platform}.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS),
    )
    EMAIL_MISSING = IssueText(
        when="a B2B customer has no e-mail address",
        message="The customer has no e-mail address, so the customer was not synced.",
        remedy="Add an e-mail address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_INVALID = IssueText(
        when="the e-mail address of a B2B customer is invalid",
        message="The customer's e-mail address is not valid, so the customer was not synced.",
        remedy="Correct the e-mail address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_USED_TWICE = IssueText(
        when="another B2B customer of any channel already has the e-mail address; reported until it gives it up",
        message=(
            "The e-mail address is already used by another customer, perhaps in another channel (storefront), so "
            "this customer was not synced. SparkLayer allows one customer for each e-mail address across all "
            "channels."
        ),
        remedy="Use an e-mail address that no other customer of any channel has.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_IN_ANOTHER_CHANNEL = IssueText(
        when="a B2B customer is limited to channels, and a retail customer has the same e-mail address",
        message=(
            "A retail customer in another channel (storefront) of {platform} has the same e-mail address. "
            "SparkLayer cannot tell the two apart."
        ),
        remedy="Use an e-mail address that no other customer of any channel has.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_LINE_1_EMPTY = IssueText(
        when="the first line of a customer's address is empty",
        message="Changes to the address with id {address} were not synced because its first line is empty.",
        remedy="Complete the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_CITY_EMPTY = IssueText(
        when="the city of a customer's address is empty",
        message="Changes to the address with id {address} were not synced because its city is empty.",
        remedy="Complete the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_COUNTRY_EMPTY = IssueText(
        when="a customer's address has no country",
        message="Changes to the address with id {address} were not synced because its country is empty.",
        remedy="Choose the address's country in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_COUNTRY_UNKNOWN = IssueText(
        when="the country of a customer's address is not in ISO 3166",
        message='Changes to the address with id {address} were not synced because "{country}" is not a country code.',
        remedy="Choose the address's country in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_TAKEN = IssueText(
        when="a SparkLayer customer that is linked to another id has the e-mail address",
        message="Another customer in SparkLayer (id {owner}) has this e-mail address, so this customer was not synced.",
        remedy="Change the e-mail address of one of them, or delete the other customer in SparkLayer.",
        at=(Kind.CUSTOMERS,),
    )
    SALES_AGENT = IssueText(
        when="SparkLayer's account with the id or the e-mail address has the role of a sales agent",
        message="The SparkLayer account with this e-mail address belongs to a sales agent, so it was not changed.",
        remedy="Use another e-mail address for the customer, or change the account's role in SparkLayer.",
        at=(Kind.CUSTOMERS,),
    )
    GROUP_UNKNOWN = IssueText(
        when="SparkLayer refuses the customer group named by an attribute or by the settings",
        message='SparkLayer has no customer group "{group}", so the customer was not synced.',
        remedy="Create the group in SparkLayer (Customers > Groups), or correct the customer's group.",
        at=(Kind.CUSTOMERS,),
    )
    CUSTOMER_REPLACED = IssueText(
        when="a customer was replaced after SparkLayer had hidden it; reported until the customer is next looked at",
        message=(
            "SparkLayer did not show this customer when it was synced, so fields set by hand there, such as its price "
            "lists, its credit or further addresses, may be gone."
        ),
        remedy="Check the customer in SparkLayer, and enter again what is missing.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_MISSING = IssueText(
        when="the parent that a customer names is not in SparkLayer; reported until it is",
        message="The parent customer, {parent}, is not in SparkLayer, so this customer was synced without a parent.",
        remedy="Correct the parent's id, or make the parent a B2B customer.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_IMPOSSIBLE = IssueText(
        when="the parent that a customer names is not an id, or is too large to be one",
        message="The parent customer's id, {parent}, is not valid, so changes to this customer were not synced.",
        remedy="Correct the parent's id in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_GOES_IN_CIRCLES = IssueText(
        when="customers are each other's parents; reported for the one with the lowest id",
        message=(
            "The parent customer, {parent}, is one of this customer's own sub-accounts, so this customer was "
            "synced without a parent."
        ),
        remedy="Correct the parent's id of one of them.",
        at=(Kind.CUSTOMERS,),
    )
    CART_UNKNOWN = IssueText(
        when="an order is marked as SparkLayer's, and its cart id is not a UUID",
        message="The order is marked as placed through SparkLayer, but its cart id is not valid, so it was not synced.",
        remedy="Correct the order's cart id: it must be a UUID.",
        at=(Kind.ORDERS,),
    )
    CART_USED_TWICE = IssueText(
        when="another order has the same cart, or has not given it up yet; reported until it does",
        message="Another order has the same cart id, or has not given it up yet, so this order was not synced.",
        remedy="Correct the cart id of one of the orders.",
        at=(Kind.ORDERS,),
    )
    LINE_WITHOUT_PRODUCT = IssueText(
        when="a line of a SparkLayer order has no SKU",
        message='The order line "{line}" has no product with a SKU.',
        remedy="Choose a product for the line in {platform} if it should have one.",
        at=(Kind.ORDERS,),
    )
    ORDER_DATE_UNUSABLE = IssueText(
        when="a date of an order is missing or invalid",
        message='The order\'s date "{field}" is missing or invalid, so changes to the order were not synced.',
        remedy=(
            "Save the order again in {platform}. If that does not help, ask {platform}'s support to correct the date."
        ),
        at=(Kind.ORDERS,),
    )
    ORDER_AMOUNT_UNUSABLE = IssueText(
        when="an amount of an order, or the quantity of a line, is missing, absurdly large or not a number",
        message='The order\'s amount "{field}" is missing or invalid, so changes to the order were not synced.',
        remedy="Correct it in {platform}, or ask {platform}'s support to.",
        at=(Kind.ORDERS,),
    )
    FIELD_UNREADABLE = IssueText(
        when="a field of an entity has an undocumented type, and its meaning is not clear",
        message='The field "{field}" does not have the format that {platform} documents, so changes were not synced.',
        remedy="Correct it in {platform}, or ask {platform}'s support to.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS),
    )
    B2B_ROLE_MISSING = IssueText(
        when="no role of the store fits one of the patterns of B2B roles in the settings",
        message='{platform} has no role that fits "{pattern}", so no customer is a B2B customer by it.',
        remedy="Let SparkLayer create its roles in {platform}, or correct b2b_roles in the settings.",
        at=(Kind.STORE,),
    )
    CURRENCY_CONFLICT = IssueText(
        when="SparkLayer refuses the store's currency because its own can no longer change",
        message="The store's currency is {currency}, but SparkLayer's base currency is permanently set to another one.",
        remedy="Ask SparkLayer's support to change it.",
        at=(Kind.STORE,),
    )
    NOT_SHOWN = IssueText(
        when="the platform refuses to show one entity while it shows others, so no permission is missing",
        message="{platform} did not allow Ignite Sync to read this ({words}), so changes were not synced.",
        remedy="Check in {platform} who may see it. If that is not clear, ask {platform}'s support.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS, Kind.STORE),
    )
    REFUSED_BY_SPARKLAYER = IssueText(
        when="SparkLayer does not accept an entity as it is; its words, shortened",
        message="SparkLayer did not accept this: {words}.",
        remedy="Change what SparkLayer names, or ask its support if that is not clear.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS, Kind.STORE),
    )

    def issue(self, **words: object) -> Issue:
        """Return the problem as the merchant reads it."""
        quoted = {name: shortened(word) if isinstance(word, str) else word for name, word in words.items()}
        message = " ".join(part.format(**quoted) for part in (self.value.message, self.value.remedy))
        return Issue(code=self.name.lower(), message=message)


UNREAD = frozenset({IssueType.FIELD_UNREADABLE.name.lower(), IssueType.NOT_SHOWN.name.lower()})
"""Codes of entities that could not be read: SparkLayer keeps its version of them."""


def refused(words: str) -> Issue:
    """Return the issue of an entity that SparkLayer refused; `words` are SparkLayer's."""
    return IssueType.REFUSED_BY_SPARKLAYER.issue(words=words.rstrip(" ."))


def shortened(text: str) -> str:
    """Return text without its middle if it is too long; an id at its end stays."""
    head = LONGEST_WORD * 2 // 3
    return text if len(text) <= LONGEST_WORD else f"{text[:head]} … {text[head + 3 - LONGEST_WORD :]}"


def bounded(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """Return the problems that an issue lists, in their order, then the number of the others for each code.

    A product can have hundreds of variants, each with its own problems. The first of each code is always listed.
    """
    of_code: dict[str, list[int]] = defaultdict(list)
    for place, issue in enumerate(issues):
        of_code[issue.code].append(place)
    listed = {places[0] for places in of_code.values()}
    room = MOST_CHARACTERS - sum(len(issues[place].message) for place in listed)
    for rank in range(1, MOST_LISTED):
        for places in of_code.values():
            if rank < len(places) and (room := room - len(issues[places[rank]].message)) >= 0:
                listed.add(places[rank])
    shown = [issues[place] for place in sorted(listed)]
    for code, places in of_code.items():
        if more := len(places) - len(listed.intersection(places)):
            problems = "problem" if more == 1 else "problems"
            shown.append(Issue(code=code, message=f"{more} more {problems} of this kind: {title(code)}."))
    return tuple(shown)


def title(code: str) -> str:
    """Return a code as a heading: "variant_without_sku" becomes "Variant without SKU"."""
    words = " ".join(_PROPER.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]
