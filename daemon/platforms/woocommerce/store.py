"""Reads the shop's own settings: currency, unit of weight, tax in prices, and patterns of B2B roles without a role."""

from functools import partial

from attrs import evolve, frozen
from msgspec import Struct
from msgspec.json import Decoder

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Missing
from daemon.issues import IssueType
from daemon.model import Lane
from daemon.platforms.base import Entity
from daemon.platforms.shared.adapter import OneStore
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.customers.members import Roles
from daemon.transport.http import shortly

WEIGHT_UNIT = "/settings/products/woocommerce_weight_unit"
TAX_IN_PRICES = "/settings/tax/woocommerce_prices_include_tax"


class _Setting(Struct, frozen=True):
    value: str


_SETTING = Decoder(_Setting)


@frozen(kw_only=True)
class ShopFacts(StoreFacts):
    """The facts about a shop, and the patterns of B2B roles that no role of the shop fits."""

    patterns_without_role: tuple[str, ...] = ()


class StoreReader(OneStore):
    """One shop as a whole."""

    label = "WooCommerce"

    def __init__(self, client: Client, store_url: str, roles: Roles) -> None:
        self._client = client
        self._url = f"{store_url}/wp-admin"
        self._roles = roles

    async def facts(self) -> ShopFacts:
        """Read the shop's facts."""
        return ShopFacts(
            currency=await shortly(self._client.currency),
            weight_unit=await self._setting(WEIGHT_UNIT),
            url=self._url,
            tax_inclusive=await self._setting(TAX_IN_PRICES) == "yes",
            patterns_without_role=await self._roles.unmatched(),
        )

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[StoreFacts]:
        """Return the facts as they are, with an issue also for each pattern without a role."""
        mapped = super().map(entity, facts)
        patterns = entity.content.patterns_without_role
        issues = [IssueType.B2B_ROLE_MISSING.issue(platform=self.label, pattern=pattern) for pattern in patterns]
        return evolve(mapped, issues=(*issues, *mapped.issues))

    async def _setting(self, path: str) -> str:
        """Read one setting; empty if the shop does not have it."""
        query = {"_fields": "value"}
        try:
            return (await shortly(partial(self._client.get, path, _SETTING, lane=Lane.LIVE, query=query))).value
        except Missing:
            return ""
