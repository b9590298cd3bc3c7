"""Accounts, log-ins and profiles in requests and answers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.passwords import LONGEST, SHORTEST
from api.schemas.fields import Email, Input, Output, Phone, Words
from domain.roles import Role

NewPassword = Annotated[str, StringConstraints(min_length=SHORTEST, max_length=LONGEST), Field(repr=False)]
GivenPassword = Annotated[str, StringConstraints(max_length=1_000), Field(repr=False)]
"""A password that is only compared: whoever has one that no rule allows today can still show it."""

Token = Annotated[str, StringConstraints(min_length=1, max_length=200), Field(repr=False)]
Locale = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"),
    Field(description="A language as BCP 47 names it, for example en or de-CH."),
]


class NewAccount(Input):
    """Who wants an account."""

    email: Email
    password: NewPassword
    name: Words | None = None
    phone: Phone | None = None
    locale: Locale | None = None


class EmailVerification(Input):
    """The token out of the mail."""

    token: Token


class PasswordResetRequest(Input):
    """Whose password was forgotten."""

    email: Email


class PasswordReset(Input):
    """The token out of the mail, and what replaces the password."""

    token: Token
    new_password: NewPassword


class PasswordChange(Input):
    """What replaces the password of whoever is logged in."""

    current_password: GivenPassword
    new_password: NewPassword


class PasswordGrant(BaseModel):
    """The form of OAuth 2.0's password grant. `username` is the e-mail address."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    grant_type: Literal["password"] = "password"
    username: Email
    password: GivenPassword


class RefreshTokenShown(Input):
    """The refresh token of a session."""

    refresh_token: Token


class Accepted(Output):
    """It is taken care of. Whether a mail follows, only its reader learns."""

    status: Literal["accepted"] = "accepted"


class Tokens(Output):
    """What opens everything that belongs to a person; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a type
    expires_in: int


class Profile(Output):
    """A person with an account. `roles` are those of staff."""

    id: UUID
    email: str
    name: str | None
    phone: str | None
    locale: str | None
    roles: list[Role]
    created_at: datetime


class ProfileChanges(Input):
    """What a person may change; what is left out stays, and null removes it."""

    name: Words | None = None
    phone: Phone | None = None
    locale: Locale | None = None

    def columns(self) -> dict[str, str | None]:
        """Name what is to be changed."""
        return self.model_dump(exclude_unset=True)


class KeySet(Output):
    """Public keys as RFC 7517 writes them."""

    keys: list[dict[str, str]]
