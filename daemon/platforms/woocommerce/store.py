"""Reads the shop's own settings: currency, unit of weight, tax in prices, and patterns of B2B roles without a role."""

from functools import partial

from attrs import frozen
from msgspec import Struct
from msgspec.json import Decoder

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Missing
from daemon.issues import IssueType
from daemon.model import Lane
from daemon.platforms.base import STORE, Entity, IdPage
from daemon.platforms.shared.readers import OneStore
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


class StoreReader(OneStore):
    """One shop as a whole."""

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

    async def ids(self, _cursor: str | None) -> IdPage:
        """Return the shop's only id."""
        return IdPage(ids=[STORE], cursor=None)

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
