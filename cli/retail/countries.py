"""Country names of a retailer's books, as ISO 3166-1 codes."""

from functools import cache

import pycountry

HOME = "GB"
"""Where the retailer is: taken for names that name no country (Unspecified, European Community, West Indies)."""

_NAMES_OF_THE_TRADE = {
    "channel islands": "JE",
    "eire": "IE",
    "ivory coast": "CI",
    "korea": "KR",
    "rsa": "ZA",
    "russia": "RU",
    "turkey": "TR",
    "uk": "GB",
}
"""What the books say and ISO 3166 does not know."""


@cache
def country_code(name: str) -> str | None:
    """Look a country up by its name, alpha-2 or alpha-3 code; None where it names no single country."""
    listed = _NAMES_OF_THE_TRADE.get(name.casefold())
    if listed:
        return listed
    try:
        return str(pycountry.countries.lookup(name).alpha_2)
    except LookupError:
        return None
