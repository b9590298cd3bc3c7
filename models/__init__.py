"""The tables. They have no behaviour: `db/` reads and writes them; the constraints are the last line of defence."""

from models.carts import Cart, CartLine, CartStatus
from models.catalog import Category, Price, Product, ProductStatus, Variant
from models.inventory import Location, MovementReason, Reservation, ReservationState, StockLevel, StockMovement
from models.notifications import Notification, NotificationState
from models.orders import Order, OrderEvent, OrderLine, OrderNote
from models.payments import PaymentOperation, PaymentOperationState
from models.people import Address, Erasure, NotificationPreference

__all__ = [
    "Address",
    "Cart",
    "CartLine",
    "CartStatus",
    "Category",
    "Erasure",
    "Location",
    "MovementReason",
    "Notification",
    "NotificationPreference",
    "NotificationState",
    "Order",
    "OrderEvent",
    "OrderLine",
    "OrderNote",
    "PaymentOperation",
    "PaymentOperationState",
    "Price",
    "Product",
    "ProductStatus",
    "Reservation",
    "ReservationState",
    "StockLevel",
    "StockMovement",
    "Variant",
]
