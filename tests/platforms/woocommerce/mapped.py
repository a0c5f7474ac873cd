"""One entity of a shop, read and mapped as the daemon does."""

from typing import Any

from daemon.entities import Mapped
from daemon.model import ExternalId, Kind, Lane
from tests.platforms.woocommerce.recorded import FACTS
from tests.platforms.woocommerce.shop import FakeShop
from tests.platforms.woocommerce.summary import told


async def mapped(shop: FakeShop, kind: Kind, id_: int = 1) -> Mapped[Any]:
    entity = await shop.adapter.read_one(kind, ExternalId(str(id_)), Lane.LIVE)
    assert entity is not None
    return shop.adapter.map(kind, entity, FACTS)


async def value_of(shop: FakeShop, kind: Kind) -> Any:
    """Return the value of entity 1."""
    return (await mapped(shop, kind)).value


async def summary(shop: FakeShop, kind: Kind, id_: int = 1) -> str:
    entity = await shop.adapter.read_one(kind, ExternalId(str(id_)), Lane.LIVE)
    assert entity is not None
    return told(shop.adapter, kind, entity)
