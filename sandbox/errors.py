"""Errors in Stripe's words."""


class StripeError(Exception):
    """A refusal that is answered as Stripe answers it: a status and an `error` object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"error": _error(kind, code, message, param)}


def missing(name: str) -> StripeError:
    """Refuse a request without a parameter that it needs."""
    return StripeError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def no_such(what: str, reference: str, param: str, status: int = 404) -> StripeError:
    """Refuse a reference to something that does not exist."""
    return StripeError(status, f"No such {what}: '{reference}'", code="resource_missing", param=param)


def server_error(says: str | None = None) -> StripeError:
    """Answer that something broke, which says nothing of whether it had an effect."""
    return StripeError(500, says or "An unknown error occurred.", kind="api_error")


def _error(kind: str, code: str, message: str, param: str) -> dict[str, str]:
    error = {"type": kind, "message": message}
    if code:
        error["code"] = code
    if param:
        error["param"] = param
    return error
