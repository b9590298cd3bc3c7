"""Text messages over HTTP: the used part of the Messages resource of Twilio's REST API, which others speak as well."""

import asyncio
import re
from typing import Any

import httpx2

from domain.messages import Sms, SmsRefusedError, SmsUnavailableError

TWILIO = "https://api.twilio.com"
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
"""The id of a messaging service, which chooses the sender by itself; anything else is a sender."""


class TwilioGateway:
    """Satisfies `SmsGateway`. `sender` is a number in E.164, a name, or the id of a messaging service.

    The API knows no key by which it would tell a message that it was handed before: one whose answer was lost is sent
    again. A connection is used once, so that a gateway that restarts can not spoil it.
    """

    def __init__(self, *, account: str, token: str, sender: str, timeout: float, base: str = "") -> None:
        self._timeout = timeout
        self._address = f"{(base or TWILIO).rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"
        self._sender = {"MessagingServiceSid" if _SERVICE.fullmatch(sender) else "From": sender}
        self._client = httpx2.AsyncClient(
            timeout=timeout, auth=(account, token), limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def send(self, sms: Sms) -> None:
        """Hand one message over.

        A refusal is final when it is about the message (400, with the gateway's code). What is about ourselves (our
        account, our token, how much we send) is a matter of settings or of time: no message is lost to it.

        Raises:
            SmsRefusedError: only the code is kept, since the gateway's words quote the number.
            SmsUnavailableError: no answer in time, or none that says what became of the message.
        """
        form = {"To": sms.recipient, **self._sender, "Body": sms.text}
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._client.post(self._address, data=form)
        except (httpx2.HTTPError, TimeoutError):
            raise SmsUnavailableError from None
        said = _said(answer)
        if answer.status_code == httpx2.codes.BAD_REQUEST and isinstance(said.get("code"), int):
            raise SmsRefusedError(said["code"])
        if answer.status_code != httpx2.codes.CREATED or not said.get("sid"):
            raise SmsUnavailableError

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()


def _said(answer: httpx2.Response) -> dict[str, Any]:
    """Read an answer; what is no JSON object comes from something else than the gateway, and says nothing."""
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
