"""`everorder mail`: a local mail server that keeps every message in a Maildir, for development and tests.

It can be an SMS gateway as well, and then keeps text messages in the same place.
"""

import asyncio
import mailbox
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.sms import KeepingGateway


class KeepingHandler(Mailbox):
    """Keeps what it is sent, unless the file `refuse` beside the Maildir holds an SMTP reply to give instead."""

    def __init__(self, maildir: Path) -> None:
        super().__init__(maildir)
        self._refusal = maildir.parent / "refuse"

    async def handle_RCPT(  # noqa: N802 - the library finds the method by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept a recipient, or refuse it in the words of the file, with `%s` standing for the address."""
        if self._refusal.exists():
            return self._refusal.read_text().strip().replace("%s", address)
        envelope.rcpt_tos.append(address)
        return "250 OK"


def mail(
    maildir: Annotated[Path, typer.Option(help="Folder that keeps the messages; created when missing.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8025,
    sms_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of an SMS gateway that keeps messages, too. 0: none.")
    ] = 0,
) -> None:
    """Serve a local mail server that keeps every message."""
    serve(host=host, port=port, maildir=maildir, sms_port=sms_port)


def serve(*, host: str, port: int, maildir: Path, sms_port: int = 0) -> None:
    """Serve until SIGTERM or SIGINT. A message is acknowledged only after it is on the disk."""
    maildir.parent.mkdir(parents=True, exist_ok=True)
    mailbox.Maildir(maildir)  # creates the folders, so that a reader finds them before the first message
    with _text_messages(host, sms_port, maildir):
        asyncio.run(_serve(host, port, KeepingHandler(maildir)))


@contextmanager
def _text_messages(host: str, port: int, maildir: Path) -> Iterator[None]:
    """Be an SMS gateway meanwhile, in a thread of its own, if a port is named."""
    if not port:
        yield
        return
    with KeepingGateway(host, port, maildir) as gateway:
        Thread(target=gateway.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            gateway.shutdown()


async def _serve(host: str, port: int, handler: KeepingHandler) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port
    )
    await stopping.wait()
    server.close()
