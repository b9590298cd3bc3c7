"""Business refusals, each with the stable code that outside programs rely on."""


class EverorderError(Exception):
    """A refusal with a stable `code`; the message is a sentence for a person and names no person."""

    code = "conflict"


class NotFoundError(EverorderError):
    """There is no such thing, or it is somebody else's."""

    code = "not_found"


class ForbiddenError(EverorderError):
    """The caller is known and may not do this."""

    code = "forbidden"


class UnauthenticatedError(EverorderError):
    """The caller is not known."""

    code = "unauthenticated"


class LinkNotValidError(EverorderError):
    """A mailed link was used before, has run out, or is none of ours."""

    code = "link_not_valid"


class RateLimitedError(EverorderError):
    """Too often within too short a time. `retry_after` is in seconds."""

    code = "rate_limited"

    def __init__(self, detail: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class ConflictError(EverorderError):
    """The state of the thing does not allow it."""

    code = "conflict"


class TakenError(EverorderError):
    """A name that must be unique belongs to something else already."""

    code = "name_taken"


class InUseError(EverorderError):
    """Something else still needs the thing that is to be deleted."""

    code = "in_use"


class PreconditionFailedError(EverorderError):
    """Somebody else has changed the thing since it was read."""

    code = "precondition_failed"


class PreconditionRequiredError(EverorderError):
    """A change has to say which version of the thing it was made for."""

    code = "precondition_required"


class OrdersOpenError(ConflictError):
    """A person can not be erased while an order of theirs is under way; `numbers` are those orders."""

    code = "orders_open"

    def __init__(self, *numbers: str) -> None:
        self.numbers = numbers
        super().__init__(f"under way: {', '.join(numbers[:10])}")


class CartEmptyError(EverorderError):
    """There is nothing in the cart to buy."""

    code = "cart_empty"


class CartIncompleteError(EverorderError):
    """Something that a checkout needs is missing: `missing` names it as the cart does."""

    code = "validation_error"

    def __init__(self, *missing: str) -> None:
        self.missing = missing
        super().__init__("A checkout needs an e-mail address and a shipping address.")


class ShippingMethodRequiredError(EverorderError):
    """This shop ships, and no way was chosen."""

    code = "shipping_method_required"


class ShippingUnavailableError(EverorderError):
    """The way that was chosen does not go to this address, or does not take this parcel."""

    code = "shipping_unavailable"


class CartTooDearError(EverorderError):
    """The total is larger than an amount can be."""

    code = "validation_error"


class CartCheckedOutError(EverorderError):
    """The cart has become an order."""

    code = "cart_checked_out"


class CartInCheckoutError(EverorderError):
    """The cart is frozen while its checkout is under way."""

    code = "cart_in_checkout"


class CartExpiredError(EverorderError):
    """Nobody has touched the cart for too long, or it went into another one."""

    code = "cart_expired"


class UnknownSkuError(EverorderError):
    """No product that can be bought has this SKU."""

    code = "unknown_sku"

    def __init__(self, *skus: str) -> None:
        self.skus = skus
        super().__init__(f"unknown SKU: {', '.join(skus[:10])}")


class OtherCurrencyError(EverorderError):
    """An amount is in another currency than what it is of."""

    code = "currency_mismatch"


class CurrencyUnavailableError(EverorderError):
    """A SKU has no price in the cart's currency."""

    code = "currency_mismatch"

    def __init__(self, currency: str, *skus: str) -> None:
        self.skus = skus
        super().__init__(f"no price in {currency}: {', '.join(skus[:10])}")


class InsufficientStockError(EverorderError):
    """There is less to sell than was asked for."""

    code = "insufficient_stock"


class PaymentInProgressError(EverorderError):
    """Another payment of this order is still under way."""

    code = "payment_in_progress"


class PaymentMethodUnavailableError(EverorderError):
    """The shop does not offer this way to pay."""

    code = "payment_method_unavailable"


class AmountMismatchError(EverorderError):
    """Money was confirmed of another amount than is waited for."""

    code = "amount_mismatch"


class ReceiptUsedError(EverorderError):
    """Money was confirmed under a reference that stands for other money already."""

    code = "receipt_used"


class NothingToRefundError(EverorderError):
    """A refund is of one minor unit at least."""

    code = "validation_error"


class RefundTooLargeError(EverorderError):
    """Less is left of the captured money than is to be given back."""

    code = "refund_too_large"


class ShipmentTooLargeError(EverorderError):
    """Less of the order is left to be shipped than was asked for."""

    code = "shipment_too_large"


class ReturnTooLargeError(EverorderError):
    """Less of the order was sent, or less of it is not in a return yet, than is to come back."""

    code = "return_too_large"


class IllegalStepError(EverorderError):
    """The order's state does not allow this step."""

    code = "illegal_transition"


class SignatureInvalidError(EverorderError):
    """An event was not signed by the payment provider that it claims to come from."""

    code = "signature_invalid"


class SignatureStaleError(EverorderError):
    """An event was signed too long ago, so somebody may have kept it."""

    code = "signature_stale"


class TemporarilyUnavailableError(EverorderError):
    """A peer is away; nothing was done that can not be asked for again."""

    code = "temporarily_unavailable"


class IdempotencyKeyReusedError(EverorderError):
    """The key of a request was used for another one."""

    code = "idempotency_key_reused"


class IdempotencyInProgressError(EverorderError):
    """The first request with this key is still running, or its process died a moment ago."""

    code = "idempotency_in_progress"
