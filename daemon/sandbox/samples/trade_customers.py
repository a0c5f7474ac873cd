"""AdventureWorks' 701 trade customers, in the group Wholesale, customer n being the n-th row of `Store.csv`.

Company, addresses and e-mail are the data's; an e-mail is written in plain letters. Names are made up: the first
from the e-mail, the last from a list. Made up too, but always the same: the attributes, written as merchants write
them, and the customers below that a mapping must cope with.

`other_customers` are those that SparkLayer shall not have: retail ones in a group and in none, and the guests' group.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from daemon.sandbox.company import GUESTS, RETAIL, WHOLESALE, Customer
from daemon.sandbox.samples.adventureworks import marked_rows, rows

GROUP = "sparklayer_group"
PAYMENT = "Payment On Account"
PRICE_LISTS = "price-lists"
AGENTS = "SparkLayer Sales Agent Groups"
DISCOUNT = "discount_percentage"
ACCOUNTING = "Accounting ID"
PARENT = "sparklayer-parent_customer_id"

RICH, PARENTS_CHILD, BAD_PAYMENT, MANY_ADDRESSES, BAD_EMAIL, NO_STREET, MANY_ATTRIBUTES = 1, 3, 5, 8, 9, 10, 11
"""The customers with every attribute; a parent; a payment on account that is none; 14 addresses; an e-mail that is
none; an address without a street; and so many attributes that their group is the twelfth."""

BRANCHES = 13
_LAST_NAMES = ("Achong", "Abel", "Bacon", "Chow", "Diaz", "Eldridge", "Ferrier", "Gash", "Hodgson", "Ihrig", "Juarez")

ATTRIBUTES: Mapping[int, Mapping[str, str]] = {
    RICH: {
        GROUP: "gold",
        PAYMENT: '{"credit_limit": 25000, "balance": 1250.5, "currency_code": "USD"}',
        PRICE_LISTS: "trade-usd, spring",
        AGENTS: "north, east",
        DISCOUNT: "12.5",
        ACCOUNTING: "AW-0292",
    },
    2: {GROUP: "silver", PRICE_LISTS: "trade-usd"},
    PARENTS_CHILD: {PARENT: str(RICH), GROUP: "gold"},
    4: {PARENT: str(RICH), AGENTS: "north"},
    BAD_PAYMENT: {PAYMENT: "ask Gustavo", DISCOUNT: "5"},
    6: {PAYMENT: '{"credit_limit": 800}', "Favourite colour": "red"},
    7: {GROUP: "", ACCOUNTING: ""},
    MANY_ATTRIBUTES: {f"Note {number}": "x" for number in range(1, 12)} | {GROUP: "gold"},
}


def trade_customers() -> Iterator[Customer]:
    """Return the customers."""
    emails, addresses = _emails(), _addresses()
    for number, (key, company, *_) in enumerate(marked_rows("Store"), start=1):
        group = {GROUP: "gold"} if number % 20 == 0 else {}
        plain = unicodedata.normalize("NFKD", emails[key]).encode("ascii", "ignore").decode()
        yield Customer(
            email="cycles at adventure-works.com" if number == BAD_EMAIL else plain,
            group=WHOLESALE,
            first_name=emails[key].partition("@")[0].rstrip("0123456789").title(),
            last_name=_LAST_NAMES[number % len(_LAST_NAMES)],
            company=company,
            phone=f"555-01{number % 100:02}",
            addresses=[*addresses[key], *_more(number, addresses[key][0])],
            attributes=ATTRIBUTES.get(number) or group | ({ACCOUNTING: f"AW-{number:04}"} if number % 7 == 0 else {}),
        )


def _more(number: int, first: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    if number == MANY_ADDRESSES:
        for branch in range(1, BRANCHES + 1):
            yield {**first, "street": f"{branch} Branch Street", "street2": f"Gate {branch}"}
    if number == NO_STREET:
        yield {**first, "street": ""}


def _emails() -> dict[str, str]:
    """Return the e-mail of each store's first contact."""
    known = {row[0]: row[2] for row in marked_rows("EmailAddress")}
    contacts: dict[str, str] = {}
    for store, person, *_ in marked_rows("BusinessEntityContact"):
        contacts.setdefault(store, known[person])
    return contacts


def _addresses() -> dict[str, list[dict[str, str]]]:
    """Return the addresses of each store."""
    countries = {row[0]: row[1] for row in rows("CountryRegion")}
    states = {row[0]: row for row in rows("StateProvince")}
    known = {row[0]: row for row in rows("Address")}
    addresses: dict[str, list[dict[str, str]]] = defaultdict(list)
    for store, address, *_ in marked_rows("BusinessEntityAddress"):
        row = known[address]
        addresses[store].append(_address(row, states[row[4]], countries))
    return addresses


def _address(row: Sequence[str], state: Sequence[str], countries: Mapping[str, str]) -> dict[str, str]:
    return {
        "street": row[1],
        "street2": row[2],
        "city": row[3],
        "state": state[4],
        "postcode": row[5],
        "country": countries[state[2]],
        "country_code": state[2],
        "address_type": "commercial",
    }


COUNTS = {"retail": (RETAIL, 12), "shopper": (0, 30), "guest": (GUESTS, 10)}
"""Name, group and number of the customers."""


def other_customers() -> Iterator[Customer]:
    """Return the customers, group by group."""
    for name, (group, count) in COUNTS.items():
        for number in range(1, count + 1):
            home = {"street": f"{number} Main Street", "city": "Bothell", "postcode": "98011"}
            state = {"state": "Washington", "country": "United States", "country_code": "US"}
            yield Customer(
                email=f"{name}-{number}@example.com",
                group=group,
                first_name=name.title(),
                last_name=f"Number {number}",
                addresses=[home | state] if number % 2 else [],
            )
