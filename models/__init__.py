"""The tables. They have no behaviour: `db/` reads and writes them; the constraints are the last line of defence."""

from models.carts import Cart, CartLine, CartStatus
from models.catalog import (
    Attribute,
    AttributeType,
    Category,
    Price,
    PriceChange,
    Product,
    ProductStatus,
    SlugRedirect,
    Variant,
)
from models.idempotency import IdempotencyKey
from models.imports import Import, ImportChunk, ImportProduct, ImportRefusal
from models.installation import Installation
from models.inventory import Location, MovementReason, Reservation, ReservationState, StockLevel, StockMovement
from models.listings import KnownWord, ListedPrice, Listing, MovedCategory, ProductDocument, ProductWords
from models.logins import LoginAllowance, LoginOrigin
from models.manual_payments import ManualPayment, ManualPaymentState, ManualRefund, ManualRefundState
from models.notifications import Notification, NotificationState
from models.orders import Order, OrderEvent, OrderLine, OrderNote
from models.payments import PaymentOperation, PaymentOperationState
from models.people import Address, Erasure, NotificationPreference
from models.pricing import (
    EffectKind,
    OrderAdjustment,
    PriceRuleChange,
    Promotion,
    PromotionCategory,
    PromotionRedemption,
    RedemptionState,
    RuleAction,
    RuleKind,
    ShippingMethod,
    ShippingZone,
    ShippingZoneCountry,
    TaxRule,
)
from models.reconciliation import ReconciliationFinding, ReconciliationReport, ReturnedPayment
from models.refunds import Refund
from models.returns import Return, ReturnLine
from models.sessions import RefreshToken, SigningKey, UserSession
from models.shipments import Shipment, ShipmentLine
from models.stock_policies import Backorder, StockAlert, StockPolicy
from models.users import LinkPurpose, OneTimeToken, User
from models.webhooks import WebhookEvent, WebhookState

__all__ = [
    "Address",
    "Attribute",
    "AttributeType",
    "Backorder",
    "Cart",
    "CartLine",
    "CartStatus",
    "Category",
    "EffectKind",
    "Erasure",
    "IdempotencyKey",
    "Import",
    "ImportChunk",
    "ImportProduct",
    "ImportRefusal",
    "Installation",
    "KnownWord",
    "LinkPurpose",
    "ListedPrice",
    "Listing",
    "Location",
    "LoginAllowance",
    "LoginOrigin",
    "ManualPayment",
    "ManualPaymentState",
    "ManualRefund",
    "ManualRefundState",
    "MovedCategory",
    "MovementReason",
    "Notification",
    "NotificationPreference",
    "NotificationState",
    "OneTimeToken",
    "Order",
    "OrderAdjustment",
    "OrderEvent",
    "OrderLine",
    "OrderNote",
    "PaymentOperation",
    "PaymentOperationState",
    "Price",
    "PriceChange",
    "PriceRuleChange",
    "Product",
    "ProductDocument",
    "ProductStatus",
    "ProductWords",
    "Promotion",
    "PromotionCategory",
    "PromotionRedemption",
    "ReconciliationFinding",
    "ReconciliationReport",
    "RedemptionState",
    "RefreshToken",
    "Refund",
    "Reservation",
    "ReservationState",
    "Return",
    "ReturnLine",
    "ReturnedPayment",
    "RuleAction",
    "RuleKind",
    "Shipment",
    "ShipmentLine",
    "ShippingMethod",
    "ShippingZone",
    "ShippingZoneCountry",
    "SigningKey",
    "SlugRedirect",
    "StockAlert",
    "StockLevel",
    "StockMovement",
    "StockPolicy",
    "TaxRule",
    "User",
    "UserSession",
    "Variant",
    "WebhookEvent",
    "WebhookState",
]
