"""Make lists of the tags that were imported as one text, while the shop is open.

It can be interrupted, and begins anew.
"""

from alembic import op

from migrations.online import in_batches

revision = "0031"
down_revision = "0030"

_UNLISTED = """
SELECT id FROM products WHERE id > $1 AND jsonb_typeof(attributes -> 'tags') = 'string' ORDER BY id LIMIT $2
"""

# As an import reads them (`distinct` in domain/merchandise.py): of spellings that differ by capitals one remains.
_LIST = """
UPDATE products p
SET attributes = CASE listed.tags WHEN '[]' THEN p.attributes - 'tags'
                 ELSE jsonb_set(p.attributes, '{tags}', listed.tags) END,
    version = p.version + 1, updated_at = now()
FROM products o CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(tag ORDER BY tag COLLATE "C"), '[]') AS tags
    FROM (
        SELECT DISTINCT ON (lower(tag)) tag
        FROM string_to_table(o.attributes ->> 'tags', ',') AS part, btrim(part) AS tag
        WHERE tag <> ''
        ORDER BY lower(tag), tag COLLATE "C"
    ) d
) listed
WHERE o.id = ANY ($1) AND p.id = o.id AND jsonb_typeof(p.attributes -> 'tags') = 'string'
"""


def upgrade() -> None:
    """Write a batch of products at a time, each in a transaction of its own."""
    with op.get_context().autocommit_block():
        for batch in in_batches(_UNLISTED):
            op.get_bind().exec_driver_sql(_LIST, (batch,))
