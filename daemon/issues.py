"""The catalogue of what a merchant must fix: of each the code, when it is found, its words, the remedy, and the link.

A code never changes its meaning, since it is stored. The words are shown in SparkLayer's sync-log beside the entity's
name and a link to where it is edited, to people who know their platform and not us: they name the part that is wrong
and end with what to do. `{platform}` is what the platform is called; the other placeholders are those of the problem.
Mappings find what is wrong with one entity, the engine what is wrong between entities and with SparkLayer. The link,
the sync-log's `external_url`, leads to the entity that a problem is told of; what its address is only the platform's
mapping knows (`Mapped.url`).
"""

import enum
from collections import defaultdict
from collections.abc import Sequence

from attrs import frozen

from daemon.entities import Issue
from daemon.model import Kind

MOST_LISTED = 10
"""Problems of one code that an issue lists; of more of them only the number."""

MOST_CHARACTERS = 6000
"""Characters after which an issue lists only the first problem of each code."""

LONGEST_WORD = 300
"""Characters of a name, a SKU or the like that is quoted; a longer one lacks its middle."""

_PROPER = {"sku": "SKU", "sparklayer": "SparkLayer", "email": "e-mail"}
"""Words of codes that are not written as they are."""


@frozen(kw_only=True)
class Entry:
    """One thing that may be wrong.

    `when` it is found, for whoever maintains this; `message` and `remedy` for the merchant. `at` are the kinds of
    entity that it is told of: the link beside it leads to where that entity is edited.
    """

    when: str
    message: str
    remedy: str
    at: tuple[Kind, ...]


