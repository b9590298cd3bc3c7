"""A message that is ready to be sent, and the two ways in which a mail server does not take it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Email:
    """A rendered message. `message_id` is the same however often it is handed over."""

    message_id: str
    recipient: str
    subject: str
    text: str
    html: str


class MailRefusedError(Exception):
    """The mail server will never take this message (5xx). `code` is its SMTP reply code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(str(code))


class MailUnavailableError(Exception):
    """The mail server could not be reached, or asked to try again later."""
