"""Postal addresses, in requests and answers alike."""

from pydantic import Field

from api.schemas.fields import Country, Input, Line, Phone, ShortLine


class Address(Input):
    """Where something goes, or who pays."""

    name: Line
    line1: Line
    line2: Line | None = None
    city: Line
    region: Line | None = None
    postal_code: ShortLine
    country: Country
    phone: Phone | None = Field(default=None, description="E.164")
