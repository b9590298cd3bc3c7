"""Look for words in one share of the products after the other, and for beginnings only where a word goes on."""

from alembic import op

from migrations.online import make_index

revision = "0020"
down_revision = "0019"

_DRAWN = "get_byte(uuid_send(product_id), 15)"
_SHARES = (f"{_DRAWN} = 0", f"{_DRAWN} BETWEEN 1 AND 7", f"{_DRAWN} BETWEEN 8 AND 63", f"{_DRAWN} >= 64")

# Words are known from three letters on, up to forty. To look for a whole word costs the index much less than to look for
# all that begin with it, above all together with others.
_LOOKED_FOR = """
CREATE OR REPLACE FUNCTION looked_for(typed text) RETURNS text LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
    SELECT lexeme(word) || CASE WHEN length(word) BETWEEN 2 AND 39 AND NOT coalesce((
        SELECT starts_with(k.word, t.word) FROM known_words k WHERE k.word ~>~ t.word ORDER BY k.word USING ~<~ LIMIT 1
    ), false) THEN '' ELSE ':*' END
    FROM intended(typed) AS t (word)
$$
"""

_SEARCH_QUERY = """
CREATE OR REPLACE FUNCTION search_query(typed text) RETURNS tsquery LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(CASE
        WHEN piece ~ '[0-9]' THEN
            '(' || lexeme(lower(piece)) || ':* | ' || (
                SELECT string_agg(lexeme(word), ' & ') || CASE count(*) WHEN 1 THEN ':*' ELSE '' END
                FROM unnest(tsvector_to_array(to_tsvector('product_words', piece))) AS t (word)
            ) || ')'
        ELSE (
            SELECT string_agg(looked_for(word), ' & ')
            FROM unnest(tsvector_to_array(to_tsvector('product_words', piece))) AS t (word)
        )
    END, ' & '), '')::tsquery
    FROM (SELECT piece FROM regexp_split_to_table(typed, '\\s+') AS t (piece) LIMIT 16) pieces
$$
"""


def upgrade() -> None:
    """Hold no lock that a checkout waits for; this can be interrupted at any point, and begins anew."""
    connection = op.get_bind()
    connection.exec_driver_sql(_LOOKED_FOR)
    connection.exec_driver_sql(_SEARCH_QUERY)
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for number, share in enumerate(_SHARES):
            make_index("INDEX", f"product_words_{number}", f"product_words USING gin (words) WHERE {share}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS product_words_found")
        op.execute("RESET lock_timeout")
