"""Turn business errors into typed, final failures; everything else stays retryable."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from contracts.failures import refusal
from domain.errors import EverorderError
from domain.order_states import IllegalTransitionError
from domain.provider_payments import ProviderRefusedError


@contextmanager
def refusals() -> Iterator[None]:
    """Refuse for good what trying again can not change.

    That is a business error, a provider's no, and what a constraint forbids.

    Raises:
        ApplicationError: of the type `everorder.<code>`.
    """
    try:
        yield
    except EverorderError as error:
        raise refusal(error.code, str(error)) from error
    except IllegalTransitionError as error:
        raise refusal("illegal_transition", str(error)) from error
    except ProviderRefusedError as error:
        raise refusal("payment_refused", "The payment provider refuses this step.") from error
    except IntegrityError as error:
        raise refusal("constraint_violated", "A constraint of the database forbids this step.") from error
