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
    "billing_address": _ADDRESS,
    "carrier": "royal_mail",
    "category": "mugs",
    "channel": "email",
    "checks": {"database": True, "temporal": True},
    "code": "main",
    "countries": ["GB", "IE"],
    "created_at": _MOMENT,
    "currency": "GBP",
    "current_password": "correct horse battery staple",
    "cursor": None,
    "delta": 12,
    "description": "Holds 350 ml.",
    "email": "ada@example.com",
    "event_id": "evt_1QxYz2",
    "expires_in": 600,
    "grant_type": "password",
    "id": _ID,
    "image": "https://img.shop.example/mug-blue.jpg",
    "line_id": _ID,
    "locale": "en-GB",
    "location": "main",
    "low_stock_at": 10,
    "new_password": "a better horse battery staple",
    "next_cursor": None,
    "number": "EO-100042",
    "options": {"colour": "blue"},
    "order_id": _ID,
    "parent": "kitchen",
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
    "tracking_number": "RM123456789GB",
    "updated_at": _MOMENT,
    "url": "https://img.shop.example/mug.jpg",
    "username": "ada@example.com",
    "vendor": "Example & Daughters",
    "version": 3,
    "weight": 380,
    "workflow_id": f"order-{_ID}",
}
"""What a field holds, by its name."""

MODELS: Mapping[str, Mapping[str, Any]] = {
    "Attribute": {"name": "material"},
    "Cancellation": {"reason": "Ordered by mistake."},
    "Category": {"name": "Mugs", "slug": "mugs"},
    "CategoryChanges": {"name": "Mugs", "slug": "mugs"},
    "Location": {"name": "Warehouse"},
    "NewAdjustment": {"reason": "receipt"},
    "NewCategory": {"name": "Mugs", "slug": "mugs"},
    "NewLine": {"unit_price": None},
    "NewLocation": {"name": "Warehouse"},
    "NewProduct": {"options": ["colour"], "attributes": {"material": "enamel"}},
    "Order": {"status": "placed", "payment_status": "captured"},
    "PaymentMethod": {"token": "pm_card_visa"},
    "Percent": {"basis_points": 1000},
    "Promotion": {"code": "SPRING", "label": "10% off in spring", "effect": _EFFECT, "ends_at": None},
    "PromotionContent": {"code": "SPRING", "label": "10% off in spring", "effect": _EFFECT, "ends_at": None},
    "Problem": {
        "type": "urn:everorder:problem:cart_empty",
        "title": "The cart is empty.",
        "status": 409,
        "detail": "there is nothing in the cart",
        "instance": f"/v1/carts/{_ID}/checkout",
        "code": "cart_empty",
        "errors": [],
    },
    "Product": {"options": ["colour"]},
    "RuleChange": {"content": None, "action": "removed"},
    "ShippingBand": {"up_to": 2000},
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
            return schema.get("minimum", 1)
        case "boolean":
            return schema.get("default", False)
        case "object":
            return {}
        case "null":
            return None
        case _:
            formats = {"uuid": _ID, "date-time": _MOMENT, "email": FIELDS["email"], "uri": FIELDS["url"]}
            return formats.get(schema.get("format", ""), "text")
