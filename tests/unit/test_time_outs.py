"""Time-outs that have to fit into each other, however they are set."""

from datetime import timedelta

from db.notifications import CLAIM
from settings import Settings
from workflows.options import message_delivery, provider_call

MOST_CALLS = 8
"""A retry without the buyer: find the attempt before, list what is kept, keep, prepare, find the method, assign its
payment, confirm, find."""


def longest(setting: str) -> timedelta:
    return timedelta(seconds=Settings.model_json_schema()["properties"][setting]["maximum"])


def test_every_provider_call_of_a_step_ends_before_the_step_is_tried_again() -> None:
    attempt = provider_call("")["start_to_close_timeout"]
    assert attempt is not None
    assert longest("stripe_timeout") * MOST_CALLS < attempt


def test_claim_of_a_message_outlives_its_hand_over_and_ends_before_the_next_attempt() -> None:
    attempt = message_delivery("")["start_to_close_timeout"]
    assert attempt is not None
    assert max(longest("smtp_timeout"), longest("sms_timeout")) < CLAIM < attempt
