"""Which messages a reader may decline, and which come whatever is preferred."""

from pathlib import Path

import pytest

import templates
from domain.messages import TOPICS, AccountMessage, Channel, Topic, wanted
from domain.money import Money
from providers.rendering import JinjaRenderer

DECLINED: dict[str, bool] = dict.fromkeys(Topic, False)
ASKED_FOR: dict[str, bool] = dict.fromkeys(Topic, True)
BEGUN_WITH_AN_ORDER = {
    "order_confirmation",
    "payment_failed",
    "payment_retry_scheduled",
    "payment_action_required",
    "payment_transfer_awaited",
    "payment_expired",
    "payment_renewal_failed",
}


TWO_SEGMENTS = 2 * 153
"""Letters of the telephone network's own alphabet that two text messages carry as one."""


def names(channel: str = "email", part: str = "subject") -> set[str]:
    """Name every mail that there is, or every text message."""
    folder = Path(str(templates.__file__)).parent / channel
    return {file.name.partition(".")[0] for file in folder.glob(f"*.{part}.j2")}


def test_every_mail_is_one_that_may_be_declined_or_one_that_may_not() -> None:
    may_be_declined = {name for name in names() if not wanted(name, Channel.EMAIL, DECLINED)}
    assert may_be_declined == set(TOPICS) == {"shipment", "refund_confirmation"}
    assert names() >= BEGUN_WITH_AN_ORDER | set(AccountMessage) | set(TOPICS)


@pytest.mark.parametrize("template", sorted(TOPICS))
def test_who_has_said_nothing_is_told_by_mail_and_not_by_sms(template: str) -> None:
    assert wanted(template, Channel.EMAIL, {})
    assert not wanted(template, Channel.SMS, {})
    assert wanted(template, Channel.SMS, ASKED_FOR)
    assert not wanted(template, Channel.EMAIL, {Topic.ORDER_UPDATES: False, Topic.MARKETING: True})


def test_whatever_comes_by_sms_if_asked_for_is_written_for_it() -> None:
    assert names("sms", "txt") == set(TOPICS)


@pytest.mark.parametrize("template", sorted(TOPICS))
def test_text_message_is_one_line_of_two_segments_at_most_however_long_its_parts_are(template: str) -> None:
    parts = {"carrier": "c" * 64, "tracking_number": "7" * 100}
    context = {"number": "1000000001", "shipment": parts, "refund": Money(999_999_999_999, "GBP")}
    text = JinjaRenderer().sms(template, context)
    assert 40 < len(text) <= TWO_SEGMENTS
    assert (text.isascii(), "\n" in text) == (True, False)


@pytest.mark.parametrize(
    ("carrier", "tracking", "told"),
    [
        ("Royal Mail", "RM01", "Your order 7 is on its way with Royal Mail, tracking number RM01."),
        ("Royal Mail", "", "Your order 7 is on its way with Royal Mail."),
        ("", "RM01", "Your order 7 is on its way, tracking number RM01."),
        ("", "", "Your order 7 is on its way."),
    ],
)
def test_text_message_tells_what_is_known_of_a_shipment(carrier: str, tracking: str, told: str) -> None:
    shipment = {"carrier": carrier, "tracking_number": tracking}
    assert JinjaRenderer().sms("shipment", {"number": "7", "shipment": shipment}) == told
