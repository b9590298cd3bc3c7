"""A shop of any size, the same each time: PostgreSQL draws it out of hashes of numbers.

584 categories in three levels, 8,000 names of collections, 2 articles a product on average, two currencies, four
attributes. One article in ten is sold out.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_BATCH = 10_000
_AT_ONCE = 2

_DRAW = """
CREATE OR REPLACE FUNCTION draw(number bigint, salt bigint, sides bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (hashint8extended(number, salt) & 9223372036854775807) % sides
"""

_NAME_OF_COLLECTION = """
CREATE OR REPLACE FUNCTION collection(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    (CAST('{Bal,Cor,Dun,Fal,Gar,Hol,Kel,Lan,Mor,Nor,Pen,Quin,Ros,Sel,Tam,Ul,Ver,Wil,Yar,Zan}' AS text[]))
        [1 + number % 20]
    || (CAST('{a,be,ci,do,e,fu,ga,hi,i,ko,lu,ma,ni,o,pa,ri,so,ta,u,vi}' AS text[]))[1 + number / 20 % 20]
    || (CAST('{ban,cott,dale,fen,gate,ham,inge,keld,ley,mere,ness,over,port,rick,stead,ton,unt,vale,wick,yate}'
        AS text[]))[1 + number / 400 % 20]
"""

_CATEGORIES = """
WITH paths AS (
    SELECT 'c-' || a AS slug, CAST(NULL AS text) AS parent, 1 AS level FROM generate_series(0, 7) a
    UNION ALL SELECT 'c-' || a || '-' || b, 'c-' || a, 2 FROM generate_series(0, 7) a, generate_series(0, 7) b
    UNION ALL SELECT 'c-' || a || '-' || b || '-' || c, 'c-' || a || '-' || b, 3
    FROM generate_series(0, 7) a, generate_series(0, 7) b, generate_series(0, 7) c
)
INSERT INTO categories (id, slug, name, parent_id)
SELECT CAST(md5(slug) AS uuid), slug, 'Category ' || slug, CAST(md5(parent) AS uuid) FROM paths ORDER BY level, slug
"""

_ATTRIBUTES = """
INSERT INTO attributes (name, type)
VALUES ('colour', 'text'), ('material', 'text'), ('size', 'number'), ('waterproof', 'boolean')
ON CONFLICT DO NOTHING
"""

# Ids begin with the time, as those of the product do, so that they grow with the shop.
_PRODUCTS = """
INSERT INTO products (
    id, slug, title, description, status, category_id, created_at, updated_at, vendor, options, attributes, images
)
SELECT
    CAST(lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '7' || substr(md5('product ' || n), 14) AS uuid),
    'product-' || n,
    collection(draw(n, 1, 8000)) || ' ' || adjective || ' ' || material || ' ' || thing,
    'A ' || adjective || ' ' || thing || ' of ' || material || ', made in the workshops of ' || vendor
        || ' by people who have done so for ' || 3 + draw(n, 2, 90) || ' years. Goes with everything of the '
        || collection(draw(n, 3, 8000)) || ' range; care for it as you would for anything that is ' || colour || '.',
    'active',
    CAST(md5('c-' || draw(n, 4, 8) || '-' || draw(n, 5, 8) || '-' || draw(n, 6, 8)) AS uuid),
    created_at, created_at, vendor, CAST('["size"]' AS jsonb),
    jsonb_build_object(
        'colour', colour, 'material', material, 'size', draw(n, 7, 40), 'waterproof', draw(n, 8, 4) = 0
    ),
    jsonb_build_array(jsonb_build_object('url', 'https://images.example/' || n || '.jpg', 'alt', thing))
FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) n, LATERAL (
    SELECT to_timestamp(1700000000 + n) AS created_at,
           'Maker ' || collection(draw(n, 9, 200)) AS vendor,
           (CAST('{plain,small,large,round,square,light,heavy,folding,striped,painted}' AS text[]))[1 + draw(n, 10, 10)]
               AS adjective,
           (CAST('{oak,steel,linen,cotton,glass,enamel,leather,wool,copper,stone,paper,cork,ash,brass,clay,felt,jute,
               silk,tin,wicker}' AS text[]))[1 + draw(n, 11, 20)] AS material,
           (CAST('{mug,plate,bowl,lamp,chair,table,towel,apron,basket,candle,clock,kettle,knife,ladle,mirror,pan,pillow,
               rug,shelf,spoon,stool,teapot,tray,vase,whisk,bag,belt,blanket,bottle,box,broom,brush,bucket,cap,coat,
               glove,hammer,jacket,jug,lantern,notebook,pen,purse,rope,scarf,shirt,sock,tent,umbrella,wallet}'
               AS text[]))[1 + draw(n, 12, 50)] AS thing,
           (CAST('{red,blue,green,black,white,grey,yellow,brown,orange,purple,pink,natural}' AS text[]))
               [1 + draw(n, 13, 12)] AS colour
) drawn
"""

_VARIANTS = """
INSERT INTO variants (sku, product_id, title, position, options, weight)
SELECT 'SKU-' || lpad(CAST(n AS text), 8, '0') || '-' || v,
       CAST(lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '7' || substr(md5('product ' || n), 14) AS uuid),
       'Size ' || v, v, jsonb_build_object('size', CAST(v AS text)), 100 + draw(n, 14, 5000)
FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) n, generate_series(0, draw(n, 15, 3)) v
"""

_PRICES = """
INSERT INTO prices (sku, currency, amount)
SELECT 'SKU-' || lpad(CAST(n AS text), 8, '0') || '-' || v, currency, (199 + draw(n, 16, 19800) + 50 * v) * rate / 100
FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) n, generate_series(0, draw(n, 15, 3)) v,
     (VALUES ('GBP', 100), ('EUR', 118)) AS currencies (currency, rate)
