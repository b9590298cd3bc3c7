"""Made-up buyers: the file has numbers for customers, an order needs a person."""

from hashlib import sha256

from cli.retail.countries import HOME, country_code
from cli.retail.invoices import Invoice

_FIRST = ("Ada", "Alan", "Barbara", "Charles", "Dorothy", "Edsger", "Grace", "Hedy", "Joan", "Katherine", "Niklaus")
_LAST = ("Archer", "Baker", "Carter", "Draper", "Fisher", "Glover", "Mason", "Potter", "Sawyer", "Turner", "Weaver")
_STREETS = (
    "Market Street",
    "Mill Lane",
    "Station Road",
    "Church Street",
    "Bridge Street",
    "Orchard Way",
    "High Street",
)


def email_of(invoice: Invoice) -> str:
    """Name the mailbox of a buyer: one for each customer, one for each invoice that names none."""
    return f"{_buyer(invoice)}@example.com"


def address_of(invoice: Invoice) -> dict[str, str]:
    """Make up where a buyer lives: always the same for the same customer."""
    drawn = sha256(_buyer(invoice).encode()).digest()
    return {
        "name": f"{_FIRST[drawn[0] % len(_FIRST)]} {_LAST[drawn[1] % len(_LAST)]}",
        "line1": f"{drawn[2] + 1} {_STREETS[drawn[3] % len(_STREETS)]}",
        "city": "Exampleton",
        "postal_code": f"EX{drawn[4] % 9 + 1} {drawn[5] % 9 + 1}AA",
        "country": country_code(invoice.country) or HOME,
    }


def _buyer(invoice: Invoice) -> str:
    return f"customer-{invoice.customer}" if invoice.customer else f"invoice-{invoice.number}"
