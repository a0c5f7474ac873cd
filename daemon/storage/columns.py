"""Building blocks of the tables: the metadata that all of them share, the types of their columns, partial indexes."""

from enum import StrEnum

from sqlalchemy import Connection, Enum, MetaData, Table, event, types


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


@event.listens_for(Table, "before_create")
def _keep_partial(table: Table, connection: Connection, **_: object) -> None:
    """Give PostgreSQL the conditions of SQLite's partial indexes. In the tables, they would load its dialect: 3 MB."""
    if connection.dialect.name == "postgresql":
        for index in table.indexes:
            index.dialect_kwargs["postgresql_where"] = index.dialect_options["sqlite"]["where"]
