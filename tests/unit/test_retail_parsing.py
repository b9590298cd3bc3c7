from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.retail.countries import country_code
from cli.retail.problems import FileRefusedError, Problem
from cli.retail.reading import read
from cli.retail.rows import COLUMNS, MalformedRowError, Row, parse
from cli.retail.rules import SkipReason, reason_to_skip
from tests.support.retail import write_rows

GOOD = ("536365", "85123A", "HEART HOLDER", "6", "2010-12-01 08:26:00", "2.55", "17850.0", "United Kingdom")


def with_cell(column: str, cell: str) -> tuple[str, ...]:
    cells = list(GOOD)
    cells[COLUMNS.index(column)] = cell
    return tuple(cells)


def test_a_line_is_read_exactly() -> None:
    assert parse(GOOD) == Row("536365", "85123A", "HEART HOLDER", 6, 255, "17850", "United Kingdom")


@given(pence=st.integers(0, 10**9))
def test_every_price_in_whole_pence_is_read_to_the_penny(pence: int) -> None:
    exact = Decimal(pence).scaleb(-2)
    assert parse(with_cell("UnitPrice", f"{exact:f}")).price == pence
    assert parse(with_cell("UnitPrice", repr(float(exact)))).price == pence
    assert parse(with_cell("UnitPrice", f"-{exact:f}")).price == -pence


@pytest.mark.parametrize("price", ["0.001", "1.005", "2.5500000000000003", "1e-3"])
def test_a_price_finer_than_a_penny_is_not_rounded_but_skipped(price: str) -> None:
    row = parse(with_cell("UnitPrice", price))
    assert row.price is None
    assert reason_to_skip(row) is SkipReason.FRACTION_OF_A_PENNY


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("Quantity", "six", "Quantity is not a number: 'six'"),
        ("Quantity", "", "Quantity is not a number: ''"),
        ("Quantity", "1.5", "Quantity is not a whole number: '1.5'"),
        ("Quantity", "1e99", "Quantity is not a number: '1e99'"),
        ("UnitPrice", "2,55", "UnitPrice is not a number: '2,55'"),
        ("UnitPrice", "NaN", "UnitPrice is not a number: 'NaN'"),
        ("UnitPrice", "Infinity", "UnitPrice is not a number: 'Infinity'"),
        ("UnitPrice", "\u0663.5", "UnitPrice is not a number: '\u0663.5'"),
        ("InvoiceDate", "yesterday", "InvoiceDate is not a date: 'yesterday'"),
        ("InvoiceNo", " ", "InvoiceNo is empty"),
    ],
)
def test_a_malformed_cell_is_refused_with_its_column(column: str, cell: str, reason: str) -> None:
    with pytest.raises(MalformedRowError) as refused:
        parse(with_cell(column, cell))
    assert str(refused.value) == reason


@pytest.mark.parametrize("date", ["2010-12-01 08:26:00", "2010-12-01T08:26:00", "12/1/2010 8:26", "31/12/2010 08:26"])
def test_dates_are_read_in_the_forms_that_such_files_have(date: str) -> None:
    assert parse(with_cell("InvoiceDate", date)) == parse(GOOD)


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("InvoiceNo", "C536379", SkipReason.CANCELLATION),
        ("StockCode", "POST", SkipReason.NOT_STOCK),
        ("StockCode", "BANK CHARGES", SkipReason.NOT_STOCK),
        ("StockCode", "gift_0001_20", SkipReason.NOT_STOCK),
        ("StockCode", "1234A", SkipReason.NOT_STOCK),
        ("StockCode", "", SkipReason.NOT_STOCK),
        ("StockCode", " 85123A", SkipReason.NOT_STOCK),
        ("Quantity", "0", SkipReason.NO_QUANTITY),
        ("Quantity", "-6", SkipReason.NO_QUANTITY),
        ("UnitPrice", "0.0", SkipReason.NO_PRICE),
        ("UnitPrice", "-0.01", SkipReason.NO_PRICE),
        ("StockCode", "15056bl", None),
        ("StockCode", "123456", None),
        ("Quantity", "6.0", None),
        ("CustomerID", "", None),
        ("Description", "", None),
    ],
)
def test_each_line_is_a_sale_or_skipped_for_one_reason(column: str, cell: str, reason: SkipReason | None) -> None:
    assert reason_to_skip(parse(with_cell(column, cell))) is reason


def test_the_sku_keeps_its_case_and_the_customer_loses_the_fraction() -> None:
    row = parse(("536365", "84029g", "  HOT   BOTTLE ", "1", "2010-12-01 08:26:00", "1", "12346.0", "EIRE"))
    assert (row.stock_code, row.description, row.customer) == ("84029g", "HOT BOTTLE", "12346")


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    header = ("Extra", *reversed(COLUMNS))
    file = write_rows(tmp_path / "day.csv", [("x", *reversed(GOOD))], header)
    assert list(read(file)) == [parse(GOOD)]


def test_a_byte_order_mark_empty_lines_and_windows_line_ends_are_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_bytes(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n\r\n" + ",".join(GOOD).encode() + b"\r\n\r\n")
    assert list(read(file)) == [parse(GOOD)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", Problem(1, "the file is empty")),
        (b"a,b\n1,2\n", Problem(1, f"no column {', '.join(COLUMNS)}")),
        (b"%s\n%s,more\n", Problem(2, "has 9 cells where the header has 8")),
        (b"%s\n%s\nx,y\n", Problem(3, "has 2 cells where the header has 8")),
        (b"%s\n%s\nx,\xa320\n", Problem(3, "is not UTF-8")),
        (b"%s\n%s\nx\0y\n", Problem(3, "holds a NUL byte")),
        (b'%s\n%s\n"x"y,\n', Problem(3, "',' expected after '\"'")),
        (b'%s\n%s\n"x\n', Problem(3, "unexpected end of data")),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path: Path, content: bytes, problem: Problem) -> None:
    file = tmp_path / "day.csv"
    parts = (",".join(COLUMNS).encode(), ",".join(GOOD).encode())
    file.write_bytes(content % parts[: content.count(b"%s")])
    assert [row for row in read(file) if isinstance(row, Problem)] == [problem]


def test_a_refusal_lists_each_problem_with_its_line() -> None:
    refusal = FileRefusedError(Path("day.csv"), (Problem(3, "is not UTF-8"), Problem(9, "InvoiceNo is empty")))
    assert str(refusal) == (
        "day.csv is refused, nothing was done\n  line 3: is not UTF-8\n  line 9: InvoiceNo is empty"
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("United Kingdom", "GB"),
        ("EIRE", "IE"),
        ("RSA", "ZA"),
        ("USA", "US"),
        ("Channel Islands", "JE"),
        ("Czech Republic", "CZ"),
        ("Korea", "KR"),
        ("Hong Kong", "HK"),
        ("United Arab Emirates", "AE"),
        ("European Community", None),
        ("Unspecified", None),
        ("West Indies", None),
        ("", None),
    ],
)
def test_country_names_become_iso_codes(name: str, code: str | None) -> None:
    assert country_code(name) == code
