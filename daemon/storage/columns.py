"""Building blocks of the tables: the metadata that all of them share, and the types of their columns."""

from enum import StrEnum

from sqlalchemy import Enum, MetaData, types


def one_of(values: type[StrEnum]) -> Enum:
    """Return the type of a column whose values are an enum's; a CHECK refuses all others."""
    return Enum(
        values,
        name=values.__name__,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        # PostgreSQL enforces it: a later value may be longer than those of today.
        length=40,
        create_constraint=True,
    )


metadata = MetaData()

# Ids are compared and sorted by code point, as Python does. SQLite always does so, PostgreSQL in this collation only.
String = types.String().with_variant(types.String(collation="C"), "postgresql")