"""

_STOCK = """
INSERT INTO stock_levels (sku, location, on_hand, reserved)
SELECT 'SKU-' || lpad(CAST(n AS text), 8, '0') || '-' || v, 'main',
       CASE WHEN draw(n, 17, 10) = 0 THEN 0 ELSE 1 + draw(n + v, 18, 500) END, 0
FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) n, generate_series(0, draw(n, 15, 3)) v
"""

_LIST = """
SELECT refresh_listings(ARRAY(
    SELECT id FROM products
    WHERE created_at BETWEEN to_timestamp(1700000000 + CAST($1 AS bigint))
        AND to_timestamp(1700000000 + CAST($2 AS bigint))
    ORDER BY id
))
"""

# It is faster to make these once than to keep them while everything is written.
_INDICES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename IN ('listings', 'listed_prices', 'product_words') AND indexname !~ '_pkey$'
"""

Tell = Callable[[str], None]


async def fill(database_url: str, products: int, tell: Tell) -> None:
    """Fill a migrated, empty database with this many products."""
    connection = await _connect(database_url)
    try:
        for statement in (_DRAW, _NAME_OF_COLLECTION, _CATEGORIES, _ATTRIBUTES):
            await connection.execute(statement)
        indices = await connection.fetch(_INDICES)
        for name, _ in indices:
            await connection.execute(f"DROP INDEX {name}")
        batches = iter(range(1, products + 1, _BATCH))
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(_add(database_url, batches, products, tell))
        for _, definition in indices:
            await connection.execute(definition)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _add(database_url: str, batches: Iterator[int], products: int, tell: Tell) -> None:
    connection = await _connect(database_url)
    try:
        for first in batches:
            last = min(first + _BATCH - 1, products)
            async with connection.transaction():
                for statement in (_PRODUCTS, _VARIANTS, _PRICES, _STOCK, _LIST):
                    await connection.execute(statement, first, last)
            if last // _BATCH % 10 == 0:
                tell(f"{last:,} of {products:,} products")
    finally:
        await connection.close()


async def _connect(database_url: str) -> Connection:
    """Connect without triggers: what they would do for each statement and each row is done once, or is right."""
    return await asyncpg.connect(database_url, server_settings={"session_replication_role": "replica"})
