"""Answers that are kept for the key of a request (`Idempotency-Key`), so that asking twice does a thing once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Text
from sqlmodel import Field, SQLModel

from models.columns import moment, new_id


class IdempotencyKey(SQLModel, table=True):
    """A request that a caller named by a key, and its answer once there is one.

    `id` names the request itself and stays the same however often it is tried. `claim` names the try that may answer
    it, until `locked_until`; whoever takes over draws another, which fences the one before. `answer` is sealed
    (`api.sealing`): answers hold secrets and people's data.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("(status IS NULL) = (answer IS NULL)", name="idempotency_keys_answer"),
        CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status"),
    )

    owner: str = Field(sa_type=Text, primary_key=True)
    key: str = Field(sa_type=Text, primary_key=True)
    id: UUID = Field(default_factory=new_id)
    route: str = Field(sa_type=Text)
    fingerprint: str = Field(sa_type=Text)
    claim: UUID
    locked_until: datetime = Field(sa_type=DateTime(timezone=True))
    status: int | None = Field(default=None)
    answer: bytes | None = Field(default=None)
    created_at: datetime = moment()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
