"""Which currency the prices of a file are in: no column of it says so."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from api.schemas.fields import Currency
from cli.errors import CommandError
from settings import Settings, get_settings


def chosen(named: str, data_dir: Path | None) -> str:
    """Choose the currency of a file: as named, or the shop's.

    Raises:
        CommandError: there is no such currency.
    """
    if not named:
        return get_settings().currency if data_dir is None else str(Settings.model_fields["currency"].default)
    try:
        return TypeAdapter(Currency).validate_python(named)
    except ValidationError:
        raise CommandError(f"{named} is no currency (ISO 4217)") from None
