"""Let an attribute be a list of texts, each of which finds its product, as the tags of an imported one."""

from alembic import op

from migrations.online import take

revision = "0030"
down_revision = "0029"

# As before for what is no list; a value of a list is drawn as if it were the only one.
_TRAITS = """
CREATE OR REPLACE FUNCTION traits(attributes jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
    SELECT coalesce(bit_or(CAST(1 AS bigint) << CAST(jsonb_hash_extended(jsonb_build_object(key, value), 0) & 63 AS int)), 0)
    FROM jsonb_each(attributes) AS held (key, one_or_more), jsonb_path_query(one_or_more, '$[*]') AS value
)
"""


def upgrade() -> None:
    """From now on tags are a list; 0031 makes one of those that were a text before."""
    take("attributes")
    op.drop_constraint("attributes_type", "attributes")
    op.create_check_constraint("attributes_type", "attributes", "type IN ('text', 'number', 'boolean', 'list')")
    op.get_bind().exec_driver_sql(_TRAITS)
    op.execute("UPDATE attributes SET type = 'list' WHERE name = 'tags' AND type = 'text'")
