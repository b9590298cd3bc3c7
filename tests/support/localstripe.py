"""localstripe, a fake of Stripe's API that nobody here wrote, as a process of its own; and how to talk to it.

It runs out of `.venv/tools/localstripe` (`make test` prepares it), is never imported and never shipped.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2

from providers.stripe_transport import StripeTransport
from tests.support.ports import free_port

SECRET_KEY = "sk_test_localstripe"
_PROGRAM = Path(sys.prefix, "tools", "localstripe", "bin", "localstripe")
_NUMBERS = MappingProxyType(
    {
        "pm_card_chargeCustomerFail": "4000000000000341",
        "pm_card_authenticationRequired": "4000002760003184",
    }
)
_STATE_CHANGES = ("/confirm", "/capture", "/cancel")

LEFT_OUT = MappingProxyType(
    {
        "a key with two requests": "it ignores Idempotency-Key: every repeated request has its effect again",
        "more captures than one": "it knows no `final_capture` and no multicapture",
        "refusal of too large refunds": "it refunds any amount of any charge",
        "reasons of declines": "it declines without a `decline_code` and without the payment",
        "refunds that are pending or fail": "its refunds succeed at once",
        "disputes": "it has none",
        "payments off session, and methods kept by them": "it knows no `setup_future_usage`",
        "reservations that run out": "its reservations stay",
    }
)
"""What the provider's tests ask of the sandbox and can not ask of localstripe, and why."""


class LocalstripeDialect(StripeTransport):
    """Sends what localstripe understands, and completes what it leaves out of its answers.

    It wants the method before the confirmation and the metadata after the capture, does not know the newest parameters,
    and keeps amounts in charges only.
    """

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        form = dict(parse_qsl(post_data or "", keep_blank_values=True))
        if method == "post" and url.endswith("/confirm"):
            await self._set_method(url.removesuffix("/confirm"), headers, form.pop("payment_method"))
        body, status, answered = await super().request_async(method, url, headers, urlencode(_known(url, form)) or None)
        if url.endswith("/capture") and status == httpx2.codes.OK:
            said = {name: value for name, value in form.items() if name.startswith("metadata")}
            intent = url.removesuffix("/capture")
            body, status, answered = await super().request_async("post", intent, headers, urlencode(said))
        return _completed(url, body, status), status, answered

    async def _set_method(self, intent: str, headers: Mapping[str, str], token: str) -> None:
        number = _NUMBERS.get(token)
        if number is not None:
            card = {"number": number, "exp_month": "12", "exp_year": "2034", "cvc": "123"}
            form = {"type": "card"} | {f"card[{name}]": value for name, value in card.items()}
            methods = f"{intent.rpartition('/payment_intents/')[0]}/payment_methods"
            token = json.loads((await super().request_async("post", methods, headers, urlencode(form)))[0])["id"]
        await super().request_async("post", intent, headers, urlencode({"payment_method": token}))


def _known(url: str, form: dict[str, str]) -> dict[str, str]:
    """Leave out what localstripe does not know."""
    never = ("allowed_payment_method_types", "setup_future_usage", "off_session")
    unknown = (*never, *(("metadata",) if url.endswith("/capture") else ()))
    return {name: value for name, value in form.items() if not name.startswith(unknown)}


def _completed(url: str, body: bytes, status: int) -> bytes:
    """Write into an answer what Stripe's would hold."""
    answer = json.loads(body)
    if status == httpx2.codes.BAD_REQUEST and url.endswith(_STATE_CHANGES):
        answer["error"].setdefault("code", "payment_intent_unexpected_state")
    for intent in answer.get("data", [answer]):
        if intent.get("object") == "payment_intent":
            _complete(intent)
    return json.dumps(answer).encode()


def _complete(intent: dict[str, Any]) -> None:
    charges = intent["charges"]["data"]
    for charge in (*charges, intent["latest_charge"]):
        if isinstance(charge, dict):
            charge["disputed"] = False
            released = sum(one["amount"] for one in charge["refunds"]["data"] if one["payment_intent"] is None)
            charge["amount_captured"] = charge["amount"] - released if charge["captured"] else 0
    intent["amount_received"] = sum(charge["amount_captured"] for charge in charges)
    intent["amount_capturable"] = intent["amount"] if intent["status"] == "requires_capture" else 0


@contextmanager
def running_localstripe() -> Iterator[str]:
    """Run localstripe, and return its address.

    It keeps its payments in one file for the whole machine, which `--from-scratch` leaves unread.
    """
    program = shutil.which(_PROGRAM)
    assert program is not None, f"{_PROGRAM} is missing: `make {_PROGRAM.parents[1] / '.ready'}` prepares it"
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--from-scratch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, f"localstripe ended with {process.returncode}"
        assert time.monotonic() < deadline, "localstripe does not answer"
        try:
            httpx2.get(f"{url}/v1/payment_intents", auth=(SECRET_KEY, ""), trust_env=False, timeout=5)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
