"""Decides who will own each SKU, e-mail address and cart after a batch. Pure.

The present owner keeps a key that it still wants, even when it is not in the batch. A key that its owner gives up in
the batch goes to the earliest entity that wants it now. Every other entity that wants the key loses it, and waits.

A claimed key must be free before it is sent, since SparkLayer's keys are unique. So the entities that give up claimed
keys are written first, with a placeholder where they claim keys themselves (see the kind's plan): that opens swaps and
longer cycles.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from daemon.model import ExternalId, K


def decide_owners(
    wanted: Mapping[ExternalId, AbstractSet[K]],
    owners: Mapping[K, ExternalId],
    batch: AbstractSet[ExternalId],
    *,
    all_or_nothing: bool = False,
) -> tuple[dict[K, ExternalId], dict[ExternalId, frozenset[K]]]:
    """Return the keys that entities of `batch` own after it, and the wanted keys that each entity loses to another one.

    `owners` has the present owners. One whose key goes to another entity is in the batch.

    `all_or_nothing`: an entity that loses a key is not written at all, so it keeps the keys that it has. Otherwise it
    is written without the lost key, and gives up all that it does not want any more.
    """
    claimants: dict[K, list[ExternalId]] = {}
    for external_id, keys in wanted.items():
        for key in keys:
            claimants.setdefault(key, []).append(external_id)
    unwritten: frozenset[ExternalId] = frozenset()
    while True:
        claims, lost = dict[K, ExternalId](), dict[ExternalId, frozenset[K]]()
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
            return claims, lost
        unwritten |= lost.keys()


def by_age(external_id: ExternalId) -> tuple[int, str]:
    """Order ids by age: platforms count, so a larger number is a later entity. Other ids come first, as texts."""
    return (int(external_id), "") if external_id.isdecimal() else (0, external_id)
