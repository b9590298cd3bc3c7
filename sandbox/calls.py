"""One API request, taken apart: its parameters, its idempotency key and the answer it gets."""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qsl

from sandbox.errors import StripeError, missing
from sandbox.objects import Json

_LARGEST = 99_999_999


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body; `replayed` when an idempotency key brought back an older one."""

    status: int
    body: Json
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one operation. `reference` is the id in the path, empty where there is none; `version` is a date.

    `told` is what a fault wants the operation to answer: a code of a decline, or a state of a refund.
    """

    path: str
    reference: str
    form: dict[str, str]
    key: str | None = None
    request_hash: str = ""
    version: str = ""
    told: str = ""

    @classmethod
    def parse(cls, path: str, reference: str, body: bytes, *, key: str | None = None, version: str = "") -> "Call":
        """Read a form body or a query string.

        Raises:
            StripeError: it is no UTF-8, or holds a NUL.
        """
        try:
            form = dict(_named(parse_qsl(body.decode(), keep_blank_values=True, errors="strict")))
        except UnicodeDecodeError:
            raise StripeError(400, "Invalid encoding of the request body.") from None
        if "\0" in "".join((reference, *form, *form.values())):
            raise StripeError(400, "Null bytes are not allowed.")
        return cls(path, reference, form, key, _hash(path, form) if key else "", version)

    @property
    def expands_charge(self) -> bool:
        """Say whether the caller wants the charge in place of its id."""
        return any(name.startswith("latest_charge") for name in self._expanded)

    @property
    def expands_refunds(self) -> bool:
        """Say whether the caller wants the charge with its refunds."""
        return "latest_charge.refunds" in self._expanded

    @property
    def _expanded(self) -> list[str]:
        return [value.removeprefix("data.") for name, value in self.form.items() if name.startswith("expand[")]

    @property
    def metadata(self) -> dict[str, str]:
        """Return the metadata that came with the call."""
        return {name[9:-1]: value for name, value in self.form.items() if name.startswith("metadata[")}

    def allow(self, *names: str) -> None:
        """Refuse parameters that Stripe does not know here, as Stripe does.

        Raises:
            StripeError: `parameter_unknown`.
        """
        for name in self.form:
            if name.partition("[")[0] not in names and not name.startswith("expand["):
                raise StripeError(
                    400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name.partition("[")[0]
                )

    def required(self, name: str) -> str:
        """Return a parameter.

        Raises:
            StripeError: `parameter_missing`.
        """
        value = self.form.get(name)
        if not value:
            raise missing(name)
        return value

    @property
    def limit(self) -> int:
        """Return how many objects a page may hold."""
        return min(self.amount("limit") or 10, 100)

    def truth(self, name: str, *, default: bool = False) -> bool:
        """Return a flag.

        Raises:
            StripeError: it is neither `true` nor `false`.
        """
        value = self.form.get(name)
        if value not in {None, "true", "false"}:
            raise StripeError(400, f"Invalid boolean: {value}", code="parameter_invalid_boolean", param=name)
        return default if value is None else value == "true"

    def moment(self, name: str) -> int | None:
        """Return a time in seconds since 1970, or nothing when it was left out.

        Raises:
            StripeError: `parameter_invalid_integer`.
        """
        value = self.form.get(name)
        if value is not None and not (value.isascii() and value.isdecimal() and len(value) < 11):
            raise StripeError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        return None if value is None else int(value)

    def amount(self, name: str, *, zero: bool = False) -> int | None:
        """Return an amount in minor units, or nothing when it was left out; `zero` allows it to be none.

        Raises:
            StripeError: `parameter_invalid_integer` or `amount_too_large`.
        """
        value = self.form.get(name)
        if value is None or (zero and value == "0"):
            return None if value is None else 0
        if not (value.isascii() and value.isdecimal() and value.strip("0")):
            raise StripeError(400, "Invalid positive integer", code="parameter_invalid_integer", param=name)
        if len(value) > 12 or int(value) > _LARGEST:
            raise StripeError(400, "Amount must be no more than 999,999.99", code="amount_too_large", param=name)
        return int(value)


def _named(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"{name[:-2]}[{at}]" if name.endswith("[]") else name, value) for at, (name, value) in enumerate(pairs)]


def _hash(path: str, form: dict[str, str]) -> str:
    return hashlib.blake2b(repr((path, sorted(form.items()))).encode(), digest_size=16).hexdigest()
