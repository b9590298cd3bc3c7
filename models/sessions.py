"""Who is logged in, and the keys that access tokens are signed with."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, Text
from sqlmodel import Field, SQLModel

from models.columns import identifier, later_moment, moment, optional_moment


class UserSession(SQLModel, table=True):
    """One log-in, from the password to the log-out: the family of its refresh tokens, which end together."""

    __tablename__ = "user_sessions"

    id: UUID = identifier()
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    created_at: datetime = moment()
    used_at: datetime = moment()
    expires_at: datetime = later_moment()
    revoked_at: datetime | None = optional_moment()


class RefreshToken(SQLModel, table=True):
    """A refresh token, by the SHA-256 of it. The one of a session that has no `used_at` is the one that counts."""

    __tablename__ = "refresh_tokens"

    digest: str = Field(sa_type=Text, primary_key=True)
    session_id: UUID = Field(foreign_key="user_sessions.id", index=True, ondelete="CASCADE")
    created_at: datetime = moment()
    used_at: datetime | None = optional_moment(index=True)


class SigningKey(SQLModel, table=True):
    """An Ed25519 key. `private_key` is encrypted with `EVERORDER_SECRET`; `public_key` is the raw 32 bytes.

    It is published from the beginning, signs from `signs_from` until a newer key does, and verifies until `ends_at`.
    """

    __tablename__ = "signing_keys"

    kid: str = Field(sa_type=Text, primary_key=True)
    public_key: bytes = Field(sa_type=LargeBinary)
    private_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment()
    signs_from: datetime = moment()
    ends_at: datetime | None = optional_moment()
