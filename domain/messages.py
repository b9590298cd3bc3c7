"""Messages to people: which there are, who may decline them, and how a server does not take one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """The way a message takes."""

    EMAIL = "email"
    SMS = "sms"


class Topic(StrEnum):
    """What a message is about, as far as its reader may decide whether to get it."""

    ORDER_UPDATES = "order_updates"
    """What becomes of an order after it was confirmed."""
    MARKETING = "marketing"


WANTED: Mapping[tuple[Topic, Channel], bool] = {
    (Topic.ORDER_UPDATES, Channel.EMAIL): True,
    (Topic.ORDER_UPDATES, Channel.SMS): False,
    (Topic.MARKETING, Channel.EMAIL): False,
    (Topic.MARKETING, Channel.SMS): False,
}
"""What people get who have not said anything: nothing that needs their consent."""


class AccountMessage(StrEnum):
    """The templates of messages about an account. They can not be declined: without them nobody could use one."""

    VERIFY_EMAIL = "verify_email"
    ALREADY_REGISTERED = "already_registered"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a template
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - as above
    ACCOUNT_ERASED = "account_erased"


LOW_STOCK = "low_stock"
"""The template of the message to staff that tells what little is left of."""

TOPICS: Mapping[str, Topic] = {"shipment": Topic.ORDER_UPDATES, "refund_confirmation": Topic.ORDER_UPDATES}
"""What a reader may decline, by template. Every other message comes whatever its reader prefers: the law asks for it
(the confirmation of an order), an order waits for it (a payment that is missing), or an account needs it."""


def wanted(template: str, channel: str, preferences: Mapping[str, bool]) -> bool:
    """Tell whether a reader gets a message, by what they have said about each topic on this channel."""
    topic = TOPICS.get(template)
    if topic is None:
        return True
    return preferences.get(topic, WANTED[topic, Channel(channel)])


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


@dataclass(frozen=True, slots=True)
class Sms:
    """A rendered text message to a telephone number in E.164. Nothing in it tells a gateway that it was sent before."""

    recipient: str
    text: str


class SmsRefusedError(Exception):
    """The gateway will never take this message. `code` is its own number for why."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(str(code))


class SmsUnavailableError(Exception):
    """The gateway could not be reached, did not answer in time, or does not want to speak to us now."""


class Drop(StrEnum):
    """Why a message that was owed is sent to nobody, as its row says."""

    UNWANTED = "unwanted"
    NO_NUMBER = "no_number"
    SMS_SWITCHED_OFF = "sms_switched_off"
