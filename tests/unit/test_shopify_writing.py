import io
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.merchandise import DescribedProduct, DescribedVariant, Picture, Stated
from providers.shopify.columns import WRITTEN
from providers.shopify.products import ProductFile
from providers.shopify.prose import html_of, text_of
from providers.shopify.writing import ProductWriter
from tests.support.described import products


def written(*some: DescribedProduct, currency: str = "GBP") -> bytes:
    file = io.StringIO(newline="")
    writer = ProductWriter(file, currency)
    for product in some:
        writer.write(product)
    return file.getvalue().encode()


def read(content: bytes, currency: str = "GBP") -> list[DescribedProduct]:
    found = []
    for passage in ProductFile(io.BytesIO(content), currency).passages():
        assert passage.refusals == ()
        assert passage.product is not None
        variants = tuple(replace(variant, line=0) for variant in passage.product.variants)
        found.append(replace(passage.product, line=0, variants=variants))
    return found


@settings(max_examples=15, deadline=None)
@given(drawn=st.tuples(products(1), products(2), products(3)), currency=st.sampled_from(["GBP", "JPY", "KWD"]))
def test_what_is_written_is_read_the_same(drawn: tuple[DescribedProduct, ...], currency: str) -> None:
    content = written(*drawn, currency=currency)
    assert read(content, currency) == list(drawn)
    assert written(*read(content, currency), currency=currency) == content


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\v\f")).map(str.strip))
def test_every_description_survives_being_html(text: str) -> None:
    assert text_of(html_of(text)) == text
    assert "<" not in html_of(text).replace("<br>", "")


def test_descriptions_become_text_with_their_lines_and_without_anything_that_runs() -> None:
    html = """
    <h2>Blue &amp; <b>bold</b></h2>
    <p>Cotton,
       linen.<br/>Washable &lt;30&gt;</p><script>alert("x")</script><style>p {color: red}</style>
    <ul><li>warm</li><li>light</li></ul>
    <img src=x onerror=alert(1)><a href="javascript:alert(2)">More</a><!-- secret -->
    """
    assert text_of(html) == "Blue & bold\nCotton, linen.\nWashable <30>\n- warm\n- light\nMore"
    assert text_of("Plain,\nin two lines & 1 < 2") == "Plain,\nin two lines & 1 < 2"
    assert text_of("<script>never ends") == ""
    assert text_of("<p>kept</p><svg><script>dropped") == "kept"


def test_rows_have_shopifys_columns_and_look_like_its_own() -> None:
    shirt = DescribedProduct(
        line=0,
        slug="shirt",
        title="Shirt",
        description="Warm\n& light",
        status=Stated.DRAFT,
        category="Shirts",
        options=("Size",),
        images=(Picture("https://images.example/1.jpg", "Front"), Picture("https://images.example/2.jpg")),
        variants=(
            DescribedVariant(
                line=0, sku="S", named=True, options=(("Size", "Small"),), amount=1950, tax_category="exempt", weight=5
            ),
        ),
    )
    header, first, second, end = written(shirt).decode().split("\r\n")
    assert header.split(",") == list(WRITTEN)
    assert WRITTEN[:5] == ("Handle", "Title", "Body (HTML)", "Vendor", "Type")
    assert first == (
        "shirt,Shirt,Warm<br>&amp; light,,Shirts,,false,Size,Small,,,,,S,5,shopify,0,deny,manual,19.50,,true,false,,"
        "https://images.example/1.jpg,1,Front,false,,,,,,,,,,,,,,,,,g,,,draft"
    )
    assert second == "shirt" + "," * 24 + "https://images.example/2.jpg,2" + "," * 22
    assert end == ""
