"""Mail over a real SMTP server: what arrives, and which of its answers are final."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from domain.messages import Email, MailRefusedError, MailUnavailableError
from providers.smtp import SmtpMailer

ADDRESS = "ada@example.com"
MAIL = Email("<1@everorder>", ADDRESS, "Your order EO-1", "Thank you, Ada. £5", "<p>Thank you, Ada. £5</p>")


@dataclass
class Handler:
    """Keeps what it is sent, or answers as it is told: by the command, in the server's own words."""

    answers: dict[str, str] = field(default_factory=dict)
    kept: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds its methods by these names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.kept.append(envelope)
        return "250 OK"


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """Run a mail server and tell its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="test", loop=loop, **options), "127.0.0.1", 0)
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield port
    finally:
        server.close()


def mailer(port: int, *, timeout: float = 5.0, username: str = "", password: str = "") -> SmtpMailer:
    return SmtpMailer(
        host="127.0.0.1",
        port=port,
        sender="shop@example.com",
        timeout=timeout,
        username=username,
        password=password,
    )


def parsed(envelope: Envelope) -> EmailMessage:
    assert isinstance(envelope.content, bytes)
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


async def test_message_arrives_with_its_id_both_parts_and_every_letter() -> None:
    handler = Handler()
    async with serving(handler) as port:
        await mailer(port).send(MAIL)

    [envelope] = handler.kept
    message = parsed(envelope)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("shop@example.com", [ADDRESS])
    assert (message["Message-ID"], message["Subject"]) == ("<1@everorder>", "Your order EO-1")
    assert (message["From"], message["To"]) == ("shop@example.com", ADDRESS)
    parts = {part.get_content_type(): part.get_content().strip() for part in message.iter_parts()}
    assert parts == {"text/plain": MAIL.text, "text/html": MAIL.html}


async def test_message_that_is_sent_twice_carries_the_same_id() -> None:
    handler = Handler()
    async with serving(handler) as port:
        await mailer(port).send(MAIL)
        await mailer(port).send(MAIL)
    assert [parsed(envelope)["Message-ID"] for envelope in handler.kept] == ["<1@everorder>"] * 2


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_final_refusal_keeps_the_code_and_not_the_address_that_the_server_quotes(command: str) -> None:
    handler = Handler({command: f"550 5.1.1 <{ADDRESS}>: user unknown"})
    async with serving(handler) as port:
        with pytest.raises(MailRefusedError) as refused:
            await mailer(port).send(MAIL)

    assert (refused.value.code, str(refused.value), refused.value.args) == (550, "550", ("550",))
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert handler.kept == []


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT", f"450 4.2.1 <{ADDRESS}>: mailbox busy"),
        ("DATA", "451 try again later"),
        ("MAIL", "421 closing"),
        ("MAIL", "530 authentication required"),
        ("MAIL", "550 <shop@example.com>: sender unknown"),
    ],
)
async def test_what_may_pass_is_tried_again_later(command: str, answer: str) -> None:
    handler = Handler({command: answer})
    async with serving(handler) as port:
        with pytest.raises(MailUnavailableError) as away:
            await mailer(port).send(MAIL)

    assert ADDRESS not in str(away.value)
    assert away.value.__cause__ is None
    assert handler.kept == []


async def test_wrong_password_is_no_refusal_of_the_message() -> None:
    asked = []

    def nobody(*arguments: object) -> AuthResult:
        asked.append(arguments[3])
        return AuthResult(success=False, handled=False)

    handler = Handler()
    async with serving(handler, authenticator=nobody, auth_require_tls=False) as port:
        with pytest.raises(MailUnavailableError):
            await mailer(port, username="shop", password="wrong").send(MAIL)
    assert asked
    assert handler.kept == []


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[int]:
    """Run a server that talks as it likes, and tell its port."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_closed_port_is_tried_again_later() -> None:
    async with serving(Handler()) as port:
        pass
    with pytest.raises(MailUnavailableError):
        await mailer(port).send(MAIL)


async def test_server_that_wants_to_speak_to_nobody_is_tried_again_later() -> None:
    async def turn_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 no SMTP service here\r\n")
        writer.close()

    async with talking(turn_away) as port:
        with pytest.raises(MailUnavailableError):
            await mailer(port).send(MAIL)


async def test_server_that_says_nothing_is_given_up_in_time() -> None:
    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with talking(stay_silent) as port:
        with pytest.raises(MailUnavailableError):
            await mailer(port, timeout=0.2).send(MAIL)


@pytest.mark.parametrize("goodbye", [b"421 not now\r\n", b"", None])
async def test_message_that_was_taken_is_not_sent_again_because_the_goodbye_failed(goodbye: bytes | None) -> None:
    taken: list[bytes] = []

    async def forget_manners(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            if line.startswith(b"QUIT"):
                if goodbye is not None:
                    writer.write(goodbye)
                    break
            elif line.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            else:
                writer.write(b"250 OK\r\n")
        writer.close()

    async with talking(forget_manners) as port:
        await mailer(port, timeout=0.5).send(MAIL)

    assert len(taken) == 1
