import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.errors import CommandError
from cli.retail.day import RetailDay, survey
from cli.retail.http import Api
from cli.retail.outcome import Failure, ReplayReport
from cli.retail.placing import MOST_LINES
from cli.retail.replaying import replay_through
from cli.retail.report import as_json
from tests.support.retail import write_day, write_rows

Fault = httpx2.Response | httpx2.TransportError


def problem(status: int, code: str, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "title": code}, headers=headers)


class FakeShop:
    """Carts and orders in memory. Faults of a step are used up before (or, for `lost`, after) it takes effect."""

    def __init__(self) -> None:
        self.carts: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.before: dict[str, list[Fault]] = defaultdict(list)
        self.lost: dict[str, int] = defaultdict(int)
        self.pending_polls = 0
        self.ends_as = "placed"
        self.asked: list[str] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        step, act = self._step(request)
        self.asked.append(step)
        if self.before[step]:
            fault = self.before[step].pop(0)
            if isinstance(fault, httpx2.TransportError):
                raise fault
            return fault
        response = act()
        if self.lost[step]:
            self.lost[step] -= 1
            raise httpx2.ReadError("connection reset")
        return response

    def _step(self, request: httpx2.Request) -> tuple[str, Callable[[], httpx2.Response]]:
        assert request.headers["Authorization"] == "Bearer secret"
        body = json.loads(request.content or b"{}")
        match request.method, request.url.path.split("/")[2:]:
            case "POST", ["carts"]:
                return "cart", lambda: self._cart(body)
            case "PUT", ["carts", cart, "lines"]:
                return "lines", lambda: self._change(cart, body)
            case "PATCH", ["carts", cart]:
                return "buyer", lambda: self._change(cart, body)
            case "POST", ["carts", cart, "checkout"]:
                return "checkout", lambda: self._check_out(cart, body)
            case "GET", ["orders", order]:
                return "order", lambda: self._order(order)
        raise AssertionError(request)

    def _cart(self, body: dict[str, Any]) -> httpx2.Response:
        known = body["reference"] in self.carts
        cart = self.carts.setdefault(body["reference"], {"id": body["reference"], "status": "open"})
        return httpx2.Response(200 if known else 201, json=cart)

    def _change(self, cart_id: str, body: dict[str, Any]) -> httpx2.Response:
        if self.carts[cart_id]["status"] == "ordered":
            return problem(409, "cart_checked_out")
        assert len(body.get("lines", ())) <= MOST_LINES
        self.carts[cart_id].update(body)
        return httpx2.Response(200, json=self.carts[cart_id])

    def _check_out(self, cart_id: str, body: dict[str, Any]) -> httpx2.Response:
        cart = self.carts[cart_id]
        amount = sum(line["quantity"] * line["unit_price"]["amount"] for line in cart["lines"])
        assert body["expected_total"] == {"amount": amount, "currency": "GBP"}
        order = {"id": cart_id, "number": f"EO-{cart_id}", "status": "placed", "subtotal": body["expected_total"]}
        self.orders[cart_id] = order
        if self.pending_polls:
            return httpx2.Response(202, json={"order_id": cart_id, "status": "pending"}, headers={"Retry-After": "0"})
        cart["status"] = "ordered"
        return httpx2.Response(201, json=order)

    def _order(self, order_id: str) -> httpx2.Response:
        if self.pending_polls:
            self.pending_polls -= 1
            return httpx2.Response(200, json=self.orders[order_id] | {"status": "pending"})
        self.carts[order_id]["status"] = "ordered"
        return httpx2.Response(200, json=self.orders[order_id] | {"status": self.ends_as, "reason": "why"})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.retail.patience._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("cli.retail.patience._LONGEST_PAUSE", 0.01)


@pytest.fixture
def fake() -> FakeShop:
    return FakeShop()


async def replayed(fake: FakeShop, day: RetailDay, concurrency: int = 1, patience: float = 5) -> ReplayReport:
    headers = {"Authorization": "Bearer secret"}
    transport = httpx2.MockTransport(fake.answer)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
        return await replay_through(Api(client), day, concurrency, patience=patience)


@pytest.fixture
def one_invoice(tmp_path: Path) -> RetailDay:
    rows = [("1", "71053", "LANTERN", "6", "2026-03-02", "3.39", "17850", "France")]
    return survey(write_rows(tmp_path / "one.csv", rows))


