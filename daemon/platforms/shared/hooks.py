"""Registers, repairs and removes the webhooks of one connection: the part that is alike on every platform.

A platform says which webhooks are *ours* and *right*, and makes the calls. Webhooks of other programs and of other
connections are never touched. `HookRegister.plan`, which is pure, decides what to change.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen
from msgspec import Struct

from daemon.errors import Blocked, ConfigError, Failure, Retry
from daemon.model import Kind, Secret
from daemon.platforms.base import Announce, Registration
from daemon.platforms.shared.client import SCOPE_MISSING, StoreClient
from daemon.platforms.shared.short_answers import delete_listed

NAME_PARTS = 3


class Hook(Struct, frozen=True):
    """A registered webhook."""

    id: int
    scope: str
    destination: str


C = TypeVar("C", bound=StoreClient)
H = TypeVar("H", bound=Hook)


@frozen(kw_only=True)
class Plan(Generic[H]):
    """Scopes to create, hooks to `mend` and to delete. The scopes in `right` need no change."""

    right: Sequence[str] = ()
    create: Sequence[str] = ()
    mend: Sequence[H] = ()
    delete: Sequence[H] = ()

    @property
    def wrong(self) -> list[str]:
        """The scopes that are not registered as they should be."""
        return [*self.create, *(hook.scope for hook in self.mend)]


@define(kw_only=True)
class Work:
    """Outcomes of the calls of a plan. `touched` has scopes whose webhooks were changed, or may have been."""

    missing: dict[str, str]
    touched: set[str] = field(factory=set)
    mended: int = 0
    failure: Failure | None = None


class HookRegister(ABC, Generic[C, H]):
    """The webhooks of one connection that lead to `destination` and carry or are signed by `secret`."""

    kinds: Mapping[str, Kind]
    """The scopes that we register, and their kinds."""

    def __init__(self, client: C, destination: str, secret: Secret) -> None:
        self._client = client
        self.destination = destination
        self.secret = secret

    @abstractmethod
    def is_ours(self, hook: H) -> bool:
        """Return True if this connection registered a hook, perhaps with an earlier address or secret."""

    @abstractmethod
    def is_right(self, hook: H) -> bool:
        """Return True if a hook of ours needs no change."""

    @abstractmethod
    def is_switched_off(self, hook: H) -> bool:
        """Return True if the platform has switched a hook off."""

    def may_stay(self, _hook: H) -> bool:
        """Return True if a hook of ours with a scope that we do not register is left alone."""
        return False

    @abstractmethod
    async def registered(self) -> list[H]:
        """Return all registered hooks, whoever registered them, without unreadable rows."""

    @abstractmethod
    async def carry_out(self, plan: Plan[H], work: Work) -> None:
        """Make the calls of a plan, and note their outcomes in `work`. Raises no failure of a single call."""

    @abstractmethod
    async def delete(self, hook: H) -> None:
        """Delete a hook, which may have been removed since it was listed."""

    def plan(self, hooks: Iterable[H]) -> Plan[H]:
        """Compare the registered hooks with the wanted ones: one working hook for each scope. Pure."""
        ours: dict[str, list[H]] = {scope: [] for scope in self.kinds}
        left: list[H] = []
        for hook in filter(self.is_ours, hooks):
            if hook.scope in ours:
                ours[hook.scope].append(hook)
            elif not self.may_stay(hook):
                left.append(hook)
        for found in ours.values():
            # A right one stays, so that no delivery of it is lost; else the one at the destination, because BigCommerce
            # lets no second one be moved there.
            found.sort(key=lambda hook: (not self.is_right(hook), hook.destination != self.destination))
        first = [found[0] for found in ours.values() if found]
        return Plan(
            right=[hook.scope for hook in first if self.is_right(hook)],
            create=[scope for scope, found in ours.items() if not found],
            mend=[hook for hook in first if not self.is_right(hook)],
            delete=[*(hook for found in ours.values() for hook in found[1:]), *left],
        )

    async def ensure(self, announce: Announce) -> Registration:
        """Carry out the plan and return the registration afterwards. Raises the failures of the list of hooks."""
        plan = self.plan(await self.registered())
        found = Registration(
            registered=len(plan.right),
            missing=dict.fromkeys(plan.wrong, ""),
            kinds=frozenset(self.kinds[scope] for scope in plan.wrong),
            switched_off=frozenset(hook.scope for hook in plan.mend if self.is_switched_off(hook)),
            fresh=not (plan.right or plan.mend or plan.delete),
        )
        if plan.wrong or plan.delete:
            await announce(found)
        work = Work(missing=dict(found.missing))
        await self.carry_out(plan, work)
        return evolve(
            found,
            registered=len(self.kinds) - len(work.missing),
            missing=work.missing,
            kinds=frozenset(self.kinds[scope] for scope in work.touched),
            mended=work.mended,
            made=frozenset(plan.create) - work.missing.keys(),
            failure=work.failure,
        )

    async def remove(self) -> None:
        """Delete all our hooks, wherever they lead. An empty list counts only if it comes twice."""

        async def ours() -> list[H]:
            return [hook for hook in await self.registered() if self.is_ours(hook)]

        await delete_listed(ours, self.delete)


def may_pass(error: Failure) -> bool:
    """Return True for a failure that a later attempt may not meet; False for a refusal that needs the merchant."""
    return isinstance(error, Retry) or (isinstance(error, Blocked) and error.reason != SCOPE_MISSING)


def connection_of(destination: str) -> list[str]:
    """Return the end of a destination: our route and the connection's name."""
    return urlsplit(destination).path.split("/")[-NAME_PARTS:]


def required_secret(secret: Secret | None, platform: str) -> Secret:
    """Return the secret of a connection's webhooks. Raises ConfigError if there is none."""
    if secret is None:
        raise ConfigError(f"connections.{platform}.webhook_secret: is needed to register and verify webhooks")
    return secret
