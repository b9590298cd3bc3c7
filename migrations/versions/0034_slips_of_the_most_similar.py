"""Look for what a slip was meant to be among the very similar words first."""

from alembic import op

revision = "0034"
down_revision = "0033"

# The fewer pieces of a word another one has to share, the more words there are to compare: most slips share many, and
# are found among a fifth of them. The most similar of all is the same, in whichever it is found.
_ALIKE = """
CREATE FUNCTION {name}(typed text) RETURNS text LANGUAGE sql STABLE
SET pg_trgm.similarity_threshold = {similarity}
SET enable_seqscan = off AS $$
    SELECT k.word FROM known_words k WHERE k.named AND k.word % typed
    ORDER BY similarity(k.word, typed) DESC, k.word
    LIMIT 1
$$
"""

_INTENDED = """
CREATE OR REPLACE FUNCTION intended(typed text) RETURNS text LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
    SELECT CASE WHEN length(typed) BETWEEN 3 AND 40 AND NOT coalesce((
        SELECT starts_with(k.word, typed) FROM known_words k WHERE k.word ~>=~ typed ORDER BY k.word USING ~<~ LIMIT 1
    ), false) THEN coalesce(very_similar_word(typed), similar_word(typed), typed) ELSE typed END
$$
"""


def upgrade() -> None:
    """Nothing is read or written for it."""
    connection = op.get_bind()
    for name, similarity in (("very_similar_word", 0.4), ("similar_word", 0.25)):
        connection.exec_driver_sql(_ALIKE.format(name=name, similarity=similarity))
    connection.exec_driver_sql(_INTENDED)
