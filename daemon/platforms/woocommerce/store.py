"""Reads the shop's own settings: currency, unit of weight, tax in prices, and patterns of B2B roles without a role."""

from collections.abc import Mapping, Sequence
from functools import partial

from attrs import frozen
from msgspec import Struct
from msgspec.json import Decoder

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Missing
from daemon.issues import IssueType
from daemon.model import ExternalId, Lane
from daemon.platforms.base import STORE, Entity, IdPage, Page
from daemon.platforms.shared.weights import GRAMS_IN
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.customers.roles import Roles
from daemon.transport.http import shortly

PLATFORM = "WooCommerce"
CURRENCY = "/data/currencies/current"
WEIGHT_UNIT = "/settings/products/woocommerce_weight_unit"
TAX_IN_PRICES = "/settings/tax/woocommerce_prices_include_tax"


class _Currency(Struct, frozen=True):
    code: str


class _Setting(Struct, frozen=True):
    value: str


CURRENCY_SHAPE, _SETTING = Decoder(_Currency), Decoder(_Setting)


@frozen(kw_only=True)
class ShopFacts(StoreFacts):
    """The facts about a shop, and the patterns of B2B roles that no role of the shop fits."""

    patterns_without_role: tuple[str, ...] = ()


class StoreReader:
    """One shop as a whole."""

    batch = 1

    def __init__(self, client: Client, store_url: str, roles: Roles) -> None:
        self._client = client
        self._url = f"{store_url}/wp-admin"
        self._roles = roles

    async def facts(self) -> ShopFacts:
        """Read the shop's facts."""
        query = {"_fields": "code"}
        currency = await shortly(partial(self._client.get, CURRENCY, CURRENCY_SHAPE, lane=Lane.LIVE, query=query))
        return ShopFacts(
            currency=currency.code,
            weight_unit=await self._setting(WEIGHT_UNIT),
            url=self._url,
            tax_inclusive=await self._setting(TAX_IN_PRICES) == "yes",
            patterns_without_role=await self._roles.unmatched(),
        )

    async def entity(self) -> Entity:
        """Read the only entity of the kind `store`."""
        return Entity(STORE, await self.facts())

    async def page(self, _cursor: str | None) -> Page:
        """Read the shop as the only page of an enumeration."""
        return Page(entities=[await self.entity()], cursor=None)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read the shop, changed or not: it sends no webhooks for its settings."""
        return await self.page(cursor)

    async def ids(self, _cursor: str | None) -> IdPage:
        """Return the shop's only id."""
        return IdPage(ids=[STORE], cursor=None)

    async def read(self, ids: Sequence[ExternalId], _lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read the shop by its id."""
        return {STORE: await self.entity()} if STORE in ids else {}

    async def read_one(self, external_id: ExternalId, _lane: Lane) -> Entity | None:
        """Read the shop; None for any other id."""
        return await self.entity() if external_id == STORE else None

    def map(self, entity: Entity, _facts: StoreFacts) -> Mapped[StoreFacts]:
        """Return the facts as they are, with an issue for an unknown unit and for each pattern without a role."""
        facts: ShopFacts = entity.content
        issues = [
            IssueType.B2B_ROLE_MISSING.issue(platform=PLATFORM, pattern=pattern)
            for pattern in facts.patterns_without_role
        ]
        if facts.weight_unit.strip().lower() not in GRAMS_IN:
            issues.append(IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=PLATFORM, unit=facts.weight_unit))
        return Mapped(value=facts, issues=tuple(issues), name="Store settings", url=facts.url)

    async def _setting(self, path: str) -> str:
        """Read one setting; empty if the shop does not have it."""
        query = {"_fields": "value"}
        try:
            return (await shortly(partial(self._client.get, path, _SETTING, lane=Lane.LIVE, query=query))).value
        except Missing:
            return ""
