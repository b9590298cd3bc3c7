"""The kinds of values that requests hold. Text refuses control characters: PostgreSQL can not store NUL."""

from datetime import UTC, datetime
from typing import Annotated

import pycountry
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from domain.card_numbers import holds_card_number
from domain.money import MOST_MONEY

MOST_LINES = 1_000
MOST_QUANTITY = 1_000_000
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
_CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)


class Input(BaseModel):
    """A part of a request body: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """A part of an answer; `model_validate` reads it off a row with the same names."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def _email(address: str) -> str:
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        # The library's sentence quotes the address.
        raise PydanticCustomError("email", "Input should be an e-mail address") from None


def _country(code: str) -> str:
    if code not in _COUNTRIES:
        raise PydanticCustomError("country", "Input should be an ISO 3166-1 alpha-2 code")
    return code


def _currency(code: str) -> str:
    if code not in _CURRENCIES:
        raise PydanticCustomError("currency", "Input should be an ISO 4217 code")
    return code


def _written(moment: object) -> object:
    if not isinstance(moment, str | datetime):
        raise PydanticCustomError("datetime_type", "Input should be a date and time in ISO 8601")
    return moment


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _no_card_number(words: str) -> str:
    if holds_card_number(words):
        raise PydanticCustomError("card_number", "Input should hold no number of a card")
    return words


def text(most: int, *, least: int = 1) -> StringConstraints:
    """Limit a text; spaces around it are dropped before it is measured."""
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most, pattern=_PRINTABLE)


Storable = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Line = Annotated[str, text(200)]
ShortLine = Annotated[str, text(64)]
NO_CARD = AfterValidator(_no_card_number)
"""For what people write of themselves and to each other: the number of a card is refused, and kept nowhere."""
Words = Annotated[str, text(200), NO_CARD]
Sku = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
Email = Annotated[
    str, text(254), AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email", "maxLength": 254})
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+[1-9][0-9]{6,14}$")]
Country = Annotated[
    str,
    StringConstraints(max_length=2),
    AfterValidator(_country),
    Field(description="ISO 3166-1 alpha-2", json_schema_extra={"pattern": "^[A-Z]{2}$"}),
]
Currency = Annotated[
    str,
    StringConstraints(max_length=3),
    AfterValidator(_currency),
    Field(description="ISO 4217", json_schema_extra={"pattern": "^[A-Z]{3}$"}),
]
PromotionCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$"),
]
MethodCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9_-]+$")]
TaxCategory = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE)]
Amount = Annotated[int, Field(strict=True, ge=0, le=MOST_MONEY, description="In minor units: pence, cents.")]
Quantity = Annotated[int, Field(strict=True, ge=1, le=MOST_QUANTITY)]
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_aware)]
"""A moment that a caller names; in UTC unless it says otherwise."""
