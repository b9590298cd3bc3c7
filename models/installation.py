"""What this database is called, for those who keep things for several."""

from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel


class Installation(SQLModel, table=True):
    """One row, drawn when the database was made: it goes with every copy and restore of it."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("one", name="installation_one"),)

    one: bool = Field(default=True, primary_key=True)
    id: UUID
