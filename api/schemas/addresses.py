"""Postal addresses, in requests and answers alike."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from api.schemas.fields import Country, Input, Output, Phone, ShortLine, Words


class Address(Input):
    """Where something goes, or who pays. Each country asks for other parts: a city, a region, a postal code."""

    name: Words
    line1: Words
    line2: Words | None = None
    city: Words | None = None
    region: Words | None = None
    postal_code: ShortLine | None = None
    country: Country
    phone: Phone | None = Field(default=None, description="E.164")


class NewAddress(Address):
    """An address to be kept. As a default it takes the place of the one before."""

    default_shipping: bool = False
    default_billing: bool = False


class AddressChanges(Input):
    """What is to change in a kept address; what is left out stays, null clears it."""

    name: Words | SkipJsonSchema[None] = None
    line1: Words | SkipJsonSchema[None] = None
    line2: Words | None = None
    city: Words | None = None
    region: Words | None = None
    postal_code: ShortLine | None = None
    country: Annotated[str, Field(max_length=2, description="ISO 3166-1 alpha-2")] | SkipJsonSchema[None] = None
    phone: Phone | None = Field(default=None, description="E.164")
    default_shipping: bool | SkipJsonSchema[None] = None
    default_billing: bool | SkipJsonSchema[None] = None

    def parts(self) -> dict[str, Any]:
        """Return what is to change, by name."""
        return self.model_dump(exclude_unset=True)


class KeptAddress(Output):
    """An address that a person has kept."""

    id: UUID
    name: str
    line1: str
    line2: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str
    phone: str | None
    default_shipping: bool
    default_billing: bool
    created_at: datetime
    updated_at: datetime
