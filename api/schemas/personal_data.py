"""The export of what we hold of a person, and the request to erase it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas.accounts import GivenPassword
from api.schemas.fields import Input, Output

Section = list[dict[str, Any]]


class Export(Output):
    """Everything that we hold of a person. No secret is part of it."""

    exported_at: datetime
    account: dict[str, Any]
    notification_preferences: Section = Field(description="What was chosen, and since when: the proof of consents.")
    addresses: Section
    sessions: Section
    messages: Section
    carts: Section
    orders: Section


class AccountErasure(Input):
    """The password, once more."""

    password: GivenPassword


class ErasureAccepted(Output):
    """The account is closed, and what we hold of the person is being erased."""

    status: Literal["erasing"] = "erasing"
