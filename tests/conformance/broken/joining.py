"""Apps and readers of typed keys that let in too much, or say too much."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from daemon.errors import Rejected, Retry
from daemon.platforms.apps import AppRefused, Authorized, Installed, Visit
from tests.conformance.broken.base import Broken


class BrokenDoor(Broken):
    """The same, of an app or of typed keys."""


class SeesKeysInEmptyFields(BrokenDoor):
    def read(self, store_id: str, extra_config: Mapping[str, object]) -> Any:
        return self.real.read(store_id, {name: value or "ck_default" for name, value in extra_config.items()})


class QuotesWhatWasTyped(BrokenDoor):
    def read(self, store_id: str, extra_config: Mapping[str, object]) -> Any:
        try:
            return self.real.read(store_id, extra_config)
        except ValueError as error:
            raise ValueError(f"{error}: {extra_config}") from None


class TakesKeysUntried(BrokenDoor):
    async def attempt(self, *_: Any) -> None:
        pass


class RejectsInTrouble(BrokenDoor):
    async def attempt(self, *given: Any) -> None:
        try:
            await self.real.attempt(*given)
        except Retry as error:
            raise Rejected(str(error), reason=error.reason) from error


class BelievesEveryConsent(BrokenDoor):
    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        try:
            visit = await self.real.visit(page, query, body)
        except AppRefused:
            return Installed(store_id="any", store=None)
        return evolve(visit, install=self._believe) if isinstance(visit, Authorized) else visit

    async def _believe(self, store_id: str) -> Installed:
        return Installed(store_id=store_id, store=None)


class SpellsTheStoreInItsOwnWay(BrokenDoor):
    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        visit: Visit = await self.real.visit(page, query, body)
        if isinstance(visit, Authorized):
            return evolve(visit, state=visit.state.upper())
        return evolve(visit, store_id=f"stores/{visit.store_id}") if isinstance(visit, Installed) else visit


class BlamesTheMerchant(BrokenDoor):
    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        try:
            visit: Visit = await self.real.visit(page, query, body)
        except AppRefused as refused:
            raise AppRefused(str(refused)) from refused
        if not isinstance(visit, Authorized):
            return visit
        install = visit.install

        async def blaming(store_id: str) -> Installed:
            try:
                return await install(store_id)
            except AppRefused as refused:
                raise AppRefused(str(refused)) from refused

        return evolve(visit, install=blaming)


class FallsOverStrangeVisits(BrokenDoor):
    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        if not query:
            json.loads(body)["user_id"].strip()
        visit: Visit = await self.real.visit(page, query, body)
        return visit
