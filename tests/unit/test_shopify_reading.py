import csv
import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import pytest

from domain.merchandise import (
    MOST_VARIANTS,
    DescribedProduct,
    DescribedVariant,
    FileRefusedError,
    Passage,
    Picture,
    Refusal,
    Stated,
)
from providers.shopify.products import ProductFile
from tests.support.shopify import MEDIUM, SHIRT, Cells, content, file, plain

SMALL = DescribedVariant(
    line=2,
    sku="SHIRT-S",
    named=True,
    options=(("Size", "Small"),),
    amount=1999,
    compare_at=2500,
    quantity=3,
    backorder=False,
    weight=250,
    tax_category="standard",
    barcode="5012345678900",
    image="https://images.example/small.jpg",
)


def passages(opened: BinaryIO, currency: str = "GBP") -> list[Passage]:
    return list(ProductFile(opened, currency).passages())


def read(*rows: Cells, currency: str = "GBP") -> DescribedProduct:
    [passage] = passages(file(*rows), currency)
    assert passage.refusals == ()
    assert passage.product is not None
    return passage.product


def refused(*rows: Cells, currency: str = "GBP") -> list[Refusal]:
    return [refusal for passage in passages(file(*rows), currency) for refusal in passage.refusals]


def test_rows_of_one_handle_are_one_product_with_all_that_they_say() -> None:
    assert read(SHIRT, MEDIUM) == DescribedProduct(
        line=2,
        slug="blue-shirt",
        title="Blue shirt",
        description="Cotton & linen",
        status=Stated.ACTIVE,
        category="Shirts",
        vendor="Example & Sons",
        options=("Size",),
        attributes=(("tags", ("men", "summer")), ("google_gender", "male")),
        images=(Picture("https://images.example/blue.jpg", "Front"),),
        seo_title="A blue shirt",
        seo_description="Buy it",
        variants=(
            SMALL,
            replace(
                SMALL,
                line=3,
                sku="SHIRT-M",
                options=(("Size", "Medium"),),
                amount=2150,
                compare_at=None,
                quantity=0,
                backorder=None,
                weight=0,
                barcode="",
                image="",
            ),
        ),
    )


def test_a_row_without_handle_and_title_belongs_to_the_product_above() -> None:
    unnamed = {name: cell for name, cell in MEDIUM.items() if name != "Handle"}
    assert [variant.sku for variant in read(SHIRT, unnamed).variants] == ["SHIRT-S", "SHIRT-M"]


def test_columns_that_are_missing_say_nothing() -> None:
    product = read({"Handle": "mug", "Title": "Mug", "Variant Price": "5"})
    assert product == DescribedProduct(
        line=2,
        slug="mug",
        title="Mug",
        variants=(DescribedVariant(line=2, sku="mug", named=False, title="", amount=500, keeps_compare_at=True),),
    )


def test_missing_skus_are_made_of_handle_and_options_and_stay_the_same() -> None:
    unnamed = dict(SHIRT) | {"Variant SKU": "", "Option2 Name": "Colour", "Option2 Value": "Sea blue"}
    [first], [again] = read(unnamed).variants, read(unnamed).variants
    assert (first.sku, first.named) == ("blue-shirt:Small:Sea blue", False)
    assert first == again
    long = read(unnamed | {"Handle": "x" * 190})
    assert len(long.variants[0].sku) == 185
    assert long.variants[0].sku != read(unnamed | {"Handle": "x" * 191}).variants[0].sku


def test_pictures_come_in_the_order_of_their_positions() -> None:
    def picture(name: str, position: str) -> Cells:
        return {
            "Handle": "blue-shirt",
            "Image Src": f"https://images.example/{name}.jpg",
            "Image Position": position,
        }

    rows = [dict(SHIRT) | {"Image Position": "2"}, picture("back", "1"), picture("last", ""), picture("back", "1")]
    images = read(*rows).images
    assert images is not None
    assert [image.url.rsplit("/", 1)[1] for image in images] == ["back.jpg", "blue.jpg", "last.jpg"]


