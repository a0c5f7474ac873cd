"""Adapters that register webhooks too often, or remove too much or too little."""

from daemon.errors import Failure
from daemon.model import Lane
from tests.conformance.broken.base import Broken


class RegistersEachTime(Broken):
    async def ensure_webhooks(self, destination: str) -> int:
        await self.real.remove_webhooks(destination)
        number: int = await self.real.ensure_webhooks(destination)
        return number


class MiscountsWhatItMended(Broken):
    async def ensure_webhooks(self, destination: str) -> int:
        await self.real.ensure_webhooks(destination)
        return 1


class ClearsTheTable(Broken):
    """Removes whatever is registered."""

    async def remove_webhooks(self, destination: str) -> None:
        await self.real.remove_webhooks(destination)
        await self.real.remove_webhooks(destination.replace("ours", "theirs"))


class LeavesOneBehind(Broken):
    async def remove_webhooks(self, destination: str) -> None:
        await self.real.remove_webhooks(destination)
        await self.real._client.write(
            "POST", "/v3/hooks", lane=Lane.LIVE, body={"scope": "store/product/updated", "destination": destination}
        )


class LeavesTheOldHost(Broken):
    """Goes on registering at the host that it was told first."""

    first = ""

    async def ensure_webhooks(self, destination: str) -> int:
        self.first = self.first or destination
        number: int = await self.real.ensure_webhooks(self.first)
        return number


class HidesThatRegisteringFailed(Broken):
    async def ensure_webhooks(self, destination: str) -> int:
        try:
            number: int = await self.real.ensure_webhooks(destination)
        except Failure:
            return 0
        return number


class HidesThatRemovingFailed(Broken):
    async def remove_webhooks(self, destination: str) -> None:
        try:
            await self.real.remove_webhooks(destination)
        except Failure:
            return
