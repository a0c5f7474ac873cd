"""Adapters that register webhooks too often, or remove too much or too little."""

from attrs import evolve

from daemon.errors import Failure, Retry
from daemon.model import Lane
from daemon.platforms.base import Announce, Registration, tell_nobody
from tests.conformance.broken.base import Broken


class RegistersEachTime(Broken):
    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        await self.real.remove_webhooks(destination)
        found: Registration = await self.real.ensure_webhooks(destination, announce)
        return found


class MiscountsWhatItMended(Broken):
    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        found: Registration = await self.real.ensure_webhooks(destination, announce)
        return evolve(found, mended=1)


class AnnouncesWhatIsDone(Broken):
    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        found: Registration = await self.real.ensure_webhooks(destination)
        await announce(found)
        return found


class StopsAtTheFirstFailure(Broken):
    """Raises it, as if nothing else could be done."""

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        found: Registration = await self.real.ensure_webhooks(destination, announce)
        if found.missing:
            raise found.failure or Retry("refused", reason="refused")
        return found


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

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        self.first = self.first or destination
        found: Registration = await self.real.ensure_webhooks(self.first, announce)
        return found


class HidesThatRegisteringFailed(Broken):
    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        try:
            found: Registration = await self.real.ensure_webhooks(destination, announce)
        except Failure:
            return Registration()
        return evolve(found, failure=None)


class HidesThatRemovingFailed(Broken):
    async def remove_webhooks(self, destination: str) -> None:
        try:
            await self.real.remove_webhooks(destination)
        except Failure:
            return


class SaysOnlyHowMany(Broken):
    """Mends what was switched off, and tells it as made."""

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        found: Registration = await self.real.ensure_webhooks(destination, announce)
        return evolve(found, made=found.made | found.switched_off, switched_off=frozenset())
