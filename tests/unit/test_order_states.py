from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order_states import (
    CANCELLABLE,
    ENDED,
    SHIPPED_ONWARD,
    TRANSITIONS,
    UNPAID,
    UNPLACED_ENDS,
    EventType,
    IllegalTransitionError,
    OrderStatus,
    Transition,
    sources_of,
    target_of,
)

WITHOUT_A_STEP = {
    EventType.PAYMENT_RETRY_SCHEDULED,
    EventType.PAYMENT_REAUTHORISED,
    EventType.PAYMENT_COLLECTED,
    EventType.PARTIALLY_SHIPPED,
    EventType.PARTIALLY_DELIVERED,
    EventType.REFUNDED,
    EventType.RETURN_REQUESTED,
    EventType.RETURN_RECEIVED,
    EventType.RETURN_CANCELLED,
    EventType.OPERATOR_NEEDED,
    EventType.OPERATOR_RESOLVED,
}
LEGAL = {(step.type, step.source) for step in TRANSITIONS}
ILLEGAL = sorted(set(product(EventType, [*OrderStatus, None])) - LEGAL, key=str)


def reachable_from(start: OrderStatus) -> set[OrderStatus]:
    found = {start}
    while more := {step.target for step in TRANSITIONS if step.source in found} - found:
        found |= more
    return found


def test_every_state_is_reached_from_the_beginning() -> None:
    [begin] = [step for step in TRANSITIONS if step.source is None]
    assert (begin.type, begin.target) == (EventType.OPENED, OrderStatus.PENDING)
    assert reachable_from(OrderStatus.PENDING) == set(OrderStatus)


def test_ends_are_exactly_the_states_without_a_way_out() -> None:
    assert set(OrderStatus) - {step.source for step in TRANSITIONS} == ENDED


@pytest.mark.parametrize("status", OrderStatus)
def test_an_end_can_be_reached_from_everywhere(status: OrderStatus) -> None:
    assert reachable_from(status) & ENDED


@pytest.mark.parametrize("event", EventType)
def test_an_event_leads_to_one_state_wherever_it_happens(event: EventType) -> None:
    targets = {step.target for step in TRANSITIONS if step.type == event}
    assert len(targets) == (0 if event in WITHOUT_A_STEP else 1)


def test_no_step_is_listed_twice_and_none_stands_still() -> None:
    assert len(LEGAL) == len(TRANSITIONS) == 20
    assert all(step.source is not step.target for step in TRANSITIONS)


def test_no_order_comes_back_to_a_state_but_by_another_payment_attempt() -> None:
    circles = {status for status in OrderStatus if status in _after(status)}
    assert circles == UNPAID == {OrderStatus.PENDING, OrderStatus.PAYMENT_REQUIRED}


def _after(status: OrderStatus) -> set[OrderStatus]:
    return set().union(*(reachable_from(step.target) for step in TRANSITIONS if step.source is status))


def test_cancellable_is_where_a_cancellation_is_legal_and_nothing_of_it_is_shipped() -> None:
    assert sources_of(EventType.CANCEL_REQUESTED) == CANCELLABLE
    assert not CANCELLABLE & SHIPPED_ONWARD
    assert OrderStatus.CANCELLED not in set().union(*(reachable_from(status) for status in SHIPPED_ONWARD))


def test_every_state_is_cancellable_shipped_ended_or_being_cancelled() -> None:
    assert set(OrderStatus) - CANCELLABLE - SHIPPED_ONWARD - ENDED == {OrderStatus.CANCELLING}
    assert UNPLACED_ENDS < ENDED


def test_no_placed_order_fails() -> None:
    assert OrderStatus.FAILED not in reachable_from(OrderStatus.PLACED)


@pytest.mark.parametrize("step", TRANSITIONS)
def test_legal_step_leads_where_the_table_says(step: Transition) -> None:
    assert target_of(step.type, step.source) is step.target


@given(st.sampled_from(ILLEGAL))
def test_any_other_step_is_refused_and_says_why(step: tuple[EventType, OrderStatus | None]) -> None:
    event, source = step
    with pytest.raises(IllegalTransitionError) as refused:
        target_of(event, source)
    assert str(refused.value) == f"{event} is not possible while the order is {source or 'not there'}"
