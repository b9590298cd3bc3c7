"""Schema migrations (Alembic). One revision a change; they are equal to the models, which `make check` proves."""
