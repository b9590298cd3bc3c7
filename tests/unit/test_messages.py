"""Which messages a reader may decline, and which come whatever is preferred."""

from pathlib import Path

import pytest

import templates
from domain.messages import TOPICS, AccountMessage, Channel, Topic, wanted

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


def names() -> set[str]:
    """Name every mail that there is."""
    folder = Path(str(templates.__file__)).parent / "email"
    return {file.name.partition(".")[0] for file in folder.glob("*.subject.j2")}


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
