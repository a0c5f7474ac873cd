"""Decides the owner of each SKU, e-mail address and cart once a batch is written. Pure.

The present owner keeps a key that it still wants, even when it is not in the batch. A key that its owner gives up in
the batch goes to the earliest entity that wants it now. Every other entity that wants the key loses it, and waits.

A claimed key must be free before it is sent, since SparkLayer's keys are unique. So the entities that give up claimed
keys are written first, with a placeholder where they claim keys themselves: that opens swaps and longer cycles.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Generic

from attrs import frozen

from daemon.model import ExternalId, K


@frozen(kw_only=True)
class KeyOwnership(Generic[K]):
    """Owners of unique keys before and after a batch.

    `owners` has the ledger's owners before it, `claims` the entity of the batch that owns each key after it. `lost`
    has the keys that each entity wants and another one owns. `batch` has the ids of all its entities.
    """

    owners: Mapping[K, ExternalId]
    claims: Mapping[K, ExternalId]
    lost: Mapping[ExternalId, frozenset[K]]
    batch: AbstractSet[ExternalId]

    @property
    def given_up(self) -> dict[K, ExternalId]:
        """Present owners in the batch of the keys that are claimed; the claimant may be the owner itself."""
        return {key: owner for key in self.claims if (owner := self.owners.get(key)) in self.batch and owner}

    def owner_after(self, key: K, default: ExternalId) -> ExternalId:
        """Return the owner of a key after the batch, or `default` where none is known."""
        return self.claims.get(key) or self.owners.get(key, default)


def decide_owners(
    wanted: Mapping[ExternalId, AbstractSet[K]],
    owners: Mapping[K, ExternalId],
    batch: AbstractSet[ExternalId],
    *,
    all_or_nothing: bool = False,
) -> KeyOwnership[K]:
    """Return the owners of the keys that entities of `batch` want; `owners` has the present ones.

    `all_or_nothing`: an entity that loses a key is not written at all, so it keeps the keys that it has. Otherwise it
    is written without the lost key, and gives up all that it does not want any more.
    """
    claimants: dict[K, list[ExternalId]] = {}
    for external_id, keys in wanted.items():
        for key in keys:
            claimants.setdefault(key, []).append(external_id)
    unwritten: frozenset[ExternalId] = frozenset()
    while True:
        claims, lost = {}, dict[ExternalId, frozenset[K]]()
        for key, rivals in claimants.items():
            owner = owners.get(key)
            keeps = owner is not None and (owner in rivals or owner not in batch - unwritten)
            winner = owner if keeps and owner is not None else min(rivals, key=by_age)
            if winner in rivals:
                claims[key] = winner
            for loser in rivals:
                if loser != winner:
                    lost[loser] = lost.get(loser, frozenset()) | {key}
        # An entity that keeps its keys may take them from others, so the losers are counted until they stay the same.
        if not all_or_nothing or unwritten >= lost.keys():
            return KeyOwnership(owners=owners, claims=claims, lost=lost, batch=batch)
        unwritten |= lost.keys()


def by_age(external_id: ExternalId) -> tuple[int, str]:
    """Order ids by age: platforms count, so a larger number is a later entity. Other ids come first, as texts."""
    return (int(external_id), "") if external_id.isdecimal() else (0, external_id)
