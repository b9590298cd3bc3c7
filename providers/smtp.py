"""Mail over SMTP."""

import asyncio
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from domain.messages import Email, MailRefusedError, MailUnavailableError

_PERMANENT = 500


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

        Raises:
            MailRefusedError: the server answered 5xx; only its code is kept, since its text quotes addresses.
            MailUnavailableError: no answer, or 4xx.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await aiosmtplib.send(
                    _message(email, self._sender),
                    hostname=self._host,
                    port=self._port,
                    timeout=self._timeout,
                    username=self._username,
                    password=self._password,
                    start_tls=self._starttls,
                )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            _raise_for(max(recipient.code for recipient in refused.recipients))
        except aiosmtplib.SMTPResponseException as answered:
            _raise_for(answered.code)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            raise MailUnavailableError from None


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
