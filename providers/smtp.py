"""Mail over SMTP."""

import asyncio
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from domain.messages import Email, MailRefusedError, MailUnavailableError

_PERMANENT = 500
_PARTING = 1.0


class SmtpMailer:
    """Satisfies `Mailer` with one connection a message, which a mail server that restarts can not spoil."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        timeout: float,
        username: str = "",
        password: str = "",
        starttls: bool = False,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._timeout = timeout
        self._username = username or None
        self._password = password or None
        self._starttls = starttls

    async def send(self, email: Email) -> None:
        """Hand one message over.

        A refusal is final when it is about the recipient or the message. What is about ourselves (the connection, our
        login, our sender) is a matter of settings: no message is lost to it.

        Raises:
            MailRefusedError: the server answered 5xx; only its code is kept, since its text quotes addresses.
            MailUnavailableError: no answer, 4xx, or the server does not want to speak to us.
        """
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout,
            username=self._username,
            password=self._password,
            start_tls=self._starttls,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
                await client.send_message(_message(email, self._sender))
            await _part(client)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            _raise_for(max(recipient.code for recipient in refused.recipients))
        except aiosmtplib.SMTPDataError as refused:
            _raise_for(refused.code)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            raise MailUnavailableError from None
        finally:
            client.close()


async def _part(client: aiosmtplib.SMTP) -> None:
    """Say goodbye. The message was taken already, so nothing that goes wrong here may have it sent again."""
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(_PARTING):
            await client.quit()


def _raise_for(code: int) -> None:
    if code >= _PERMANENT:
        raise MailRefusedError(code) from None
    raise MailUnavailableError from None


def _message(email: Email, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = email.recipient
    message["Subject"] = email.subject
    message["Message-ID"] = email.message_id
    message["Date"] = formatdate()
    message.set_content(email.text)
    message.add_alternative(email.html, subtype="html")
    return message
