#!/bin/sh
# Bring Temporal's two databases to the schema of this release of the server. Safe to repeat.
set -eu
tool() {
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_HOST" --port 5432 --user "$POSTGRES_USER" \
        --password "$POSTGRES_PASSWORD" --db "$@"
}
for database in temporal temporal_visibility; do
    schema=${database#temporal_}
    tool "$database" create || echo "$database is there already"
    tool "$database" setup-schema -v 0.0 || echo "$database has a schema already"
    tool "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
