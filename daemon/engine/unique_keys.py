"""Who gets what only one entity may have, an e-mail address or a cart, when several of a batch want it. Pure.

The present owner keeps what it still wants, also when it is not in the batch; what it gives up in the batch goes to the
earliest of those who want it now. Who wins what it wants is claimed in the ledger before anything is sent.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from daemon.model import ExternalId, K


def winners(
    wanted: Mapping[ExternalId, K], owners: Mapping[K, ExternalId], leaving: AbstractSet[ExternalId]
) -> dict[K, ExternalId]:
    """Return who has each of the keys that are `wanted`.

    `owners` has those that somebody owns, `leaving` who gives up whatever it does not want any more.
    """
    claimants: dict[K, list[ExternalId]] = {}
    for one, key in wanted.items():
        claimants.setdefault(key, []).append(one)
    found = {}
    for key, named in claimants.items():
        owner = owners.get(key)
        keeps = owner is not None and (owner in named or owner not in leaving)
        found[key] = owner if keeps and owner is not None else min(named, key=by_age)
    return found


def by_age(external_id: ExternalId) -> tuple[int, str]:
    """Order numeric ids by number, so that the later entity is the one made later."""
    return (int(external_id), "") if external_id.isdecimal() else (0, external_id)
