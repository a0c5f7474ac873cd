"""Promises of mapping: the same value each time, whole and fit for SparkLayer, with a merchant's mistakes in words."""

from typing import Any
from urllib.parse import urlsplit

from attrs import evolve

from daemon.entities import Customer, Mapped, Order, Product, StoreFacts
from daemon.issues import IssueType
from daemon.model import Kind
from daemon.platforms.base import STORE, Entity
from tests.conformance.harness import ReaderHarness
from tests.conformance.promise import ALL, of

VALUES: dict[Kind, Any] = {Kind.PRODUCTS: Product, Kind.CUSTOMERS: Customer, Kind.ORDERS: Order, Kind.STORE: StoreFacts}
CODES = {trouble.name.lower() for trouble in IssueType}


async def some(harness: ReaderHarness, kind: Kind) -> tuple[list[Entity], StoreFacts]:
    if kind is not Kind.STORE:
        harness.stand.add(kind, 5)
    return await harness.walk(kind), await harness.shop.facts()


@of(ALL)
async def mapping_is_pure(harness: ReaderHarness, kind: Kind) -> None:
    """The same value each time, in another adapter and at another time too; nothing is asked, nothing is changed."""
    entities, facts = await some(harness, kind)
    before = [repr_of(entity) for entity in entities]
    calls = len(harness.wire.requests)
    first = [harness.shop.map(kind, entity, facts) for entity in entities]
    harness.stand.now += 1e6
    again = [harness.shop.map(kind, entity, facts) for entity in reversed(entities)]
    elsewhere = [harness.connect().map(kind, entity, facts) for entity in entities]
    assert first == again[::-1] == elsewhere
    assert [repr_of(entity) for entity in entities] == before, "mapping has changed what it was given"
    assert len(harness.wire.requests) == calls


@of(ALL)
async def a_value_is_whole(harness: ReaderHarness, kind: Kind) -> None:
    """It is its kind's, has the entity's id, and says where a person finds the entity."""
    entities, facts = await some(harness, kind)
    assert entities
    for entity in entities:
        mapped = harness.shop.map(kind, entity, facts)
        assert mapped.issues == ()
        assert isinstance(mapped.value, VALUES[kind])
        if kind is not Kind.STORE:
            assert mapped.value.external_id == entity.external_id
        shows(mapped, facts)
        FITS[kind](mapped.value)


@of(ALL)
async def mistakes_are_told_in_words(harness: ReaderHarness, kind: Kind) -> None:
    """With a code of the catalogue, the name of the entity and where it is edited."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    harness.stand.spoil(kind, external_id)
    mapped = (await harness.mapped(kind))[external_id]
    assert mapped.issues
    for issue in mapped.issues:
        assert issue.code in CODES
        assert issue.message.strip()
        assert "{" not in issue.message
    shows(mapped, await harness.shop.facts())


@of(ALL)
async def links_are_of_the_facts(harness: ReaderHarness, kind: Kind) -> None:
    """Without a known control panel there is no link: none is made up."""
    entities, facts = await some(harness, kind)
    nowhere = evolve(facts, url="")
    for entity in entities:
        mapped = harness.shop.map(kind, entity, nowhere)
        assert mapped.url == "" or kind is Kind.STORE


def repr_of(entity: Entity) -> str:
    return f"{entity.external_id} {entity.content!r}"


def shows(mapped: Mapped[Any], facts: StoreFacts) -> None:
    """Return true if a person finds the entity."""
    assert mapped.name.strip()
    assert mapped.url.startswith(facts.url)
    assert urlsplit(mapped.url).scheme in {"http", "https"}


def fits_product(value: Product) -> None:
    skus = [variant.sku for variant in value.variants]
    assert value.title
    assert value.slug
    assert skus
    assert all(skus)
    assert len(skus) == len(set(skus))
    assert {*value.stock, *value.prices} <= set(skus), "stock or prices of no variant"
    assert [variant.position for variant in value.variants] == list(range(1, len(skus) + 1))
    assert all(price >= 0 for price in value.prices.values())
    assert len({variant.external_id for variant in value.variants}) == len(skus)


def fits_customer(value: Customer) -> None:
    assert "@" in value.email
    assert value.group != ""
    assert value.parent != value.external_id
    assert all(one.address_line1 and one.city and len(one.country_code) in {2, 3} for one in value.addresses.values())


def fits_order(value: Order) -> None:
    assert value.cart_id
    assert value.placed <= value.updated
    assert value.placed.tzinfo is not None
    assert value.currency
    assert any(package.lines for package in value.packages)


def fits_store(value: StoreFacts) -> None:
    assert len(value.currency) == 3
    assert value.locations >= 1


FITS: dict[Kind, Any] = {
    Kind.PRODUCTS: fits_product,
    Kind.CUSTOMERS: fits_customer,
    Kind.ORDERS: fits_order,
    Kind.STORE: fits_store,
}
