"""Every check of the audit is broken on purpose, and has to find it, and nothing else."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cli.audit import audit
from db.audit import INVARIANTS
from db.audit.checks import MOST_ROWS, Subject, count
from db.audit.snapshot import snapshot
from db.engine import create_engine
from providers.stripe import StripeProvider
from tests.db import audit_breaks_of_listings, audit_breaks_of_money, audit_breaks_of_orders, audit_breaks_of_returns
from tests.db.audit_breaks_of_orders import CLOSED
from tests.db.audited_shop import AuditedShop, Break, broken, found_after
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation, running_sandbox
from tests.support.shop import Shop
from tests.support.steps import Steps

BREAKS = [
    *audit_breaks_of_money.BREAKS,
    *audit_breaks_of_orders.BREAKS,
    *audit_breaks_of_returns.BREAKS,
    *audit_breaks_of_listings.BREAKS,
]


@pytest.fixture(scope="module")
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("sandbox_of_audit")) as server:
        yield server


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests, sandbox: SandboxForTests) -> AsyncIterator[AuditedShop]:
    engine = create_engine(postgres.migrated())
    provider = StripeProvider(SECRET_KEY, sandbox.url, installation=installation)
    shop = AuditedShop(Steps(Shop(engine), provider, sandbox))
    await shop.fill()
    yield shop
    await provider.close()
    await engine.dispose()


def test_every_check_has_a_way_to_be_broken() -> None:
    assert {one.check for one in BREAKS} == {check.name for one in INVARIANTS for check in one.checks}


def test_invariants_and_checks_have_names_of_their_own() -> None:
    assert [one.id for one in INVARIANTS] == [f"I{number}" for number in range(1, 14)]
    names = [check.name for one in INVARIANTS for check in one.checks]
    assert len(names) == len(set(names))


async def test_shop_with_an_order_in_every_state_is_clean(shop: AuditedShop) -> None:
    states = await shop.steps.shop.run("SELECT status, count(*) FROM orders GROUP BY status ORDER BY status")
    assert states == [
        ("cancelled", 3),
        ("cancelling", 1),
        ("failed", 2),
        ("fulfilling", 1),
        ("payment_required", 1),
        ("pending", 1),
        ("placed", 4),
        ("shipped", 2),
    ]
    async with shop.steps.sessions() as session:
        assert await broken(session) == {}


@pytest.mark.parametrize("way", BREAKS, ids=lambda way: way.check)
async def test_broken_row_is_found_and_named_and_nothing_else_is(shop: AuditedShop, way: Break) -> None:
    findings = await found_after(shop, way.statements)

    assert set(findings) == {way.check, *way.also}
    names = {f":{name}": str(value) for name, value in shop.values().items()}
    expected = {name: names.get(value, value) if isinstance(value, str) else value for name, value in way.row.items()}
    rows = [{name: row.get(name) for name in expected} for row in findings[way.check].rows]
    assert expected in rows


async def test_what_is_under_way_is_broken_only_when_it_should_be_settled(shop: AuditedShop) -> None:
    async with shop.steps.sessions() as session:
        findings = await broken(session, settled=True)

    assert {name: [row["order_id"] for row in finding.rows] for name, finding in findings.items()} == {
        "started_is_finished": [str(shop.orders["given_back"]), str(shop.orders["pending"])],
        "pending_is_decided": [str(shop.orders["pending"])],
        "cancelling_is_undone": [str(shop.orders["cancelling"])],
    }


async def test_placed_order_that_was_not_paid_in_full_is_found_once_settled(shop: AuditedShop) -> None:
    less = (
        "UPDATE payment_operations SET amount = 1500 WHERE order_id = :placed AND operation = 'capture'",
        "UPDATE orders SET captured_amount = 1500, payment_status = 'partially_captured' WHERE id = :placed",
    )
    assert await found_after(shop, less) == {}
    [row] = (await found_after(shop, less, settled=True))["money_is_owed"].rows
    assert (row["order_id"], row["total"], row["captured"]) == (str(shop.orders["placed"]), 2000, 1500)


@pytest.mark.parametrize(
    "kept_by",
    [
        "customer_id = :placed, updated_at = :long_ago",
        "email = 'Gone@Example.com', updated_at = :long_ago",
        "customer_id = :placed, status = 'delivered', needs_operator = true, updated_at = :long_ago",
        "customer_id = :placed, status = 'delivered', updated_at = now()",
    ],
)
async def test_erasure_that_an_order_keeps_waiting_is_not_late(shop: AuditedShop, kept_by: str) -> None:
    order = f"UPDATE orders SET {kept_by} WHERE id = :placed".replace(":long_ago", "now() - interval '2 days'")
    assert "erasure_completes" not in await found_after(shop, (CLOSED, order))


async def test_erasure_that_waits_for_goods_to_come_back_is_not_late(shop: AuditedShop) -> None:
    awaits = (
        "UPDATE orders SET customer_id = :placed, status = 'closed', updated_at = now() - interval '2 days'"
        " WHERE id = :returned"
    )
    assert "erasure_completes" not in await found_after(shop, (CLOSED, awaits))


async def test_erasure_is_late_once_its_orders_are_over(shop: AuditedShop) -> None:
    over = (
        "UPDATE orders SET customer_id = :placed, status = 'delivered', updated_at = now() - interval '25 hours'"
        " WHERE id = :placed"
    )
    assert "erasure_completes" in await found_after(shop, (CLOSED, over))


async def test_all_broken_rows_are_counted_and_the_first_hundred_shown(shop: AuditedShop) -> None:
    many = (
        """INSERT INTO carts (id, status, checkout_attempt, currency)
           SELECT uuidv7(), 'frozen', 1, 'GBP' FROM generate_series(1, 150)""",
    )
    finding = (await found_after(shop, many))["frozen_for_an_order"]
    assert (finding.broken, len(finding.rows)) == (150, MOST_ROWS)
    assert finding.checked == len(shop.carts) + 150


async def test_snapshot_stays_at_its_moment_and_can_change_nothing(shop: AuditedShop) -> None:
    async with snapshot(shop.steps.sessions) as session:
        before = await count(session)
        await shop.steps.goods()
        assert await count(session) == before
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await session.execute(text("UPDATE carts SET status = 'open'"))
    async with shop.steps.sessions() as session:
        assert (await count(session))[Subject.STOCK_LEVELS] == before[Subject.STOCK_LEVELS] + 1


async def test_audit_without_peers_leaves_workflows_out_and_is_clean(shop: AuditedShop) -> None:
    report = await audit(shop.steps.sessions)
    assert report.ok
    assert not report.settled
    assert [one.id for one in report.invariants] == [
        "I1",
        "I2",
        "I3",
        "I4",
        "I6",
        "I7",
        "I8",
        "I9",
        "I10",
        "I11",
        "I12",
        "I13",
    ]
    assert {one.id: one.checked for one in report.invariants}["I4"] == len(shop.orders)