@pytest.mark.parametrize(
    ("cells", "grams"),
    [
        ({"Variant Grams": "453.59237"}, 454),
        ({"Variant Weight": "1.5", "Variant Weight Unit": "kg"}, 1500),
        ({"Variant Weight": "2", "Variant Weight Unit": "lb"}, 907),
        ({"Variant Weight": "1", "Variant Weight Unit": "oz"}, 28),
        ({"Variant Grams": "12", "Variant Weight Unit": "lb"}, 12),
        ({"Variant Grams": ""}, 0),
    ],
)
def test_weights_become_grams(cells: Cells, grams: int) -> None:
    rows = {name: cell for name, cell in SHIRT.items() if name != "Variant Grams"} | dict(cells)
    assert read(rows).variants[0].weight == grams


@pytest.mark.parametrize(
    ("published", "status", "expected"),
    [
        ("TRUE", "", Stated.ACTIVE),
        ("false", "", Stated.DRAFT),
        ("", "", Stated.ACTIVE),
        ("true", "archived", Stated.ARCHIVED),
    ],
)
def test_published_is_active_and_a_status_says_it_better(published: str, status: str, expected: Stated) -> None:
    assert read(dict(SHIRT) | {"Published": published, "Status": status}).status is expected


@pytest.mark.parametrize(("currency", "price", "amount"), [("JPY", "500", 500), ("KWD", "1.234", 1234)])
def test_prices_have_the_decimals_of_their_currency(currency: str, price: str, amount: int) -> None:
    cells = dict(SHIRT) | {"Variant Price": price, "Variant Compare At Price": ""}
    assert read(cells, currency=currency).variants[0].amount == amount


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Variant Price": "19.999"}, "Variant Price has more decimals than GBP, which has 2: 19.999"),
        ({"Variant Price": "19,99"}, "Variant Price is not a number: 19,99"),
        ({"Variant Price": "-1"}, "Variant Price is negative or too large: -1"),
        ({"Variant Price": "1e3"}, "Variant Price is not a number: 1e3"),
        ({"Variant Price": "NaN"}, "Variant Price is not a number: NaN"),
        ({"Variant Price": "99999999999999"}, "Variant Price is negative or too large: 99999999999999"),
        (
            {"Variant Compare At Price": "0.001"},
            "Variant Compare At Price has more decimals than GBP, which has 2: 0.001",
        ),
        ({"Variant Inventory Qty": "1.5"}, "Variant Inventory Qty is no whole number, or above 1000000000: 1.5"),
        ({"Variant Inventory Policy": "maybe"}, "Variant Inventory Policy is neither deny nor continue: maybe"),
        ({"Variant Grams": "-1"}, "the weight is negative or above 10000000 g"),
        ({"Variant Taxable": "?"}, "Variant Taxable is neither TRUE nor FALSE: ?"),
        ({"Gift Card": "true"}, "gift cards are not sold here"),
        ({"Title": ""}, "has no Title, and is not below a row with its Handle"),
        ({"Handle": ""}, "Handle is empty"),
        ({"Handle": "日本"}, "Handle has no letters or digits, or more than 200 of them"),
        ({"Title": "two\nlines"}, "Title holds a line break or another control character"),
        ({"Title": "x" * 301}, "Title has more than 300 characters"),
        ({"Body (HTML)": "x" * 50_001}, "Body (HTML) has more than 50000 characters"),
        ({"Image Src": "javascript:alert(1)"}, "Image Src is no address that begins with http:// or https://"),
        ({"Variant Image": "blue.jpg"}, "Variant Image is no address that begins with http:// or https://"),
        ({"Option1 Value": ""}, "an article has a value for each option of its product, which are Size"),
        ({"Option2 Value": "Blue"}, "an article has a value for each option of its product, which are Size"),
        ({"Option3 Name": "Cut"}, "the names of options have a gap, or one is there twice"),
        ({"Option2 Name": "Size"}, "the names of options have a gap, or one is there twice"),
        ({"Status": "sold"}, "Status is none of draft, active, archived: sold"),
    ],
)
def test_a_cell_that_can_not_be_read_is_refused_with_its_line_and_reason(cells: Cells, reason: str) -> None:
    assert refused(dict(SHIRT) | dict(cells)) == [Refusal(2, reason)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (dict(MEDIUM) | {"Option1 Value": "Small"}, "has the same options as line 2"),
        (dict(MEDIUM) | {"Title": "Red shirt"}, "has another Title than the row above with its Handle"),
        (dict(MEDIUM) | {"Option1 Name": "Colour"}, "has other names of options than the first row of its product"),
        ({"Handle": "blue-shirt"}, "speaks neither of an article nor of a picture"),
        ({"Handle": "red-shirt"} | {"Option1 Value": "S"}, "has no Title, and is not below a row with its Handle"),
    ],
)
def test_a_further_row_that_does_not_fit_is_refused_by_its_own_line(row: Cells, reason: str) -> None:
    assert refused(SHIRT, row) == [Refusal(3, reason)]


