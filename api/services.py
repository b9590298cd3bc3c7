"""The services that the API consists of. Each runs and scales on its own where a deployment wants that."""

from enum import StrEnum

from settings import SettingsError


class Service(StrEnum):
    """A group of routes."""

    CATALOG = "catalog"
    INVENTORY = "inventory"
    CARTS = "carts"
    ORDERS = "orders"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    USERS = "users"


VARIABLE = "EVERORDER_SERVICES"


def parse(names: str) -> frozenset[Service]:
    """Read a comma list of services; an empty one is all of them.

    Raises:
        SettingsError: there is no such service.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    try:
        return frozenset(map(Service, wanted)) or frozenset(Service)
    except ValueError:
        raise SettingsError(f"{VARIABLE}: one of {', '.join(Service)} expected in {names!r}") from None