async def test_a_day_is_placed_once_and_a_second_replay_finds_every_order(fake: FakeShop, tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv", invoices=10)
    day = survey(written.path)
    first = await replayed(fake, day, 4)
    fake.asked.clear()
    second = await replayed(fake, day, 4)
    assert (first.placed, first.already_there, first.failures) == (10, 0, ())
    assert (second.placed, second.already_there, second.failures) == (0, 10, ())
    assert first.revenue.amount == second.revenue.amount == written.revenue
    assert first.books_right
    assert second.books_right
    assert "lines" not in fake.asked
    assert {number: order["subtotal"]["amount"] for number, order in fake.orders.items()} == written.invoices


@pytest.mark.parametrize("step", ["cart", "lines", "buyer", "checkout"])
async def test_each_step_is_asked_again_while_processes_are_away(
    fake: FakeShop, one_invoice: RetailDay, step: str
) -> None:
    fake.before[step] = [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("closed"),
        problem(503, "temporarily_unavailable", **{"Retry-After": "0"}),
        problem(429, "rate_limited", **{"Retry-After": "soon"}),
        httpx2.Response(502, text="<html>"),
        httpx2.Response(500, json=["not", "a", "problem"]),
    ]
    report = await replayed(fake, one_invoice)
    assert (report.placed, report.failures, report.books_right) == (1, (), True)
    assert fake.asked.count(step) == 8


@pytest.mark.parametrize("step", ["cart", "lines", "buyer", "checkout"])
async def test_an_answer_that_is_lost_after_its_effect_places_nothing_twice(
    fake: FakeShop, one_invoice: RetailDay, step: str
) -> None:
    fake.lost[step] = 2
    report = await replayed(fake, one_invoice)
    assert (report.placed, report.already_there, report.failures) == (1, 0, ())
    assert list(fake.orders) == ["1"]


async def test_an_accepted_checkout_is_followed_until_it_is_settled(fake: FakeShop, one_invoice: RetailDay) -> None:
    fake.pending_polls = 3
    fake.before["order"] = [problem(404, "not_found"), problem(503, "temporarily_unavailable")]
    report = await replayed(fake, one_invoice)
    assert (report.placed, report.failures, report.books_right) == (1, (), True)
    assert fake.asked.count("order") == 6
    assert fake.asked.count("checkout") == 1


@pytest.mark.parametrize("end", ["failed", "cancelled", "payment_required"])
async def test_a_checkout_that_ends_without_an_order_is_a_failure_with_its_reason(
    fake: FakeShop, one_invoice: RetailDay, end: str
) -> None:
    fake.pending_polls, fake.ends_as = 1, end
    report = await replayed(fake, one_invoice)
    assert report.failures == (Failure("1", f"{end} why"),)
    assert (report.revenue.amount, report.books_right) == (0, False)


async def test_an_order_that_was_cancelled_since_is_a_failure_and_not_revenue(
    fake: FakeShop, one_invoice: RetailDay
) -> None:
    order = {"status": "cancelled", "reason": None, "subtotal": {"amount": 2034, "currency": "GBP"}}
    fake.before["checkout"] = [httpx2.Response(201, json=order)]
    report = await replayed(fake, one_invoice)
    assert report.failures == (Failure("1", "cancelled"),)
    assert report.revenue.amount == 0


@pytest.mark.parametrize("status", ["open", "frozen"])
async def test_a_cart_that_an_earlier_run_left_at_the_checkout_is_waited_for(
    fake: FakeShop, one_invoice: RetailDay, status: str
) -> None:
    line = {"sku": "71053", "quantity": 6, "unit_price": {"amount": 339, "currency": "GBP"}}
    fake.carts["1"] = {"id": "1", "status": status, "lines": [line]}
    fake.before["buyer"] = [problem(409, "cart_in_checkout")]
    fake.before["checkout"] = [problem(409, "cart_in_checkout")] * 3
    report = await replayed(fake, one_invoice)
    assert (report.placed, report.already_there, report.failures) == (1, 0, ())
    assert "lines" not in fake.asked
    assert fake.asked.count("checkout") == 4


@pytest.mark.parametrize(
    ("step", "refusal"),
    [
        ("lines", problem(422, "unknown_sku")),
        ("buyer", problem(422, "validation_error")),
        ("checkout", problem(409, "insufficient_stock")),
        ("checkout", problem(409, "price_changed")),
        ("checkout", problem(402, "payment_failed")),
    ],
)
async def test_a_refusal_is_not_asked_again(
    fake: FakeShop, one_invoice: RetailDay, step: str, refusal: httpx2.Response
) -> None:
    fake.before[step] = [refusal]
    report = await replayed(fake, one_invoice)
    assert report.failures == (Failure("1", f"{refusal.status_code} {refusal.json()['code']}"),)
    assert fake.asked.count(step) == 1
    assert fake.orders == {}


async def test_an_invoice_is_given_up_when_nothing_goes_on(fake: FakeShop, one_invoice: RetailDay) -> None:
    fake.before["checkout"] = [problem(503, "temporarily_unavailable")] * 1000
    report = await replayed(fake, one_invoice, patience=0.05)
    assert report.failures == (Failure("1", "no progress in 0 s, last: 503 temporarily_unavailable"),)


async def test_an_order_of_another_sum_is_a_failure_and_its_money_is_counted_as_it_is(
    fake: FakeShop, one_invoice: RetailDay
) -> None:
    order = {"status": "placed", "subtotal": {"amount": 2033, "currency": "GBP"}}
    fake.before["checkout"] = [httpx2.Response(201, json=order)]
    report = await replayed(fake, one_invoice)
    assert report.failures == (Failure("1", "the order says 2033, the invoice 2034 GBP minor units"),)
    assert (report.revenue.amount, report.expected.amount, report.books_right) == (2033, 2034, False)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_not_accepted_ends_the_replay_at_once(
    fake: FakeShop, tmp_path: Path, status: int
) -> None:
    day = survey(write_day(tmp_path / "day.csv", invoices=40).path)
    fake.before["cart"] = [problem(status, "forbidden")] * 100
    with pytest.raises(CommandError, match="the token does not open imports"):
        await replayed(fake, day, 4)
    assert len(fake.asked) <= 4
    assert fake.orders == {}


async def test_an_invoice_longer_than_a_cart_joins_equal_lines(fake: FakeShop, tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv", invoices=1, longest=MOST_LINES + 200)
    report = await replayed(fake, survey(written.path), 1)
    assert (report.placed, report.revenue.amount) == (1, written.revenue)
    lines = fake.carts["700001"]["lines"]
    assert sum(line["quantity"] for line in lines) == written.sold.total()


async def test_the_report_for_programs_has_every_figure(fake: FakeShop, one_invoice: RetailDay) -> None:
    report = as_json(await replayed(fake, one_invoice))
    assert json.loads(json.dumps(report)) == report
    assert (report["placed"], report["failed"], report["books_right"]) == (1, [], True)
    assert report["revenue"] == report["expected_revenue"] == {"amount": 2034, "currency": "GBP"}
