"""What puts an open order and its workflow in order again, judged by where both stand."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.order_states import OrderStatus as S
from domain.reconciliation import Remedy, WorkflowStanding, remedy


def workflow(status: S | None, *, running: bool) -> WorkflowStanding:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return WorkflowStanding(UUID(int=1), running, not running, status, None, moment)


@pytest.mark.parametrize("status", [S.PENDING, S.PAYMENT_REQUIRED, S.PLACED, S.FULFILLING, S.SHIPPED, S.CANCELLING])
def test_an_open_order_needs_a_workflow_and_no_other_when_both_say_the_same(status: S) -> None:
    assert remedy(status, None) is Remedy.RESUME
    assert remedy(status, workflow(status, running=False)) is Remedy.RESUME
    assert remedy(status, workflow(status, running=True)) is None
    assert remedy(status, workflow(None, running=True)) is None


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.CLOSED])
def test_an_order_that_is_over_needs_no_workflow(status: S) -> None:
    assert remedy(status, None) is None
    for running in (False, True):
        assert remedy(status, workflow(status, running=running)) is None
        assert remedy(status, workflow(None, running=running)) is None


@pytest.mark.parametrize(
    ("row", "status", "running", "wanted"),
    [
        (S.PENDING, S.PLACED, True, Remedy.BEGIN_ANEW),
        (S.PAYMENT_REQUIRED, S.PENDING, True, Remedy.BEGIN_ANEW),
        (S.PLACED, S.FULFILLING, True, Remedy.BEGIN_ANEW),
        (S.PLACED, S.PENDING, True, Remedy.LOOK_AT_ROW),
        (S.CANCELLING, S.PLACED, True, Remedy.LOOK_AT_ROW),
        (S.DELIVERED, S.SHIPPED, True, Remedy.LOOK_AT_ROW),
        (S.CANCELLED, S.PAYMENT_REQUIRED, True, Remedy.LOOK_AT_ROW),
        (S.CANCELLED, S.PAYMENT_REQUIRED, False, None),
        (S.PENDING, S.PLACED, False, Remedy.RESUME),
        (S.PLACED, S.CANCELLED, False, Remedy.CANCEL_AGAIN),
        (S.PENDING, S.FAILED, False, Remedy.CANCEL_AGAIN),
        (S.PLACED, S.CANCELLING, True, Remedy.CANCEL_AGAIN),
        (S.PLACED, S.SHIPPED, True, Remedy.CALL_OPERATOR),
        (S.FULFILLING, S.CLOSED, False, Remedy.CALL_OPERATOR),
        (S.PENDING, S.DELIVERED, True, Remedy.CALL_OPERATOR),
    ],
)
def test_a_row_behind_its_workflow_was_restored_and_one_ahead_is_to_be_looked_at(
    row: S, status: S, running: bool, wanted: Remedy | None
) -> None:
    assert remedy(row, workflow(status, running=running)) is wanted