def test_every_refused_row_is_told_and_the_products_around_are_read() -> None:
    rows = [plain(1), plain(2, **{"Variant Price": "x"}), plain(3), plain(4, **{"Variant Inventory Qty": "many"})]
    found = passages(file(*rows))
    assert [passage.product and passage.product.slug for passage in found] == ["thing-1", None, "thing-3", None]
    assert [str(refusal) for passage in found for refusal in passage.refusals] == [
        "line 3: Variant Price is not a number: x",
        "line 5: Variant Inventory Qty is not a number: many",
    ]
    assert [passage.fatal for passage in found] == [False] * 4


def test_a_product_with_too_many_rows_is_refused_and_not_kept_in_memory() -> None:
    rows = [SHIRT, *(dict(MEDIUM) | {"Option1 Value": str(n), "Variant SKU": str(n)} for n in range(600))]
    assert [refusal.reason for refusal in refused(*rows)] == [
        f"the product has more than {MOST_VARIANTS} articles",
        "the product has more than 500 rows",
    ]


def test_rows_without_any_cell_are_passed_over() -> None:
    empty = dict.fromkeys(SHIRT, "") | {"Title": "  "}
    assert [variant.sku for variant in read(SHIRT, empty, MEDIUM).variants] == ["SHIRT-S", "SHIRT-M"]


def test_oversold_stock_is_none() -> None:
    assert read(dict(SHIRT) | {"Variant Inventory Qty": "-4"}).variants[0].quantity == 0


def test_unused_columns_are_named_once() -> None:
    opened = ProductFile(file(SHIRT, columns=["Metafield: custom.care", "Cost per item"]), "GBP")
    assert opened.ignored == ("Metafield: custom.care", "Cost per item")


# Files that are none -----------------------------------------------------------------------------------------------

GOOD = content(SHIRT, MEDIUM, *map(plain, range(3)))


def fatal(data: bytes) -> Refusal:
    try:
        found = passages(io.BytesIO(data))
    except FileRefusedError as error:
        return error.refusal
    assert [passage.fatal for passage in found] == [False] * (len(found) - 1) + [True]
    [refusal] = found[-1].refusals
    return refusal


def test_empty_file_is_refused() -> None:
    assert fatal(b"") == Refusal(1, "the file is empty")
    assert fatal(b"\n\n") == Refusal(1, "the file is empty")


@pytest.mark.parametrize("header", [b"SKU,Price\n1,2\n", b"Handle;Title\na;b\n", b"%PDF-1.7\n"])
def test_wrong_header_is_refused(header: bytes) -> None:
    assert fatal(header) == Refusal(1, "this is no product CSV of Shopify: no column Handle")


def test_a_column_that_is_there_twice_is_refused() -> None:
    assert fatal(b"Handle,Title,Title\na,b,c\n") == Refusal(1, "the column Title is there twice")


