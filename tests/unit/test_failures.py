"""What a failure looks like in a history: types, codes and our own sentences, and never a person."""

import aiosmtplib
import pytest
from sqlalchemy.exc import IntegrityError
from temporalio import exceptions
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutType

from activities.refusals import refusals
from contracts.converter import DATA_CONVERTER
from contracts.failures import refusal, refusal_code
from domain.errors import CartCheckedOutError, UnknownSkuError
from domain.messages import MailRefusedError
from domain.order_states import EventType, IllegalTransitionError, OrderStatus

ADDRESS = "ada.lovelace@example.com"
QUOTES = f'duplicate key value violates unique constraint "users_email" Key (email)=({ADDRESS}) already exists.'


def raised(error: BaseException) -> BaseException:
    """Raise and catch an error, so that it has a traceback as in life."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - it is given back
        return caught


async def encoded(error: BaseException) -> Failure:
    failure = Failure()
    await DATA_CONVERTER.encode_failure(error, failure)
    return failure


def duplicate() -> IntegrityError:
    return IntegrityError(
        "INSERT INTO users (email, name) VALUES ($1, $2)", (ADDRESS, "Ada Lovelace"), Exception(QUOTES)
    )


def chained() -> BaseException:
    """An address in the error, in its cause, in the cause of that, and in a detail."""
    first = raised(aiosmtplib.SMTPRecipientRefused(550, f"5.1.1 <{ADDRESS}> unknown", ADDRESS))
    second = RuntimeError(f"could not write to {ADDRESS}")
    second.__cause__ = first
    third = ApplicationError(f"{ADDRESS} again", ADDRESS, type="Whatever")
    third.__cause__ = second
    return third


SPEAKING = {
    "sql": duplicate(),
    "smtp": aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, f"<{ADDRESS}>", ADDRESS)]),
    "smtp_text": aiosmtplib.SMTPDataError(554, f"spam from {ADDRESS}"),
    "chained": chained(),
    "untyped": ApplicationError(f"to {ADDRESS}", {"email": ADDRESS}),
    "key_error": KeyError(ADDRESS),
}


@pytest.mark.parametrize("error", SPEAKING.values(), ids=SPEAKING)
async def test_failure_keeps_its_type_and_loses_every_address_trace_and_detail(error: BaseException) -> None:
    failure = await encoded(raised(error))

    assert ADDRESS.encode() not in failure.SerializeToString()
    assert "Lovelace" not in str(failure)
    assert "File " not in str(failure)
    kind = getattr(error, "type", type(error).__name__) or ""
    assert failure.application_failure_info.type == failure.message == kind
    assert not failure.application_failure_info.HasField("details")


async def test_every_link_of_a_chain_is_reduced_to_its_type() -> None:
    failure = await encoded(chained())

    assert failure.cause.application_failure_info.type == failure.cause.message == "RuntimeError"
    assert failure.cause.cause.application_failure_info.type == "SMTPRecipientRefused"
    assert failure.cause.cause.message == "SMTPRecipientRefused"


async def test_our_own_sentence_arrives_whole_and_its_cause_does_not() -> None:
    try:
        with refusals():
            raise duplicate()
    except ApplicationError as error:
        failure = await encoded(error)

    assert failure.message == "A constraint of the database forbids this step."
    assert failure.application_failure_info.type == "everorder.constraint_violated"
    assert failure.application_failure_info.non_retryable
    assert failure.cause.message == "IntegrityError"
    assert ADDRESS.encode() not in failure.SerializeToString()


async def test_refused_mail_tells_its_code_and_no_address() -> None:
    error = refusal("mail_refused", "The mail server refuses this message (550).")
    error.__cause__ = raised(MailRefusedError(550))

    failure = await encoded(error)

    assert failure.message == "The mail server refuses this message (550)."
    assert (failure.cause.message, failure.cause.application_failure_info.type) == ("MailRefusedError",) * 2


async def test_failures_of_temporal_itself_stay_what_they_are() -> None:
    timeout = await encoded(exceptions.TimeoutError("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]))
    cancelled = await encoded(CancelledError("by the workflow"))

    assert timeout.message == "late"
    assert int(timeout.timeout_failure_info.timeout_type) == TimeoutType.HEARTBEAT
    assert (cancelled.message, cancelled.HasField("canceled_failure_info")) == ("by the workflow", True)


async def test_refusal_comes_back_out_of_a_history_with_its_code() -> None:
    failure = await encoded(raised(refusal("stale_checkout", "This checkout was given up.")))

    error = await DATA_CONVERTER.decode_failure(failure)

    assert refusal_code(error) == "stale_checkout"
    assert isinstance(error, ApplicationError)
    assert (error.message, error.non_retryable) == ("This checkout was given up.", True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CartCheckedOutError("This cart has become an order."), "cart_checked_out"),
        (UnknownSkuError("MUG-1"), "unknown_sku"),
        (IllegalTransitionError(EventType.PLACED, OrderStatus.CANCELLING), "illegal_transition"),
        (duplicate(), "constraint_violated"),
    ],
)
def test_business_errors_and_broken_constraints_are_refused_for_good(error: Exception, code: str) -> None:
    with pytest.raises(ApplicationError) as refused, refusals():
        raise error
    assert (refused.value.type, refused.value.non_retryable) == (f"everorder.{code}", True)
    assert ADDRESS not in refused.value.message


def test_anything_else_passes_and_may_be_tried_again() -> None:
    with pytest.raises(ConnectionError), refusals():
        raise ConnectionError


def test_code_is_found_below_other_errors_and_nowhere_else() -> None:
    outer = RuntimeError()
    outer.__cause__ = refusal("mail_refused", "no")
    assert refusal_code(outer) == "mail_refused"
    assert refusal_code(RuntimeError()) is None
    assert refusal_code(ApplicationError("x", type="mail_refused")) is None
    assert refusal_code(None) is None
