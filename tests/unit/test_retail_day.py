from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.retail.assortment import assortment, slug_of
from cli.retail.buyers import address_of, email_of
from cli.retail.day import survey
from cli.retail.invoices import Invoice, Sale
from cli.retail.problems import MOST_LISTED, FileRefusedError, Problem
from cli.retail.rules import SkipReason
from db.stocking import Receipt
from domain.money import Money
from tests.support.retail import write_day, write_rows


def line(invoice: str, sku: str, quantity: str = "1", price: str = "1.00", **other: str) -> tuple[str, ...]:
    return (
        invoice,
        sku,
        other.get("description", "THING"),
        quantity,
        "2026-03-02 08:26:00",
        price,
        other.get("customer", ""),
        other.get("country", "United Kingdom"),
    )


def test_a_day_is_surveyed_to_the_penny_and_every_skipped_line_is_counted_with_its_reason(tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv")
    day = survey(written.path)
    assert day.revenue == Money(written.revenue, "GBP")
    assert set(day.sales_of) == set(written.invoices)
    assert day.skipped == written.skipped
    assert set(day.skipped) == set(SkipReason)
    assert day.lines == sum(day.sales_of.values()) + sum(day.skipped.values())
    assert day.codes == {"POST": 1, "DOT": 1, "BANK CHARGES": 1, "C2": 1, "gift_0001_20": 1, "B": 1, "2223": 1}
    assert day.unplaced == {"Unspecified": 1}


def test_the_second_reading_gives_every_invoice_once_with_its_own_sum(tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv")
    invoices = list(survey(written.path).invoices())
    assert Counter({invoice.number: invoice.total.amount for invoice in invoices}) == written.invoices
    assert len(invoices) == len(written.invoices)


def test_a_sku_at_two_prices_in_one_invoice_stays_two_lines(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "day.csv", [line("1", "22752", "2", "7.65"), line("1", "22752", "1", "15.79")])
    (invoice,) = survey(file).invoices()
    assert invoice.sales == (Sale("22752", 2, 765), Sale("22752", 1, 1579))
    assert invoice.total == Money(3109, "GBP")


lines = st.lists(
    st.tuples(st.sampled_from("1234"), st.integers(-2, 9), st.integers(-1, 999), st.sampled_from(["22752", "POST"])),
    max_size=40,
)


@given(rows=lines)
def test_invoices_are_grouped_whatever_the_order_of_their_lines(rows: list[tuple[str, int, int, str]]) -> None:
    with TemporaryDirectory() as folder:
        written = [line(number, sku, str(quantity), f"{pence / 100}") for number, quantity, pence, sku in rows]
        day = survey(write_rows(Path(folder, "day.csv"), written))
        invoices = list(day.invoices())
    sales = [(number, q, p) for number, q, p, sku in rows if sku == "22752" and q > 0 and p > 0]
    expected: Counter[str] = Counter()
    for number, quantity, pence in sales:
        expected[number] += quantity * pence
    assert {invoice.number: invoice.total.amount for invoice in invoices} == expected
    assert sum(len(invoice.sales) for invoice in invoices) == len(sales)
    assert day.revenue == Money(expected.total(), "GBP")


def test_an_invoice_is_handed_on_as_soon_as_its_last_sale_was_read(tmp_path: Path) -> None:
    rows = [line("1", "22752"), line("2", "22752"), line("1", "POST"), line("2", "22753"), line("1", "22754")]
    day = survey(write_rows(tmp_path / "day.csv", rows))
    assert [invoice.number for invoice in day.invoices()] == ["2", "1"]


def test_a_file_with_a_broken_line_is_refused_with_every_problem(tmp_path: Path) -> None:
    rows = [line("1", "22752"), line("1", "22752", "six"), line("1", "22752"), line("C1", "22752", price="free")]
    with pytest.raises(FileRefusedError) as refused:
        survey(write_rows(tmp_path / "day.csv", rows))
    assert refused.value.problems == (
        Problem(3, "Quantity is not a number: 'six'"),
        Problem(5, "UnitPrice is not a number: 'free'"),
    )


def test_reading_stops_when_everything_is_broken(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError) as refused:
        survey(write_rows(tmp_path / "day.csv", [line("1", "22752", "six")] * 1000))
    assert len(refused.value.problems) == MOST_LISTED


def test_a_file_without_lines_is_a_day_without_trade(tmp_path: Path) -> None:
    day = survey(write_rows(tmp_path / "day.csv", []))
    assert (day.lines, day.revenue, list(day.invoices())) == (0, Money(0, "GBP"), [])


def test_the_assortment_lists_each_sku_once_with_its_most_frequent_title_and_price(tmp_path: Path) -> None:
    rows = [
        line("1", "22752", "2", "7.65", description=""),
        line("1", "22752", "1", "15.79", description="RED BOXES"),
        line("2", "22752", "3", "15.79", description="BOXES"),
        line("3", "22752", "4", "15.79", description="BOXES"),
        line("3", "22139", "4", "0.0", description="amazon"),
        line("3", "85123a", "5", "2.95", description=""),
    ]
    goods = assortment(survey(write_rows(tmp_path / "day.csv", rows)).sales())
    listed = [(product.title, product.variants[0].sku, product.variants[0].prices) for product in goods.products]
    assert listed == [
        ("BOXES", "22752", (Money(1579, "GBP"),)),
        ("85123a", "85123a", (Money(295, "GBP"),)),
    ]
    assert goods.receipts == (Receipt("22752", 10), Receipt("85123a", 5))


def test_what_is_received_is_what_the_day_sells(tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv")
    receipts = assortment(survey(written.path).sales()).receipts
    assert {receipt.sku: receipt.quantity for receipt in receipts} == written.sold


@given(st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=30))
def test_no_two_skus_share_a_slug(skus: list[str]) -> None:
    slugs = {slug_of(sku, "SAME TITLE") for sku in skus}
    assert len(slugs) == len(skus)


def test_slugs_read_well_and_tell_case_apart() -> None:
    assert slug_of("85123A", "WHITE HANGING HEART T-LIGHT HOLDER") == "white-hanging-heart-t-light-holder-85123a"
    assert slug_of("85123a", "WHITE HANGING HEART T-LIGHT HOLDER") == "white-hanging-heart-t-light-holder-85123a-2ef2c5"


def invoice(number: str, customer: str, country: str = "EIRE") -> Invoice:
    return Invoice(number, customer, country, ())


def test_a_customer_is_the_same_person_on_every_invoice() -> None:
    assert email_of(invoice("1", "17850")) == email_of(invoice("2", "17850")) == "customer-17850@example.com"
    assert address_of(invoice("1", "17850")) == address_of(invoice("2", "17850"))
    assert address_of(invoice("1", "17850"))["country"] == "IE"


def test_an_invoice_without_a_customer_has_a_buyer_of_its_own() -> None:
    assert email_of(invoice("536544", "")) == "invoice-536544@example.com"
    assert address_of(invoice("536544", "", "Unspecified"))["country"] == "GB"
