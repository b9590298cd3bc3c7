"""Reports of reconciliation over HTTP; what a round does is tried in tests/e2e/test_reconciliation.py."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest

from models.columns import new_id
from tests.api.answers import body, problem
from tests.support.shop import Shop

PATH = "/v1/payments/reconciliations"
BEGAN = datetime(2027, 1, 1, 12, tzinfo=UTC)
SUMS = {"provider_captured": 2000, "provider_refunded": 0, "books_captured": 2000, "books_refunded": 0}


async def reported(shop: Shop, began_at: datetime, *, whole: bool = True) -> UUID:
    """Write a report with one finding, as a round would have."""
    report, order = new_id(), new_id()
    await shop.run(
        "INSERT INTO reconciliation_reports"
        " (id, began_at, ended_at, since, orders, workflows, payments, healed, parked, sums)"
        " VALUES (:id, :began, :ended, CAST(:since AS timestamptz), 3, 2, 1, 1, 0, CAST(:sums AS jsonb))",
        id=report,
        began=began_at,
        ended=began_at + timedelta(seconds=5),
        since=None if whole else began_at - timedelta(days=7),
        sums=json.dumps({"GBP": SUMS}),
    )
    await shop.run(
        "INSERT INTO reconciliation_findings (id, report_id, kind, subject, action, order_id, reference, amount,"
        " currency, found_at, seen_at)"
        " VALUES (:id, :report, 'payment_returned', 'pi_1', 'healed', :order, 'pi_1', 2000, 'GBP', :at, :at)",
        id=new_id(),
        report=report,
        order=order,
        at=began_at,
    )
    return report


async def test_reports_are_listed_newest_first_with_what_they_have_found(staff: httpx2.AsyncClient, shop: Shop) -> None:
    older, newer = await reported(shop, BEGAN), await reported(shop, BEGAN + timedelta(minutes=15), whole=False)

    first = body(await staff.get(PATH, params={"limit": 1}))
    second = body(await staff.get(PATH, params={"limit": 1, "cursor": first["next_cursor"]}))

    assert [item["id"] for item in first["items"] + second["items"]] == [str(newer), str(older)]
    [report] = second["items"]
    assert (report["orders"], report["workflows"], report["payments"], report["healed"]) == (3, 2, 1, 1)
    assert (report["since"], report["sums"]) == (None, {"GBP": SUMS})
    [finding] = report["findings"]
    assert (finding["kind"], finding["action"], finding["reference"]) == ("payment_returned", "healed", "pi_1")
    assert finding["amount"] == {"amount": 2000, "currency": "GBP"}


async def test_reports_are_for_those_who_may_reconcile(guest: httpx2.AsyncClient) -> None:
    problem(await guest.get(PATH), 401, "unauthenticated")
    problem(await guest.post(PATH, json={}), 401, "unauthenticated")


@pytest.mark.in_process("Temporal is there, behind the gateway")
async def test_a_round_that_can_not_be_begun_is_refused(staff: httpx2.AsyncClient) -> None:
    problem(await staff.post(PATH, json={"whole": True}), 503, "temporarily_unavailable")
    problem(await staff.post(PATH, json={"everything": True}), 422, "validation_error")
