"""Catalogues as another system might describe them, drawn by hypothesis."""

from hypothesis import strategies as st

from domain.merchandise import DescribedProduct, DescribedVariant, Picture, Stated, distinct
from domain.money import MOST_MONEY
from providers.shopify.columns import ATTRIBUTES, LISTS

_VISIBLE = st.characters(exclude_categories=["Cs", "Cc"])
_AWKWARD = st.sampled_from(['"', ",", "'", ";", "=1+1", "<b>", "&amp;", "é", "日本", "\u2028", "\N{NO-BREAK SPACE}"])
_PROSE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\v\f")


def _line(least: int, most: int) -> st.SearchStrategy[str]:
    parts = st.lists(st.text(_VISIBLE, max_size=8) | _AWKWARD, max_size=4)
    return parts.map(lambda some: "".join(some)[:most].strip()).filter(lambda text: len(text) >= least)


_prose = st.lists(st.text(_PROSE, max_size=20) | _AWKWARD | st.just("\n"), max_size=8).map(lambda p: "".join(p).strip())
_tags = st.lists(_line(0, 20).map(lambda tag: tag.replace(",", "")), max_size=4).map(distinct)
_urls = st.integers(0, 10**6).map(lambda n: f"https://images.example/{n}.jpg?a=1,2")
_amounts = st.integers(0, 10**6) | st.just(MOST_MONEY)
_pictures = st.lists(st.builds(Picture, _urls, _line(0, 200)), max_size=3, unique=True).map(tuple)


@st.composite
def products(draw: st.DrawFn, number: int = 0) -> DescribedProduct:
    """Draw a product; those of different numbers share neither slug nor SKUs."""
    names = draw(st.lists(_line(1, 20).filter(lambda name: name != "Title"), max_size=3, unique=True))
    slug = draw(st.from_regex(r"[a-z0-9]{1,10}(-[a-z0-9]{1,10}){0,2}", fullmatch=True)) + f"-{number}"
    combinations = st.lists(st.tuples(*(_line(1, 20) for _ in names)), max_size=3, unique=True)
    variants = [
        draw(_variants(f"{number}-{place}", tuple(zip(names, values, strict=True))))
        for place, values in enumerate(draw(combinations))
    ]
    return DescribedProduct(
        line=0,
        slug=slug,
        title=draw(_line(1, 100)),
        description=draw(_prose),
        status=draw(st.sampled_from(Stated)),
        category=draw(st.just("") | _line(1, 60)),
        vendor=draw(_line(0, 100)),
        options=tuple(names),
        attributes=(
            *((name, draw(_tags)) for name in LISTS.values()),
            *((name, draw(_line(0, 50))) for name in ATTRIBUTES.values()),
        ),
        images=draw(_pictures),
        seo_title=draw(_line(0, 100)),
        seo_description=draw(_line(0, 100)),
        variants=tuple(variants),
    )


@st.composite
def _variants(draw: st.DrawFn, name: str, options: tuple[tuple[str, str], ...]) -> DescribedVariant:
    amount = draw(st.none() | _amounts)
    return DescribedVariant(
        line=0,
        sku=f"{draw(_line(0, 20))}/{name}",
        named=True,
        title=None if options else draw(_line(0, 30).filter(lambda title: title != "Default Title")),
        options=options,
        amount=amount,
        compare_at=None if amount is None else draw(st.none() | _amounts),
        quantity=draw(st.integers(0, 10**6)),
        backorder=draw(st.booleans()),
        weight=draw(st.integers(0, 10_000_000)),
        tax_category=draw(st.sampled_from(["standard", "exempt", "reduced", "P0000000"])),
        barcode=draw(_line(0, 30)),
        image=draw(st.just("") | _urls),
    )
