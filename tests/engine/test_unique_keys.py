"""Each key has one owner after a batch: the present one, if it still wants the key."""

# Frozen sets of keys are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.unique_keys import decide_owners
from daemon.model import ExternalId, Key

IDS, KEYS = [ExternalId(number) for number in ("2", "9", "10", "11")], ["a", "b", "c"]
OWNERS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from([*IDS, ExternalId("99")]))


def decided(wanted: dict[str, str], owners: dict[str, str], *, all_or_nothing: bool = True) -> tuple[Any, Any]:
    """Decide on keys that are single letters; return the claims, and the lost keys."""
    keys = {ExternalId(external_id): frozenset(letters) for external_id, letters in wanted.items()}
    present = {key: ExternalId(owner) for key, owner in owners.items()}
    return decide_owners(keys, present, keys.keys(), all_or_nothing=all_or_nothing)


@pytest.mark.parametrize(
    ("wanted", "owners", "claims", "lost"),
    [
        ({"10": "a", "9": "a"}, {}, {"a": "9"}, {"10": "a"}),  # The earliest.
        ({"9": "a", "10": "a"}, {"a": "10"}, {"a": "10"}, {"9": "a"}),  # The present owner.
        ({"9": "a"}, {"a": "7"}, {}, {"9": "a"}),  # Even one outside the batch.
        ({"9": "a", "10": ""}, {"a": "10"}, {"a": "9"}, {}),  # Unless it gives the key up.
        ({"1": "b", "2": "c", "3": "a"}, {"a": "1", "b": "2", "c": "3"}, {"a": "3", "b": "1", "c": "2"}, {}),  # A cycle
        ({"1": "b", "2": "c", "3": "a"}, {"a": "1", "b": "2", "c": "7"}, {}, {"1": "b", "2": "c", "3": "a"}),
    ],
)
def test_the_owner_of_a_key(
    wanted: dict[str, str], owners: dict[str, str], claims: dict[str, str], lost: dict[str, str]
) -> None:
    assert decided(wanted, owners) == (claims, {loser: {key} for loser, key in lost.items()})


def test_an_entity_that_is_written_without_a_lost_key_gives_up_its_former_one() -> None:
    """A product omits one variant and keeps the others; a customer keeps its former address."""
    wanted, owners = {"1": "b", "3": "a"}, {"a": "1", "b": "7"}
    claims, _ = decided(wanted, owners, all_or_nothing=False)
    assert claims == {"a": "3"}
    _, lost = decided(wanted, owners, all_or_nothing=True)
    assert lost.keys() == {"1", "3"}


@given(st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(KEYS))), OWNERS, st.booleans())
def test_every_key_has_one_owner_and_no_owner_outside_the_batch_loses_one(
    wanted: dict[ExternalId, set[Key]],
    owners: dict[Key, ExternalId],
    all_or_nothing: bool,  # noqa: FBT001
) -> None:
    claims, lost = decide_owners(wanted, owners, wanted.keys(), all_or_nothing=all_or_nothing)
    for external_id, keys in wanted.items():
        won = {key for key in keys if claims.get(key) == external_id}
        assert lost.get(external_id, frozenset()) == keys - won
    assert all(owners.get(key, owner) in wanted for key, owner in claims.items())
