"""Building blocks of the tables: the metadata that all of them share, the types of their columns, partial indexes."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Enum, MetaData, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler


def one_of(values: type[StrEnum], name: str) -> Enum:
    """Return the type of a column whose values are an enum's; a CHECK refuses all others.

    `name` is the CHECK's. It is in every database, so it stays when the enum is renamed.
    """
    return Enum(
        values,
        name=name,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        # PostgreSQL enforces it: a later value may be longer than those of today.
        length=40,
        create_constraint=True,
    )


metadata = MetaData()

# Ids are compared and sorted by code point, as Python does. SQLite always does so, PostgreSQL in this collation only.
String = types.String().with_variant(types.String(collation="C"), "postgresql")


@compiles(CreateIndex, "postgresql")
def _keep_partial(create: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    """Give PostgreSQL the condition of SQLite's partial index. In the table, it would load that dialect: 3 MB."""
    index = create.element
    index.dialect_kwargs["postgresql_where"] = index.dialect_options["sqlite"]["where"]
    text: str = compiler.visit_create_index(create, **options)  # type: ignore[no-untyped-call]
    return text
