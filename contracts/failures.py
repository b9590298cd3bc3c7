"""Failures as a history may hold them: a type and a code, never what a server or a database said.

Server answers and SQL errors quote e-mail addresses and names. A history is kept, copied and shown to operators, so the
one failure converter of this system lets through the sentences that Everorder wrote itself and nothing else.
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

OWN_FAILURE = "everorder."
"""Prefix of the types of our own failures; their messages are written by us and name no person."""


def refusal(code: str, sentence: str) -> ApplicationError:
    """Make a business refusal: final, typed `everorder.<code>`, with a sentence that names no person."""
    return ApplicationError(sentence, type=OWN_FAILURE + code, non_retryable=True)


def refusal_in(error: BaseException | None) -> ApplicationError | None:
    """Find a business refusal in an error or in what caused it."""
    while error is not None:
        if isinstance(error, ApplicationError) and error.type and error.type.startswith(OWN_FAILURE):
            return error
        error = error.__cause__
    return None


def refusal_code(error: BaseException | None) -> str | None:
    """Find the code of a business refusal in an error or in what caused it."""
    found = refusal_in(error)
    return found.type.removeprefix(OWN_FAILURE) if found is not None and found.type else None


class ReducingFailureConverter(DefaultFailureConverter):
    """Reduces every exception to its type before it enters a history."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert as usual, then take away what a person's data could hide in."""
        super().to_failure(exception, payload_converter, failure)
        current: Failure | None = failure
        while current is not None:
            _reduce(current)
            current = current.cause if current.HasField("cause") else None


def _reduce(failure: Failure) -> None:
    """Keep our own sentences and Temporal's; replace any other message by its type."""
    failure.stack_trace = ""
    failure.ClearField("encoded_attributes")
    if not failure.HasField("application_failure_info"):
        return
    kind = failure.application_failure_info.type
    if not kind.startswith(OWN_FAILURE):
        failure.message = kind
        failure.application_failure_info.ClearField("details")
