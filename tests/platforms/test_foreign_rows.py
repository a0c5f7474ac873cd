"""The only row of a list may be an error of a gateway; then the list is no empty one."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from daemon.errors import Retry
from daemon.platforms.shared.rows import with_ids

ERRORS: list[Any] = [
    {"message": "no Route matched with those values"},
    {"status": 404, "message": "Not found"},
    {"error": "Forbidden"},
    {"errors": [{"message": "No"}]},
    {"detail": "Not Found"},
    "not found",
    404,
    None,
]


def raw(row: Any) -> Raw:
    return Raw(msgspec.json.encode(row))


@pytest.mark.holds("A1")
@pytest.mark.parametrize("row", ERRORS)
def test_a_list_of_one_error_is_not_empty(row: Any) -> None:
    with pytest.raises(Retry):
        with_ids([raw(row)])
    assert with_ids([raw(row), raw({"id": 7})]) == [raw({"id": 7})]


def test_an_entity_without_an_id_is_left_out_alone() -> None:
    assert with_ids([raw({"name": "Jumper"})]) == []
    with pytest.raises(Retry):
        with_ids([raw({"name": "Jumper"}), raw({"name": "Coat"})])