class IssueType(enum.Enum):
    """Every entry by its name, which in lower case is its code."""

    VARIANT_WITHOUT_SKU = Entry(
        when="a variant's SKU is empty",
        message="{variant} has no SKU, so it is not in SparkLayer.",
        remedy="Give it a SKU of its own in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SKU_REPEATED = Entry(
        when="two variants of a product have the same SKU; told of all but the first",
        message='The SKU "{sku}" of {variant} is used by an earlier variant, so only that one is in SparkLayer.',
        remedy="Give each variant a SKU of its own in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SKU_USED_TWICE = Entry(
        when="another product had a variant's SKU first; told until that one lets go",
        message='The SKU "{sku}" is used by another product too, so only that one has it in SparkLayer.',
        remedy="Give each variant a SKU of its own.",
        at=(Kind.PRODUCTS,),
    )
    SKU_TOO_LONG = Entry(
        when="a variant's SKU is longer than SparkLayer takes",
        message="The SKU of {variant} has more than {most} characters, so it is not in SparkLayer.",
        remedy="Give it a shorter SKU in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    SLUG_TOO_LONG = Entry(
        when="the path of a product's page is longer than SparkLayer takes",
        message="The path of the product's page has more than {most} characters, so it is cut short in SparkLayer.",
        remedy="Give the product a shorter URL in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    OPTION_REPEATED = Entry(
        when="a variant has two options of the same display name; told of all but the first",
        message='{variant} has more than one option called "{option}", so only the first of them is in SparkLayer.',
        remedy="Give each option of the product a display name of its own in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    STOCK_OF_PRODUCT = Entry(
        when="the stock of a product with several variants is counted for the product as a whole",
        message="The product's stock is counted as a whole, so SparkLayer shows all of it for each variant, and "
        "checkouts may fail.",
        remedy="Track the stock by variant in {platform}, on the product's page under Inventory.",
        at=(Kind.PRODUCTS,),
    )
    NOTHING_TO_SELL = Entry(
        when="no variant of a product can be in SparkLayer",
        message="The product has no variant that SparkLayer can hold, so it is not there.",
        remedy="Give at least one variant a SKU of its own in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    PRICE_MISSING = Entry(
        when="the price of a variant, or of its product, is negative or absurdly large",
        message='{variant} (SKU "{sku}") has no usable price, so none is in SparkLayer.',
        remedy="Set a price of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    RETAIL_PRICE_UNUSABLE = Entry(
        when="the retail price is negative or absurdly large, and no attribute stands in for it",
        message='{variant} (SKU "{sku}") has a retail price that cannot be used, so SparkLayer has no rrp of it.',
        remedy="Set a retail price of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    WEIGHT_UNUSABLE = Entry(
        when="a weight is negative or absurdly large",
        message='{variant} (SKU "{sku}") has a weight that cannot be used, so none is in SparkLayer.',
        remedy="Set a weight of 0 or more on the variant or the product in {platform}.",
        at=(Kind.PRODUCTS,),
    )
    WEIGHT_UNIT_UNKNOWN = Entry(
        when="something has a weight, and the store's unit is none that is known",
        message='The store\'s unit of weight, "{unit}", is not known, so no weight is in SparkLayer.',
        remedy="Choose pounds, ounces, kilograms, grams or tonnes in {platform}'s store settings.",
        at=(Kind.PRODUCTS, Kind.STORE),
    )
    ATTRIBUTE_UNREADABLE = Entry(
        when="a B2B attribute or metafield is not what was agreed",
        message='The B2B attribute "{name}" of {owner} cannot be read: {expected} was expected. It is left out.',
        remedy="Correct it in {platform}.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS),
    )
    EMAIL_MISSING = Entry(
        when="a B2B customer has no e-mail address",
        message="The customer has no e-mail address, so SparkLayer cannot have it.",
        remedy="Give the customer an e-mail address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_INVALID = Entry(
        when="what a B2B customer has for an e-mail address cannot be one",
        message="The customer's e-mail address is not a valid one, so SparkLayer cannot have the customer.",
        remedy="Correct the e-mail address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_USED_TWICE = Entry(
        when="another B2B customer, of whatever channel, had the e-mail address first; told until that one lets go",
        message=(
            "Another customer, perhaps of another channel (storefront), has the same e-mail address, so SparkLayer can "
            "have only that one: it knows one customer for each e-mail address over all channels."
        ),
        remedy="Give each customer an e-mail address that no customer of any channel has.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_IN_ANOTHER_CHANNEL = Entry(
        when="a B2B customer is limited to channels, and a customer who is not B2B has its e-mail address too",
        message=(
            "A customer of another channel (storefront) of {platform}, who is no B2B customer, has the same e-mail "
            "address. SparkLayer cannot tell the two apart."
        ),
        remedy="Give each customer an e-mail address that no customer of any channel has.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_LINE_1_EMPTY = Entry(
        when="the first line of an address of a customer is empty",
        message="The address with id {address} is left out: its first line is empty.",
        remedy="Complete the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_CITY_EMPTY = Entry(
        when="the city of an address of a customer is empty",
        message="The address with id {address} is left out: its city is empty.",
        remedy="Complete the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_COUNTRY_EMPTY = Entry(
        when="an address of a customer has no country",
        message="The address with id {address} is left out: its country is empty.",
        remedy="Choose the country of the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    ADDRESS_COUNTRY_UNKNOWN = Entry(
        when="the country of an address of a customer is none of ISO 3166",
        message='The address with id {address} is left out: "{country}" is not the code of a country.',
        remedy="Choose the country of the address in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    EMAIL_TAKEN = Entry(
        when="a customer of SparkLayer that is linked to another id has the e-mail address",
        message="In SparkLayer, another customer (id {owner}) has this e-mail address, so this one was not synced.",
        remedy="Change the e-mail address of one of them, or delete the other customer in SparkLayer.",
        at=(Kind.CUSTOMERS,),
    )
    SALES_AGENT = Entry(
        when="SparkLayer's account with the id or the e-mail address has the role of a sales agent",
        message="In SparkLayer, the account with this e-mail address is a sales agent's, so it was not changed.",
        remedy="Use another e-mail address for the customer, or change the account's role in SparkLayer.",
        at=(Kind.CUSTOMERS,),
    )
    GROUP_UNKNOWN = Entry(
        when="SparkLayer refuses the customer group that an attribute or the settings name",
        message='SparkLayer has no customer group "{group}", so the customer was not synced.',
        remedy="Create the group in SparkLayer (Customers > Groups), or correct the customer's group.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_MISSING = Entry(
        when="the parent that a customer names is not in SparkLayer; told until it is",
        message="Its parent customer, {parent}, is not in SparkLayer, so this customer was synced without a parent.",
        remedy="Correct the parent's id, or make the parent a B2B customer.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_IMPOSSIBLE = Entry(
        when="the parent that a customer names has an id that is too large to be one",
        message="Its parent customer, {parent}, cannot be a customer, so SparkLayer keeps what it has of this one.",
        remedy="Correct the parent's id in {platform}.",
        at=(Kind.CUSTOMERS,),
    )
    PARENT_GOES_IN_CIRCLES = Entry(
        when="customers are each other's parents; told of the one with the lowest id",
        message="Its parent customer, {parent}, is one of its own sub-accounts, so it was synced without a parent.",
        remedy="Correct the parent's id of one of them.",
        at=(Kind.CUSTOMERS,),
    )
    CART_UNKNOWN = Entry(
        when="an order is marked as SparkLayer's, and what names its cart is no UUID",
        message="The order says that it was placed through SparkLayer, but names no cart.",
        remedy="Correct the order's cart id: it is a UUID.",
        at=(Kind.ORDERS,),
    )
    CART_USED_TWICE = Entry(
        when="another order names the same cart, or had it and may not have another; told until it lets go",
        message="Another order names the same cart, or has not left it yet, so only that one is in SparkLayer.",
        remedy="Correct the cart id of one of the orders.",
        at=(Kind.ORDERS,),
    )
    LINE_WITHOUT_PRODUCT = Entry(
        when="a line of an order of SparkLayer's has no SKU",
        message='The line "{line}" of the order is of no product with a SKU.',
        remedy="Choose a product for it in {platform}, if it should be one.",
        at=(Kind.ORDERS,),
    )
    ORDER_DATE_UNUSABLE = Entry(
        when="a date of an order is missing, or cannot be read as one",
        message='The order\'s date "{field}" is missing or no date, so SparkLayer keeps what it has of the order.',
        remedy="Save the order again in {platform}; if that does not help, ask {platform}'s support to correct it.",
        at=(Kind.ORDERS,),
    )
    ORDER_AMOUNT_UNUSABLE = Entry(
        when="an amount of an order, or how many pieces a line has, is missing, absurdly large or no number",
        message='The order\'s amount "{field}" cannot be used, so SparkLayer keeps what it has of the order.',
        remedy="Correct it in {platform}, or ask {platform}'s support to.",
        at=(Kind.ORDERS,),
    )
    FIELD_UNREADABLE = Entry(
        when="a field of an entity is of another type than is documented, and what is meant is not clear",
        message='Its field "{field}" is not what {platform} documents, so SparkLayer keeps what it has of this.',
        remedy="Correct it in {platform}, or ask {platform}'s support to.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS),
    )
    CURRENCY_CONFLICT = Entry(
        when="SparkLayer refuses the store's currency, since its own is set for good",
        message="The store's currency is {currency}, but SparkLayer's base currency is set to another one.",
        remedy="Ask SparkLayer's support to change it.",
        at=(Kind.STORE,),
    )
    NOT_SHOWN = Entry(
        when="the platform refuses to show one entity while it shows others, so no right is missing",
        message="{platform} does not let us read it ({words}), so SparkLayer keeps what it has of it.",
        remedy="Look in {platform} at who may see it; if that is not clear, ask {platform}'s support.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS, Kind.STORE),
    )
    REFUSED_BY_SPARKLAYER = Entry(
        when="SparkLayer answers that it does not take an entity as it is; its words, shortened",
        message="SparkLayer did not accept it: {words}.",
        remedy="Change what it names, or ask SparkLayer's support if that is not clear.",
        at=(Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS, Kind.STORE),
    )

    def issue(self, **words: object) -> Issue:
        """Return the problem in words for the merchant."""
        quoted = {name: shortened(word) if isinstance(word, str) else word for name, word in words.items()}
        told = " ".join(part.format(**quoted) for part in (self.value.message, self.value.remedy))
        return Issue(code=self.name.lower(), message=told)