def test_file_that_was_cut_in_the_middle_of_a_row_is_refused_at_that_row() -> None:
    cut = GOOD[: GOOD.rindex(b"Thing 2") + 3]
    assert fatal(cut) == Refusal(6, "has 2 of 27 cells: the file was cut here, or a quote is wrong")


def test_file_that_was_cut_within_quotes_is_refused_where_the_row_begins() -> None:
    whole = content(dict(SHIRT) | {"Body (HTML)": "one,\ntwo,\nthree"})
    assert fatal(whole[: whole.index(b"two")]) == Refusal(2, "the file ends within a quoted cell of this row")


def test_latin_1_is_refused_at_the_line_that_shows_it() -> None:
    text = content(SHIRT, plain(1), plain(2, Title="Crème brûlée")).decode()
    assert fatal(text.encode("latin-1")) == Refusal(4, "is not UTF-8")


def test_nul_is_refused() -> None:
    assert fatal(GOOD.replace(b"Thing 1", b"Thing\0 1")) == Refusal(5, "holds a NUL byte")


def test_cell_of_ten_megabytes_is_refused_without_being_read() -> None:
    huge = GOOD.replace(b"Thing 1", b"x" * 10_000_000)
    tracemalloc.start()
    try:
        assert fatal(huge) == Refusal(5, "is longer than 262144 bytes")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (b"x" * 200_000, "a cell has more than 131072 characters"),
        (b'"' + b"x" * 100 + b"\n" * 140_000 + b'"', "a cell has more than 131072 characters"),
        (b",".join([b'"' + b"y\n" * 60_000 + b'"'] * 20), "a row of more than 1048576 bytes begins here"),
    ],
)
def test_large_cells_and_rows_are_refused(cell: bytes, reason: str) -> None:
    assert fatal(GOOD.replace(b"Thing 1", cell)) == Refusal(5, reason)


def test_wrong_quotes_are_refused() -> None:
    refusal = fatal(GOOD.replace(b"Thing 1", b'"Thing" 1'))
    assert refusal == Refusal(5, "is no comma separated row: ',' expected after '\"'")


def test_byte_order_mark_and_windows_line_ends_are_read() -> None:
    windows = content(SHIRT, MEDIUM, *map(plain, range(3)), end="\r\n")
    expected = [passage.product for passage in passages(io.BytesIO(GOOD))]
    assert [passage.product for passage in passages(io.BytesIO(b"\xef\xbb\xbf" + windows))] == expected
    assert len(expected) == 4


def test_reading_goes_on_from_the_end_of_any_product() -> None:
    whole = passages(io.BytesIO(GOOD))
    for read_so_far, passage in enumerate(whole, start=1):
        rest = ProductFile(io.BytesIO(GOOD), "GBP").passages(passage.end)
        assert list(rest) == whole[read_so_far:]


class _Generated(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, rows: int) -> None:
        self._lines = self._written(rows)
        self._left = b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def readline(self, size: int | None = -1) -> bytes:
        return next(self._lines, b"")

    @staticmethod
    def _written(rows: int) -> Iterator[bytes]:
        row = io.StringIO()
        table = csv.writer(row, lineterminator="\n")
        for cells in ([*plain(0)], *([*plain(number).values()] for number in range(rows))):
            row.seek(0)
            row.truncate()
            table.writerow(cells)
            yield row.getvalue().encode()


@pytest.mark.parametrize("rows", [3_000, pytest.param(100_000, marks=pytest.mark.proof)])
def test_a_file_of_any_size_takes_no_more_memory_than_a_small_one(rows: int) -> None:
    reading = ProductFile(_Generated(rows), "GBP").passages()  # type: ignore[arg-type]
    for _ in range(1_000):
        next(reading)
    tracemalloc.start()
    try:
        assert sum(passage.product is not None for passage in reading) == rows - 1_000
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 200_000
    assert peak < 1_000_000
