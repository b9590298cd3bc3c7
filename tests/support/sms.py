"""An SMS gateway over real HTTP that keeps what it is sent, or answers as it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl

from providers.sms import TwilioGateway

ACCOUNT, TOKEN = "AC0123", "the token of the tests"


@dataclass(frozen=True)
class Answer:
    """What a request is answered. `kept`: the message goes on to its telephone, whatever the sender hears of it."""

    status: int = 201
    body: str = '{"sid": "SM1"}'
    kept: bool = True
    lost: bool = False
    """The connection ends without an answer."""
    until: Event | None = None
    """The answer comes only then."""


def refusing(code: int, number: str, status: int = 400) -> Answer:
    """Refuse a message as Twilio does, which quotes the number."""
    words = f"The 'To' number {number} is not a valid phone number"
    return Answer(status, json.dumps({"code": code, "message": words, "status": status}), kept=False)


BROKEN = Answer(500, "oops", kept=False)
BUSY = Answer(429, '{"code": 20429, "message": "Too Many Requests"}', kept=False)
LOST = Answer(lost=True)


@dataclass
class Request:
    """What was asked."""

    path: str
    authorization: str
    form: dict[str, str]


@dataclass
class Gateway:
    """A running gateway. `answers` are given one after the other; then every message is taken."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Number and text of each message that went on to its telephone."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sent_to(self, number: str) -> list[str]:
        """List the texts that a telephone was sent."""
        return [text for recipient, text in self.kept if recipient == number]

    def adapter(self, *, timeout: float = 5.0, sender: str = "+447700900000", token: str = TOKEN) -> TwilioGateway:
        """Make what speaks to this gateway."""
        return TwilioGateway(account=ACCOUNT, token=token, sender=sender, timeout=timeout, base=self.url)


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    """Run a gateway in a thread."""
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            gateway.asked.append(Request(self.path, self.headers["Authorization"], form))
            answer = gateway.answers.pop(0) if gateway.answers else Answer()
            if answer.kept:
                gateway.kept.append((form["To"], form["Body"]))
            if answer.until:
                answer.until.wait()
            if not answer.lost:
                self._say(answer)

        def _say(self, answer: Answer) -> None:
            with suppress(BrokenPipeError):  # of who has given up waiting
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield gateway
        finally:
            server.shutdown()
