"""The INSERT of every statement that says what to do about a row that is there already.

SQLAlchemy has one for each dialect. SQLite took its clause from PostgreSQL, and SQLAlchemy writes PostgreSQL's for
SQLite too; it refuses the reverse. So this is the one place that names a dialect's INSERT.
"""

from sqlalchemy.dialects.postgresql import insert

__all__ = ["insert"]
