"""The SMS gateway of the local mail server: every text message is kept beside the mails, as a message of its own."""

import json
import mailbox
from base64 import b64decode
from email.message import EmailMessage
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl
from uuid import uuid4

_MOST = 10_000
"""Bytes of a request that is read."""


class KeepingGateway(HTTPServer):
    """Speaks the part of Twilio's API that sends a message; one request at a time, which is enough for one person.

    Any account may send with any token: it only has to name itself.
    """

    def __init__(self, host: str, port: int, maildir: Path) -> None:
        super().__init__((host, port), _Request)
        self._kept = mailbox.Maildir(maildir)

    def keep(self, form: dict[str, str]) -> str:
        """Write a message down and return its id; it is on the disk by then."""
        sid = f"SM{uuid4().hex}"
        message = EmailMessage()
        message["From"] = form.get("From") or form.get("MessagingServiceSid", "")
        message["To"] = form["To"]
        message["Subject"] = f"SMS: {form['Body'][:40]}"
        message["Message-ID"] = f"<{sid}@sms.localhost>"
        message["Date"] = formatdate()
        message.set_content(form["Body"])
        self._kept.add(message)
        return sid


class _Request(BaseHTTPRequestHandler):
    timeout = 5
    server: KeepingGateway
    _NEEDED: ClassVar = {"To", "Body"}

    def do_POST(self) -> None:
        account = self.path.removeprefix("/2010-04-01/Accounts/").removesuffix("/Messages.json")
        if self.path != f"/2010-04-01/Accounts/{account}/Messages.json":
            self._answer(HTTPStatus.NOT_FOUND, {"code": 20404})
        elif _named(self.headers.get("Authorization", "")) != account:
            self._answer(HTTPStatus.UNAUTHORIZED, {"code": 20003})
        else:
            self._take()

    def _take(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _MOST))
        form = dict(parse_qsl(body.decode(errors="replace")))
        if form.keys() >= self._NEEDED:
            self._answer(HTTPStatus.CREATED, {"sid": self.server.keep(form), "status": "queued"})
        else:
            self._answer(HTTPStatus.BAD_REQUEST, {"code": 21602})

    def _answer(self, status: HTTPStatus, said: dict[str, object]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: a request is about a person."""


def _named(authorization: str) -> str:
    """Tell which account somebody says to be; none where the header is something else."""
    kind, _, said = authorization.partition(" ")
    try:
        return b64decode(said, validate=True).decode().partition(":")[0] if kind == "Basic" else ""
    except ValueError:
        return ""
