"""What people and programs are to the shop."""

from enum import StrEnum


class Role(StrEnum):
    """What a caller is. A person may have several roles; whoever has an account is a customer."""

    GUEST = "guest"
    CUSTOMER = "customer"
    SUPPORT = "support"
    CATALOG_MANAGER = "catalog_manager"
    WAREHOUSE = "warehouse"
    ADMIN = "admin"
    SERVICE = "service"


STAFF = (Role.SUPPORT, Role.CATALOG_MANAGER, Role.WAREHOUSE, Role.ADMIN)
"""The roles that an administrator grants to a person."""
