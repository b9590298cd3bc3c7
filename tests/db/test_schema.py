"""Is a database what the migrations of this release make."""

import asyncpg

from db.schema import differences, named
from tests.support.postgres import PostgresForTests


async def change(database: str, *statements: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_a_migrated_database_lacks_or_has_otherwise_is_told(postgres: PostgresForTests) -> None:
    database = postgres.migrated()
    assert await differences(database) == ()
    await change(
        database,
        "ALTER TABLE orders DROP COLUMN reason",
        "ALTER TABLE carts ALTER COLUMN status DROP NOT NULL, ALTER COLUMN phone TYPE integer USING 1",
        "ALTER TABLE carts ADD COLUMN needed int NOT NULL",
        "ALTER TABLE stock_levels DROP CONSTRAINT stock_levels_location_fkey",
        "DROP TABLE idempotency_keys",
        "DROP INDEX orders_by_time",
    )
    assert set(await differences(database)) == {
        "column orders.reason is missing",
        "column carts.status is another",
        "column carts.phone is another",
        "column carts.needed is not known",
        "foreign key location of stock_levels is missing",
        "table idempotency_keys is missing",
        "index ix_idempotency_keys_expires_at of idempotency_keys is missing",
        "index orders_by_time of orders is missing",
    }


async def test_what_others_have_added_in_nobodys_way_is_no_difference(postgres: PostgresForTests) -> None:
    database = postgres.migrated()
    await change(
        database,
        "CREATE TABLE report (id int)",
        "CREATE INDEX report_by_total ON orders (total_amount)",
        "ALTER TABLE orders ADD CONSTRAINT report_total CHECK (total_amount < 1000000) NOT VALID",
        "ALTER TABLE orders ADD COLUMN erp_id text, ADD COLUMN exported bool NOT NULL DEFAULT false",
    )
    assert await differences(database) == ()


def test_first_three_of_many_differences_are_named() -> None:
    assert named(("a", "b", "c")) == "a; b; c"
    assert named(("a", "b", "c", "d", "e")) == "a; b; c; and 2 more"
