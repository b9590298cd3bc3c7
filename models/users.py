"""People with an account, and the links that were mailed to them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from domain.roles import STAFF
from models.columns import identifier, later_moment, moment, one_of, optional_moment

_STAFF = ", ".join(f"'{role}'" for role in STAFF)


class User(SQLModel, table=True):
    """A person with an account. Without a verified e-mail it can not be used, and has no password yet.

    `email` is in lower case (`domain.accounts.email_key`), and missing once the person was erased. `roles` are those of
    staff; everybody here is a customer.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"roles <@ ARRAY[{_STAFF}]::text[]", name="users_roles"),
        CheckConstraint("(email IS NULL) = (erased_at IS NOT NULL)", name="users_email"),
        CheckConstraint("password_hash IS NULL OR email_verified_at IS NOT NULL", name="users_password"),
        Index("users_unverified", "created_at", postgresql_where=text("email_verified_at IS NULL")),
    )

    id: UUID = identifier()
    email: str | None = Field(default=None, sa_type=Text, unique=True)
    password_hash: str | None = Field(default=None, sa_type=Text)
    name: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    locale: str | None = Field(default=None, sa_type=Text)
    roles: list[str] = Field(
        default_factory=list, sa_type=ARRAY(Text), nullable=False, sa_column_kwargs={"server_default": text("'{}'")}
    )
    email_verified_at: datetime | None = optional_moment()
    created_at: datetime = moment()
    updated_at: datetime = moment()
    erased_at: datetime | None = optional_moment()


class LinkPurpose(StrEnum):
    """What a mailed link is good for."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, not a password


class OneTimeToken(SQLModel, table=True):
    """A link that works once: using it deletes its row. Its token is computed from `id` (`domain.one_time_tokens`).

    `password_hash`, `name`, `phone` and `locale` were chosen in the registration that the link confirms, so that nobody
    else's registration of the same address decides about the password.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (one_of("purpose", LinkPurpose, "one_time_tokens_purpose"),)

    id: UUID = identifier()
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    purpose: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text, unique=True)
    password_hash: str | None = Field(default=None, sa_type=Text)
    name: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    locale: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = moment()
    expires_at: datetime = later_moment()
