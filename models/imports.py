"""Files of products that are being taken over, and what became of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from domain.merchandise import OPEN, ImportState
from models.columns import identifier, moment, one_of, optional_moment

IS_OPEN = f"state IN ({', '.join(repr(state.value) for state in OPEN)})"
"""Holds for imports that have not ended; said in these words, the index of them is used."""


def _count() -> int:
    count: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    return count


class Import(SQLModel, table=True):
    """One file. Everything that a worker needs to go on stands here: `read_bytes` and `read_lines` are where it was.

    `received` tells whether the file is still kept. The counts of the last row are of what the import has changed.
    """

    __tablename__ = "imports"
    __table_args__ = (
        one_of("state", ImportState, "imports_state"),
        Index("imports_open", "created_at", postgresql_where=text(IS_OPEN)),
        Index("imports_kept", "created_at", postgresql_where=text("received")),
    )

    id: UUID = identifier()
    state: str = Field(default=ImportState.QUEUED, sa_type=Text)
    currency: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text, foreign_key="locations.code")
    skip_refused: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    actor: str = Field(sa_type=Text)
    size_bytes: int = _count()
    received: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    read_bytes: int = _count()
    read_lines: int = _count()
    products: int = _count()
    refused: int = _count()
    applied: int = _count()
    ignored_columns: list[str] = Field(
        sa_type=ARRAY(Text), nullable=False, sa_column_kwargs={"server_default": text("'{}'")}, default_factory=list
    )
    outcome: dict[str, int] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    created_at: datetime = moment()
    ended_at: datetime | None = optional_moment()


class ImportChunk(SQLModel, table=True):
    """A piece of an uploaded file."""

    __tablename__ = "import_chunks"

    import_id: UUID = Field(primary_key=True, foreign_key="imports.id", ondelete="CASCADE")
    n: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class ImportProduct(SQLModel, table=True):
    """A product of a file that could be read, until the import has ended."""

    __tablename__ = "import_products"

    import_id: UUID = Field(primary_key=True, foreign_key="imports.id", ondelete="CASCADE")
    n: int = Field(primary_key=True)
    product: dict[str, object] = Field(sa_type=JSONB, nullable=False)


class ImportRefusal(SQLModel, table=True):
    """A row of a file that can not be taken, and why."""

    __tablename__ = "import_refusals"

    import_id: UUID = Field(primary_key=True, foreign_key="imports.id", ondelete="CASCADE")
    n: int = Field(sa_type=BigInteger, primary_key=True, sa_column_args=(Identity(always=True),))
    line: int
    reason: str = Field(sa_type=Text)
