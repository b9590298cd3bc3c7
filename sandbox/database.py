"""The sandbox's own database: made when it is missing, with every rule about money as a CHECK."""

import asyncio
from urllib.parse import unquote, urlsplit

import asyncpg

UNREACHABLE = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError)

FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""How a statement fails. The last is of a connection that breaks at the moment at which it is taken."""

_STARTING_LOCK = 0x73616E64626F78

_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    id text PRIMARY KEY,
    metadata json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE customers ADD COLUMN IF NOT EXISTS deleted boolean NOT NULL DEFAULT FALSE;
CREATE TABLE IF NOT EXISTS payment_methods (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    card text NOT NULL,
    customer text REFERENCES customers,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS payment_methods_customer ON payment_methods (customer) WHERE customer IS NOT NULL;
CREATE TABLE IF NOT EXISTS payment_intents (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    order_id text,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    captured_amount bigint NOT NULL DEFAULT 0,
    refunded_amount bigint NOT NULL DEFAULT 0,
    status text NOT NULL CHECK (status IN ('requires_payment_method', 'requires_confirmation', 'requires_action',
        'processing', 'requires_capture', 'canceled', 'succeeded')),
    capture_method text NOT NULL,
    multicapture boolean NOT NULL DEFAULT FALSE,
    metadata json NOT NULL,
    customer text REFERENCES customers,
    setup_future_usage text,
    payment_method text,
    card text,
    last_payment_error json,
    latest_charge text,
    authorised_until timestamptz,
    disputed boolean NOT NULL DEFAULT FALSE,
    cancellation_reason text,
    canceled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (0 <= captured_amount AND captured_amount <= amount),
    CHECK (0 <= refunded_amount AND refunded_amount <= captured_amount),
    CHECK (captured_amount = 0 OR status IN ('succeeded', 'requires_capture')),
    CHECK (captured_amount > 0 OR status <> 'succeeded'),
    CHECK ((canceled_at IS NOT NULL) = (status = 'canceled'))
);
CREATE INDEX IF NOT EXISTS payment_intents_order ON payment_intents (order_id);
CREATE INDEX IF NOT EXISTS payment_intents_reserved ON payment_intents (authorised_until)
    WHERE status = 'requires_capture';
CREATE TABLE IF NOT EXISTS refunds (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    payment_intent text NOT NULL REFERENCES payment_intents,
    charge text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    reason text,
    metadata json NOT NULL,
    status text NOT NULL DEFAULT 'succeeded' CHECK (status IN ('pending', 'succeeded', 'failed')),
    settles_at timestamptz,
    settles_as text CHECK (settles_as IN ('succeeded', 'failed')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS refunds_payment_intent ON refunds (payment_intent);
CREATE INDEX IF NOT EXISTS refunds_unsettled ON refunds (settles_at) WHERE settles_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS disputes (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    payment_intent text NOT NULL REFERENCES payment_intents,
    charge text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL CHECK (status IN ('needs_response', 'under_review', 'won', 'lost')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS disputes_payment_intent ON disputes (payment_intent);
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key text PRIMARY KEY,
    request_hash text NOT NULL,
    status int NOT NULL,
    snapshot json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS faults (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    operation text NOT NULL,
    kind text NOT NULL,
    remaining int CHECK (remaining >= 0),
    rate double precision NOT NULL,
    delay double precision NOT NULL,
    order_id text,
    code text,
    hits int NOT NULL DEFAULT 0
);
ALTER TABLE faults ADD COLUMN IF NOT EXISTS says text;
CREATE TABLE IF NOT EXISTS delays (
    name text PRIMARY KEY,
    delay interval NOT NULL
);
INSERT INTO delays (name, delay) VALUES ('authorisation', '7 days'), ('refund', '1 minute')
ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS events (
    id text PRIMARY KEY DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    type text NOT NULL,
    snapshot json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS webhook_endpoints (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL UNIQUE,
    secret text NOT NULL,
    copies int NOT NULL DEFAULT 1 CHECK (copies BETWEEN 1 AND 10),
    delay interval NOT NULL DEFAULT '0',
    newest_first boolean NOT NULL DEFAULT FALSE
);
ALTER TABLE webhook_endpoints ADD COLUMN IF NOT EXISTS enabled_events text[];
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id bigint NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    event_id text NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due ON webhook_deliveries (due_at) WHERE delivered_at IS NULL;
"""


async def open_pool(database_url: str, *, wait: float = 30.0) -> asyncpg.Pool:
    """Connect, making database and tables when they are missing; wait up to `wait` seconds for PostgreSQL.

    Raises:
        OSError | asyncpg.PostgresError: PostgreSQL could not be reached in time, or does not let us in.
    """
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        try:
            await _prepare(database_url)
            break
        except UNREACHABLE:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)
    # Nothing here changes a session, so the usual reset, a round trip after every statement, has nothing to do.
    return await asyncpg.create_pool(database_url, min_size=1, max_size=10, command_timeout=20, reset=_keep_session)


async def _prepare(database_url: str) -> None:
    try:
        connection = await asyncpg.connect(database_url, timeout=5)
    except asyncpg.InvalidCatalogNameError:
        await _create_database(database_url)
        connection = await asyncpg.connect(database_url, timeout=5)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _STARTING_LOCK)
            await connection.execute(_SCHEMA)
    finally:
        await connection.close()


async def _create_database(database_url: str) -> None:
    name = unquote(urlsplit(database_url).path.lstrip("/")).replace('"', '""')
    connection = await asyncpg.connect(database_url, database="postgres", timeout=5)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass  # another sandbox was faster
    finally:
        await connection.close()


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Leave the session as it is."""
