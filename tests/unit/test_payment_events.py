from itertools import product

import pytest

from domain.order_states import PaymentStatus as Status
from domain.payment_events import PaymentEventType as Event
from domain.payment_events import says_already

TAKEN = {Status.PARTIALLY_CAPTURED, Status.CAPTURED, Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.DISPUTED}
SAYS = {
    Event.ACTION_REQUIRED: set(Status),
    Event.AUTHORISED: set(Status),
    Event.FAILED: set(Status),
    Event.CAPTURED: TAKEN,
    Event.VOIDED: set(Status) - {Status.AUTHORISED, Status.PARTIALLY_CAPTURED},
    Event.REFUNDED: {Status.REFUNDED},
}
"""The statuses in which an event is no news; of all other events everything is."""


@pytest.mark.parametrize(("said", "known"), list(product(Event, Status)))
def test_an_event_is_no_news_only_where_the_payment_has_come_so_far(said: Event, known: Status) -> None:
    assert says_already(known, said) is (known in SAYS.get(said, set()))
