import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from db import categories
from tests.api.answers import body, gbp, locations, problem
from tests.support.shop import Shop

ANY = {"If-Match": "*"}


def mug(slug: str, *skus: str, **more: Any) -> dict[str, Any]:
    sizes = ["S", "M", "L"]
    return {
        "slug": slug,
        "title": "Enamel mug",
        "options": ["Size"],
        "variants": [
            {"sku": sku, "options": {"Size": size}, "prices": {"GBP": {"amount": 1250}}, "weight": 300}
            for sku, size in zip(skus, sizes, strict=False)
        ],
    } | more


@pytest.fixture
def slug(shop: Shop) -> str:
    return shop.sku("mug").lower()


async def created(staff: httpx2.AsyncClient, slug: str, *skus: str, **more: Any) -> dict[str, Any]:
    answer = await staff.post("/v1/products", json=mug(slug, *skus, **more))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/products/{answer.json()['id']}"
    made: dict[str, Any] = answer.json() | {"etag": answer.headers["etag"]}
    return made


async def test_a_draft_is_written_changed_and_put_on_sale(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    small, medium = shop.sku("MUG"), shop.sku("MUG")
    draft = await created(staff, slug, small, medium, seo_title="Mugs", images=[{"url": "https://a.example/m.jpg"}])
    assert (draft["status"], draft["version"], draft["seo_title"]) == ("draft", 1, "Mugs")
    assert draft["images"] == [{"url": "https://a.example/m.jpg", "alt": ""}]
    assert [(each["sku"], each["options"], each["prices"]) for each in draft["variants"]] == [
        (small, {"Size": "S"}, [gbp(1250)]),
        (medium, {"Size": "M"}, [gbp(1250)]),
    ]
    problem(await guest.get(f"/v1/products/{slug}"), 404, "not_found")

    changed = await staff.patch(
        f"/v1/products/{draft['id']}", json={"status": "active", "title": "Mug"}, headers={"If-Match": draft["etag"]}
    )
    shown = body(await guest.get(f"/v1/products/{slug}"))
    assert shown == changed.json()
    assert (shown["title"], shown["version"]) == ("Mug", 2)


async def test_of_two_edits_of_one_version_the_second_is_refused_and_changes_nothing(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    product = await created(staff, slug, shop.sku())
    path, mine = f"/v1/products/{product['id']}", {"If-Match": product["etag"]}
    answers = await asyncio.gather(*(staff.patch(path, json={"title": f"T{n}"}, headers=mine) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    [winner] = [answer.json()["title"] for answer in answers if answer.status_code == 200]
    problem(await staff.delete(path, headers=mine), 412, "precondition_failed")
    found = body(await staff.get(path))
    assert (found["title"], found["version"], found["status"]) == (winner, 2, "draft")


async def test_an_edit_names_its_version(staff: httpx2.AsyncClient, shop: Shop, slug: str) -> None:
    product = await created(staff, slug, shop.sku())
    path = f"/v1/products/{product['id']}"
    problem(await staff.patch(path, json={"title": "x"}), 428, "precondition_required")
    refused = problem(
        await staff.patch(path, json={"title": "x"}, headers={"If-Match": "W/x"}), 422, "validation_error"
    )
    assert locations(refused) == [["header", "if-match"]]
    assert body(await staff.patch(path, json={"title": "x"}, headers=ANY))["title"] == "x"
    problem(await staff.patch(f"/v1/products/{product['id'][:-4]}0000", json={}, headers=ANY), 404, "not_found")


async def test_an_old_slug_leads_to_the_new_one_until_something_else_has_it(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    product = await created(staff, slug, shop.sku(), status="active")
    path = f"/v1/products/{product['id']}"
    for name in (f"{slug}-2", f"{slug}-3"):
        await staff.patch(path, json={"slug": name}, headers=ANY)
    for old in (slug, f"{slug}-2"):
        moved = await guest.get(f"/v1/products/{old}")
        assert (moved.status_code, moved.headers["location"]) == (301, f"/v1/products/{slug}-3")

    await staff.patch(path, json={"slug": slug}, headers=ANY)
    assert body(await guest.get(f"/v1/products/{slug}"))["id"] == product["id"]
    other = await created(staff, f"{slug}-2", shop.sku(), status="active")
    assert body(await guest.get(f"/v1/products/{slug}-2"))["id"] == other["id"]
    problem(await staff.patch(path, json={"slug": f"{slug}-2"}, headers=ANY), 409, "name_taken")
    problem(await staff.post("/v1/products", json=mug(slug)), 409, "name_taken")


async def test_a_redirect_tells_nobody_of_a_draft(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    product = await created(staff, slug, shop.sku())
    await staff.patch(f"/v1/products/{product['id']}", json={"slug": f"{slug}-new"}, headers=ANY)
    problem(await guest.get(f"/v1/products/{slug}"), 404, "not_found")
    assert (await staff.get(f"/v1/products/{slug}")).status_code == 301


async def test_a_price_is_changed_with_its_history(staff: httpx2.AsyncClient, shop: Shop, slug: str) -> None:
    sku = shop.sku("MUG/2 é")
    product = await created(staff, slug, sku)
    path = f"/v1/products/{product['id']}"
    reduced = {"amount": 1100, "compare_at": 1250}
    shown = body(await staff.put(f"{path}/prices/GBP/{sku}", json=reduced, headers=ANY))
    assert shown["variants"][0]["compare_at"] == [gbp(1250)]
    shown = body(await staff.put(f"{path}/prices/GBP/{sku}", json={"amount": 1100}, headers=ANY))
    assert shown["variants"][0]["prices"] == [gbp(1100)]
    assert shown["variants"][0]["compare_at"] == []
    await staff.put(f"{path}/prices/EUR/{sku}", json={"amount": 1300}, headers=ANY)
    shown = body(await staff.delete(f"{path}/prices/GBP/{sku}", headers=ANY))
    assert shown["variants"][0]["prices"] == [{"amount": 1300, "currency": "EUR"}]
    problem(await staff.delete(f"{path}/prices/GBP/{sku}", headers=ANY), 404, "not_found")

    first = body(await staff.get(f"{path}/price-history/{sku}", params={"limit": 3}))
    rest = body(await staff.get(f"{path}/price-history/{sku}", params={"cursor": first["next_cursor"]}))
    history = [(each["currency"], each["previous"], each["amount"]) for each in first["items"] + rest["items"]]
    assert history == [("GBP", 1100, None), ("EUR", None, 1300), ("GBP", 1250, 1100), ("GBP", None, 1250)]
    assert {each["actor"] for each in first["items"]} == {"service"}


async def test_variants_are_added_changed_and_removed(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    small, medium = shop.sku("MUG"), shop.sku("MUG")
    product = await created(staff, slug, small, status="active")
    path = f"/v1/products/{product['id']}"
    variant = {"sku": medium, "options": {"Size": "M"}}

    added = await staff.post(f"{path}/variants", json=variant, headers={"If-Match": product["etag"]})
    assert [each["sku"] for each in added.json()["variants"]] == [small, medium]
    hidden = await staff.patch(f"{path}/variants/{medium}", json={"active": False}, headers=ANY)
    assert [each["active"] for each in hidden.json()["variants"]] == [True, False]
    assert [each["sku"] for each in body(await guest.get(path))["variants"]] == [small]

    removed = await staff.delete(f"{path}/variants/{medium}", headers={"If-Match": hidden.headers["etag"]})
    assert [each["sku"] for each in removed.json()["variants"]] == [small]
    await shop.stock(small, on_hand=0)
    problem(await staff.delete(f"{path}/variants/{small}", headers=ANY), 409, "in_use")
    problem(await staff.delete(f"{path}/variants/{medium}", headers=ANY), 404, "not_found")


def codes(cart: Any) -> list[str]:
    return [problem["code"] for problem in cart["lines"][0]["problems"]]


async def test_a_variant_that_is_not_active_can_not_be_bought(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    sku = shop.sku("MUG")
    product = await created(staff, slug, sku, status="active")
    cart = body(await guest.post("/v1/carts", json={"currency": "GBP"}), 201)
    token = {"X-Cart-Token": cart["token"]}
    line = f"/v1/carts/{cart['id']}/lines/{sku}"
    assert codes(body(await guest.put(line, json={"quantity": 1}, headers=token))) == ["insufficient_stock"]

    await staff.patch(f"/v1/products/{product['id']}/variants/{sku}", json={"active": False}, headers=ANY)
    assert codes(body(await guest.get(f"/v1/carts/{cart['id']}", headers=token))) == ["unknown_sku"]
    problem(await guest.put(line, json={"quantity": 2}, headers=token), 422, "unknown_sku")


async def test_a_sku_and_a_choice_of_options_are_each_one_article(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    small, other = shop.sku("MUG"), shop.sku("MUG")
    product = await created(staff, slug, small)
    path = f"/v1/products/{product['id']}/variants"
    before = await shop.contents()
    for variant in ({"sku": small, "options": {"Size": "M"}}, {"sku": other, "options": {"Size": "S"}}):
        problem(await staff.post(path, json=variant, headers=ANY), 409, "name_taken")
    problem(await staff.post("/v1/products", json=mug(f"{slug}-2", other, small)), 409, "name_taken")
    assert await shop.contents() == before


@pytest.mark.parametrize(
    ("wrong", "loc"),
    [
        ({"slug": "No Slug"}, ["body", "slug"]),
        ({"title": ""}, ["body", "title"]),
        ({"status": "sold"}, ["body", "status"]),
        ({"category": "nowhere"}, ["body", "category"]),
        ({"attributes": {"colour": "red"}}, ["body", "attributes", "colour"]),
        ({"images": [{"url": "javascript:alert(1)"}]}, ["body", "images", 0, "url"]),
        ({"variants": [{"sku": "A", "options": {}}]}, ["body"]),
        ({"variants": [{"sku": "A", "options": {"Size": "S"}}, {"sku": "B", "options": {"Size": "S"}}]}, ["body"]),
        ({"version": 7}, ["body", "version"]),
        ({"description": "\x00"}, ["body", "description"]),
    ],
)
async def test_what_is_not_valid_is_refused_and_writes_nothing(
    staff: httpx2.AsyncClient, shop: Shop, slug: str, wrong: dict[str, Any], loc: list[object]
) -> None:
    before = await shop.contents()
    refused = problem(await staff.post("/v1/products", json=mug(slug) | wrong), 422, "validation_error")
    assert locations(refused) == [loc]
    assert await shop.contents() == before


async def test_options_of_a_product_and_of_its_variants_change_together(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    small, medium = shop.sku("MUG"), shop.sku("MUG")
    product = await created(staff, slug, small, medium, status="active")
    path = f"/v1/products/{product['id']}"

    exchanged = {small: {"Size": "M"}, medium: {"Size": "S"}}
    changed = await staff.patch(path, json={"variant_options": exchanged}, headers={"If-Match": product["etag"]})
    assert {one["sku"]: one["options"] for one in body(changed)["variants"]} == exchanged

    coloured = {small: {"Size": "M", "Colour": "red"}, medium: {"Size": "M", "Colour": "blue"}}
    edit = {"options": ["Size", "Colour"], "variant_options": coloured}
    changed = await staff.patch(path, json=edit, headers={"If-Match": changed.headers["ETag"]})
    assert body(changed)["options"] == ["Size", "Colour"]
    assert {one["sku"]: one["options"] for one in changed.json()["variants"]} == coloured
    assert body(await staff.get(f"/v1/products/{slug}")) == changed.json()


@pytest.mark.parametrize(
    ("options", "values", "name"),
    [
        (["Colour"], None, "variant_options"),
        (["Colour"], [{"Colour": "red"}], "variant_options"),
        (["Colour"], [{"Colour": "red"}, {"Size": "M"}], "variant_options"),
        (["Colour"], [{"Colour": "red"}, {"Colour": "red"}], "variant_options"),
        (None, [{"Size": "S"}, {"Size": "M"}, {"Size": "L"}], "variant_options"),
        ([], [{"Size": "S"}, {"Size": "M"}], "variant_options"),
        (["Size", "Size"], [{"Size": "S"}, {"Size": "M"}], "options"),
    ],
)
async def test_options_that_do_not_fit_are_refused_and_change_nothing(
    *,
    staff: httpx2.AsyncClient,
    shop: Shop,
    slug: str,
    options: list[str] | None,
    values: list[dict[str, str]] | None,
    name: str,
) -> None:
    skus = [shop.sku("MUG"), shop.sku("MUG"), shop.sku("OTHER")]
    product = await created(staff, slug, *skus[:2])
    path = f"/v1/products/{product['id']}"
    given = None if values is None else dict(zip(skus, values, strict=False))
    edit = {"title": "Cup", "options": options, "variant_options": given}
    refused = await staff.patch(path, json=edit, headers=ANY)
    assert locations(problem(refused, 422, "validation_error"))[0][:2] == ["body", name]
    assert body(await staff.get(path)) | {"etag": product["etag"]} == product


async def test_variants_are_shown_in_the_order_that_an_editor_gives_them(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    skus = [shop.sku("MUG") for _ in range(3)]
    product = await created(staff, slug, *skus)
    path = f"/v1/products/{product['id']}"
    for wrong in (skus[:2], [*skus, shop.sku()], [skus[0], *skus]):
        refused = await staff.patch(path, json={"variant_order": wrong}, headers=ANY)
        assert locations(problem(refused, 422, "validation_error")) == [["body", "variant_order"]]
    order = [skus[2], skus[0], skus[1]]
    changed = await staff.patch(path, json={"variant_order": order}, headers={"If-Match": product["etag"]})
    assert [one["sku"] for one in body(changed)["variants"]] == order
    assert body(await staff.get(path)) == changed.json()


async def test_attributes_have_types(staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, slug: str) -> None:
    for name, kind in (("volume", "number"), ("dishwasher_safe", "boolean"), ("material", "text"), ("tags", "list")):
        assert body(await staff.put(f"/v1/attributes/{name}", json={"type": kind})) == {"name": name, "type": kind}
    values = {"volume": 0.35, "dishwasher_safe": True, "material": "enamel"}
    product = await created(staff, slug, attributes=values | {"tags": ["sale", "Summer", "summer", "sale "]})
    assert product["attributes"] == values | {"tags": ["Summer", "sale"]}
    path = f"/v1/products/{product['id']}"
    for name, value in (("volume", True), ("dishwasher_safe", "yes"), ("material", 7), ("tags", "sale")):
        wrong = await staff.patch(path, json={"attributes": {name: value}}, headers=ANY)
        assert locations(problem(wrong, 422, "validation_error")) == [["body", "attributes", name]]
    for name, values_of_it in (("tags", []), ("tags", ["a,b"]), ("tags", ["x" * 256]), ("material", ["enamel"])):
        wrong = await staff.patch(path, json={"attributes": {name: values_of_it}}, headers=ANY)
        assert locations(problem(wrong, 422, "validation_error"))[0][:3] == ["body", "attributes", name]
    assert body(await staff.get(path))["version"] == 1
    problem(await staff.put("/v1/attributes/volume", json={"type": "text"}), 409, "in_use")
    problem(await staff.delete("/v1/attributes/volume"), 409, "in_use")
    await staff.patch(path, json={"attributes": {}}, headers=ANY)
    assert (await staff.delete("/v1/attributes/volume")).status_code == 204
    problem(await staff.delete("/v1/attributes/volume"), 404, "not_found")
    assert "volume" not in {each["name"] for each in body(await guest.get("/v1/attributes"))["items"]}


async def test_an_attribute_changes_its_type_or_gets_a_product_and_never_both(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    path = "/v1/attributes/" + slug.replace("-", "_")
    name = path.rsplit("/", 1)[1]
    for number in range(6):
        await staff.put(path, json={"type": "text"})
        changed, filled = await asyncio.gather(
            staff.put(path, json={"type": "number"}) if number % 2 else staff.delete(path),
            staff.post("/v1/products", json=mug(f"{slug}-{number}", attributes={name: "red"})),
        )
        assert (changed.is_success, filled.status_code) in {(True, 422), (False, 201)}, (changed.text, filled.text)
        await shop.run("UPDATE products SET attributes = '{}' WHERE slug = :slug", slug=f"{slug}-{number}")


async def test_categories_are_moved_but_never_below_themselves(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, slug: str
) -> None:
    home, kitchen, mugs = (f"{slug}-{name}" for name in ("home", "kitchen", "mugs"))
    parent = None
    for name in (home, kitchen, mugs):
        made = body(await staff.post("/v1/categories", json={"slug": name, "name": name, "parent": parent}), 201)
        assert (made["parent"], made["version"]) == (parent, 1)
        parent = name
    for below in (home, mugs, "nowhere"):
        refused = await staff.patch(f"/v1/categories/{home}", json={"parent": below}, headers=ANY)
        assert locations(problem(refused, 422, "validation_error")) == [["body", "parent"]]
    problem(await staff.delete(f"/v1/categories/{kitchen}", headers=ANY), 409, "in_use")
    problem(await staff.post("/v1/categories", json={"slug": mugs, "name": "x"}), 409, "name_taken")

    shown = await guest.get(f"/v1/categories/{mugs}")
    assert body(shown)["parent"] == kitchen
    read = {"If-Match": shown.headers["ETag"]}
    moved = await staff.patch(f"/v1/categories/{mugs}", json={"parent": None}, headers=read)
    assert moved.json()["parent"] is None
    problem(
        await staff.patch(f"/v1/categories/{mugs}", json={}, headers={"If-Match": '"1"'}), 412, "precondition_failed"
    )
    product = await created(staff, slug, category=mugs)
    problem(await staff.delete(f"/v1/categories/{mugs}", headers=ANY), 409, "in_use")
    await staff.patch(f"/v1/products/{product['id']}", json={"category": kitchen}, headers=ANY)
    assert (await staff.delete(f"/v1/categories/{mugs}", headers=ANY)).status_code == 204
    problem(await staff.delete(f"/v1/categories/{mugs}", headers=ANY), 404, "not_found")
    problem(await guest.get(f"/v1/categories/{mugs}"), 404, "not_found")


async def test_a_category_that_somebody_has_renamed_is_not_removed_for_what_it_was(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, slug: str
) -> None:
    made = await staff.post("/v1/categories", json={"slug": slug, "name": "Cups"})
    path, read = f"/v1/categories/{slug}", {"If-Match": made.headers["ETag"]}
    renamed = await staff.patch(path, json={"name": "Mugs"}, headers=read)

    problem(await staff.delete(path), 428, "precondition_required")
    problem(await staff.delete(path, headers=read), 412, "precondition_failed")
    assert body(await guest.get(path)) == renamed.json()
    removals = await asyncio.gather(
        *(staff.delete(path, headers={"If-Match": renamed.headers["ETag"]}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in removals) == [204, 404, 404, 404]


async def test_a_category_is_removed_or_gets_a_product_and_never_both(
    staff: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    for number in range(8):
        name = f"{slug}-{number}"
        await staff.post("/v1/categories", json={"slug": name, "name": name})
        removed, filled = await asyncio.gather(
            staff.delete(f"/v1/categories/{name}", headers=ANY),
            staff.post("/v1/products", json=mug(name, shop.sku(), category=name)),
        )
        assert (removed.status_code, filled.status_code) in {(204, 422), (204, 409), (409, 201)}, removed.text


async def test_an_edit_of_the_tree_gives_up_soon_while_an_import_writes_products(
    staff: httpx2.AsyncClient, shop: Shop, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(categories, "SOON", text("SET LOCAL lock_timeout = '100ms'"))
    await staff.post("/v1/categories", json={"slug": slug, "name": "Mugs"})
    async with shop.sessions.begin() as importing:
        await categories.keep_still(importing)
        refused = await staff.patch(f"/v1/categories/{slug}", json={"name": "Cups"}, headers=ANY)
        problem(refused, 503, "temporarily_unavailable")
        body(await staff.post("/v1/categories", json={"slug": f"{slug}-below", "name": "x", "parent": slug}), 201)
        body(await staff.post("/v1/products", json=mug(slug, shop.sku(), category=slug)), 201)
    renamed = await staff.patch(f"/v1/categories/{slug}", json={"name": "Cups"}, headers=ANY)
    assert (renamed.json()["name"], renamed.json()["version"]) == ("Cups", 2)


async def test_two_moves_at_once_never_make_a_circle(staff: httpx2.AsyncClient, shop: Shop, slug: str) -> None:
    left, right = f"{slug}-left", f"{slug}-right"
    for name in (left, right):
        await staff.post("/v1/categories", json={"slug": name, "name": name})
    answers = await asyncio.gather(
        staff.patch(f"/v1/categories/{left}", json={"parent": right}, headers=ANY),
        staff.patch(f"/v1/categories/{right}", json={"parent": left}, headers=ANY),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_a_cache_asks_again_and_is_told_when_nothing_has_changed(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    sku = shop.sku("MUG")
    product = await created(staff, slug, sku, status="active")
    path = f"/v1/products/{slug}"
    first = await guest.get(path)
    assert first.headers["cache-control"] == "public, no-cache"
    again = await guest.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])

    await shop.stock(sku, on_hand=3)
    sold = await guest.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (sold.status_code, sold.json()["variants"][0]["available"]) == (200, 3)
    changed = await staff.patch(f"/v1/products/{product['id']}", json={}, headers={"If-Match": sold.headers["etag"]})
    assert changed.status_code == 200
    assert (await staff.get(path)).headers["cache-control"] == "no-store"


async def test_only_editors_see_and_list_what_is_not_on_sale(
    staff: httpx2.AsyncClient, guest: httpx2.AsyncClient, shop: Shop, slug: str
) -> None:
    draft = await created(staff, slug, shop.sku())
    assert draft["id"] in {each["id"] for each in body(await staff.get("/v1/products?status=draft"))["items"]}
    problem(await guest.get("/v1/products?status=draft"), 403, "forbidden")
    for method, path in (
        ("POST", "/v1/products"),
        ("PATCH", f"/v1/products/{draft['id']}"),
        ("POST", "/v1/categories"),
    ):
        problem(await guest.request(method, path, json={}, headers=ANY), 401, "unauthenticated")