UNREAD = frozenset(trouble.name.lower() for trouble in (IssueType.FIELD_UNREADABLE, IssueType.NOT_SHOWN))
"""The codes of the troubles of entities of which SparkLayer keeps what it has, whatever that is."""


def refused(words: str) -> Issue:
    """SparkLayer does not take the entity as it is; these are its words."""
    return IssueType.REFUSED_BY_SPARKLAYER.issue(words=words.rstrip(" ."))


def shortened(text: str) -> str:
    """Return text without its middle where it is too long: an id at its end stays."""
    head = LONGEST_WORD * 2 // 3
    return text if len(text) <= LONGEST_WORD else f"{text[:head]} … {text[head + 3 - LONGEST_WORD :]}"


def bounded(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """Return what an issue lists of its problems, in their order, then how many more there are of each code.

    A product can have hundreds of variants, each with problems of its own. The first of every code is listed.
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
    more = {code: len(places) - len(listed.intersection(places)) for code, places in of_code.items()}
    return (
        *(issues[place] for place in sorted(listed)),
        *(Issue(code=code, message=_and_more(code, number)) for code, number in more.items() if number),
    )


def _and_more(code: str, number: int) -> str:
    return f"{number} more {'problem' if number == 1 else 'problems'} of this kind: {title(code)}."


def title(code: str) -> str:
    """Word a code as a heading: "variant_without_sku" is "Variant without SKU"."""
    words = " ".join(_PROPER.get(word, word) for word in code.split("_"))
    return words[:1].upper() + words[1:]
