"""Examples in the OpenAPI document: what a value looks like is said once, by the name of its field.

Each model's example is made of them, so a new model has one by itself; a test holds each against its schema.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_ID = "0198a0e6-7c4e-7b1f-9d53-2f6a1c0b8e47"
_MOMENT = "2026-11-20T12:00:00Z"
_ADDRESS = {
    "name": "Ada Example",
    "line1": "1 Analytical Row",
    "line2": None,
    "city": "London",
    "region": None,
    "postal_code": "N1 1AA",
    "country": "GB",
    "phone": "+442079460000",
}
_SECRET = "3uZ0mS3cr3tThatIsShownOnce"  # noqa: S105 - nobody's

_EFFECT = {"type": "percent", "basis_points": 1000}

FIELDS: Mapping[str, Any] = {
    **_ADDRESS,
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl",
    "actor": "customer:0198a0e6-7c4e-7b1f-9d53-2f6a1c0b8e47",
    "alt": "A blue mug",
    "amount": 1999,
    "at": _MOMENT,
    "attributes": {"material": "enamel"},
    "available": 42,
    "backorder_limit": 20,
    "backorderable": 17,
    "backordered": 3,
    "barcode": "4006381333931",
    "basis_points": 1000,
    "billing_address": _ADDRESS,
    "carrier": "royal_mail",
    "category": "mugs",
    "channel": "email",
    "chore": "payments.reconcile",
    "checks": {"database": True, "temporal": True},
    "client_secret": "pi_3QxYz2_secret_4ABc5D",
    "code": "main",
    "compare_at": 2499,
    "countries": ["GB", "IE"],
    "created_at": _MOMENT,
    "currency": "GBP",
    "customer_limit": 1,
    "current_password": "correct horse battery staple",
    "cursor": None,
    "decline_code": "insufficient_funds",
    "delta": 12,
    "description": "Holds 350 ml.",
    "email": "ada@example.com",
    "event_id": "evt_1QxYz2",
    "expires_in": 600,
    "grant_type": "password",
    "id": _ID,
    "get": 1,
    "image": "https://img.shop.example/mug-blue.jpg",
    "label": "10% off in spring",
    "line_id": _ID,
    "locale": "en-GB",
    "location": "main",
    "low_stock_at": 10,
    "minimum_quantity": 0,
    "note": None,
    "new_password": "a better horse battery staple",
    "next_cursor": None,
    "number": "EO-100042",
    "options": {"colour": "blue"},
    "order_id": _ID,
    "parent": "kitchen",
    "price": 399,
    "priority": 100,
    "provider": "stripe",
    "password": "correct horse battery staple",
    "prices": {"GBP": {"amount": 1999}},
    "problems": [],
    "promotion_codes": [],
    "quantity": 2,
    "reason": None,
    "reference": "INV-536365",
    "refresh_token": _SECRET,
    "sent_at": _MOMENT,
    "seo_description": "An enamel mug for outdoors.",
    "seo_title": "Enamel mug",
    "shipping_address": _ADDRESS,
    "shipping_method": None,
    "sku": "MUG-BLUE",
    "slug": "enamel-mug",
    "status": "open",
    "tax_category": "standard",
    "template": "order_confirmation",
    "title": "Enamel mug",
    "token": _SECRET,
    "transfer_reference": None,
    "tracking_number": "RM123456789GB",
    "updated_at": _MOMENT,
    "up_to": 2000,
    "url": "https://img.shop.example/mug.jpg",
    "use_limit": 1000,
    "username": "ada@example.com",
    "vendor": "Example & Daughters",
    "version": 3,
    "weight": 380,
    "workflow_id": f"order-{_ID}",
}
"""What a field holds, by its name."""

MODELS: Mapping[str, Mapping[str, Any]] = {
    "Adjustment": {"code": "SPRING", "problem": None},
    "Attribute": {"name": "material"},
    "AwaitedPayment": {"decline_code": "authentication_required", "retry_at": None},
    "Cancellation": {"reason": "Ordered by mistake."},
    "Category": {"name": "Mugs", "slug": "mugs"},
    "CategoryChanges": {"name": "Mugs", "slug": "mugs"},
    "Location": {"name": "Warehouse"},
    "NewAdjustment": {"reason": "receipt"},
    "NewCategory": {"name": "Mugs", "slug": "mugs"},
    "BuyGet": {"buy": 3, "get": 1, "basis_points": 10_000},
    "NewLine": {"unit_price": None},
    "NewLocation": {"name": "Warehouse"},
    "NewTransfer": {"from": "main", "to": "shop", "reason": "Refilled the shop."},
    "NewProduct": {"options": ["colour"], "attributes": {"material": "enamel"}},
    "Notification": {"state": "sent"},
    "OwedRefund": {"payment": "RF83EO100042A1"},
    "Order": {"status": "placed", "payment_status": "captured"},
    "PaymentMethod": {"token": "pm_card_visa"},
    "Percent": {"basis_points": 1000},
    "Promotion": {"code": "SPRING", "label": "10% off in spring", "effect": _EFFECT, "ends_at": None},
    "PromotionContent": {"code": "SPRING", "label": "10% off in spring", "effect": _EFFECT, "ends_at": None},
    "Product": {"options": ["colour"]},
    "RuleChange": {"content": None, "action": "removed"},
    "Refund": {"status": "succeeded", "code": None},
    "RefusedRow": {"reason": "there is no such category"},
    "ShippingMethod": {"code": "standard", "name": "Standard delivery"},
    "ShippingMethodContent": {"code": "standard", "name": "Standard delivery"},
    "ShippingZone": {"name": "British Isles", "countries": ["GB", "IE"]},
    "ShippingZoneContent": {"name": "British Isles", "countries": ["GB", "IE"]},
    "StockMovement": {"reason": "receipt", "note": ""},
    "Target": {"skus": [], "categories": ["mugs"]},
    "TaxRule": {"name": "VAT", "region": "", "rates": {"standard": 200_000, "food": 0}},
    "TaxRuleContent": {"name": "VAT", "region": "", "rates": {"standard": 200_000, "food": 0}},
    "TimelineEntry": {"type": "placed", "from": "pending", "to": "placed"},
    "Variant": {"title": "blue", "prices": [{"amount": 1999, "currency": "GBP"}], "compare_at": []},
}
"""What a field of one model holds, where its name does not tell."""


_ERROR = {"loc": ["body", "quantity"], "msg": "Input should be greater than or equal to 1"}
_CODE_ERROR = {"loc": ["body", "promotion_codes", 0], "msg": "There is no such code", "reason": "unknown_code"}
_NOTHING = {"amount": 0, "currency": "GBP"}
_PRICE = {"amount": 1999, "currency": "GBP"}
_QUOTE = {
    "subtotal": _PRICE,
    "discount": _NOTHING,
    "shipping": _NOTHING,
    "tax": _NOTHING,
    "tax_included": _NOTHING,
    "total": _PRICE,
    "adjustments": [],
}

PROBLEM_MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "cart_in_checkout": {"order_id": _ID},
    "currency_mismatch": {"skus": ["MUG-BLUE"]},
    "insufficient_stock": {"order_id": _ID, "lines": [{"sku": "MUG-BLUE", "requested": 3, "available": 2}]},
    "orders_open": {"orders": ["EO-100042"]},
    "payment_action_required": {
        "order_id": _ID,
        "decline_code": "authentication_required",
        "provider": "stripe",
        "client_secret": "pi_3QxYz2_secret_4ABc5D",
        "transfer_reference": None,
    },
    "payment_failed": {"order_id": _ID, "decline_code": "insufficient_funds"},
    "price_changed": {"order_id": _ID, "quote": _QUOTE},
    "promotion_code_invalid": {"errors": [_CODE_ERROR]},
    "unknown_sku": {"skus": ["MUG-BLUE"]},
    "validation_error": {"errors": [_ERROR]},
}
"""What the problem document of a code has beside the members of all."""


def add_examples(document: Mapping[str, Any]) -> None:
    """Give an example to every model and every parameter of a document that has none."""
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema:
            schema.setdefault("examples", [_of_model(name, schemas)])
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                _add_to_parameter(parameter, schemas)


def _add_to_parameter(parameter: dict[str, Any], schemas: Schema) -> None:
    known = FIELDS.get(parameter["name"])
    if parameter["in"] == "path" and known is not None:
        parameter.setdefault("example", known)
    elif parameter["in"] == "path":
        parameter.setdefault("example", _of_schema(parameter["name"], parameter["schema"], schemas))


def _of_model(name: str, schemas: Schema) -> dict[str, Any]:
    own = MODELS.get(name, {})
    return {
        field: own[field] if field in own else _of_schema(field, schema, schemas)
        for field, schema in schemas[name].get("properties", {}).items()
    }


def _of_schema(field: str, schema: Schema, schemas: Schema) -> Any:
    """Choose a value: what the schema itself says comes first, then what the field's name says, then its type."""
    said = _said(field, schema, schemas)
    if said is not None:
        return said[0]
    if field in FIELDS and _may_be(FIELDS[field], schema):
        return FIELDS[field]
    if "anyOf" in schema:
        return _of_schema(field, schema["anyOf"][0], schemas)
    return _of_type(field, schema, schemas)


def _said(field: str, schema: Schema, schemas: Schema) -> tuple[Any] | None:
    """Return what a schema allows no doubt about, or refers to."""
    if "const" in schema:
        return (schema["const"],)
    if "enum" in schema:
        return (schema["enum"][0],)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = schemas[name]
        return (_of_model(name, schemas) if "properties" in known else _of_schema(field, known, schemas),)
    return None


def _may_be(value: Any, schema: Schema) -> bool:
    """Tell whether a value has a type that a schema allows."""
    if "anyOf" in schema:
        return any(_may_be(value, one) for one in schema["anyOf"])
    names = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    wanted = names.get(schema.get("type", ""))
    if schema.get("format") == "uuid" and value != _ID:
        return False
    return wanted is not None and isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _of_type(field: str, schema: Schema, schemas: Schema) -> Any:
    match schema.get("type"):
        case "array":
            return [] if schema.get("maxItems") == 0 else [_of_schema(field, schema.get("items", {}), schemas)]
        case "integer":
            return int(schema.get("minimum", 1))
        case "boolean":
            return schema.get("default", False)
        case "object":
            return {}
        case "null":
            return None
        case _:
            formats = {"uuid": _ID, "date-time": _MOMENT, "email": FIELDS["email"], "uri": FIELDS["url"]}
            return formats.get(schema.get("format", ""), "text")
