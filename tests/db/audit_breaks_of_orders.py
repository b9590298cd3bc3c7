"""Ways to break I4 and I6 to I9: carts, messages, events, time and sums."""

from tests.db.audited_shop import breaking

CLOSED = """
WITH closed AS (INSERT INTO users (id, email) VALUES (:placed, 'gone@example.com') RETURNING id)
INSERT INTO erasures (user_id, requested_at) SELECT id, now() - interval '25 hours' FROM closed
"""

BREAKS = [
    # I4
    breaking(
        "one_order_a_cart",
        "DROP INDEX orders_one_live_a_cart",
        "UPDATE orders SET cart_id = :cart_of_placed WHERE id = :shipped",
        cart_id=":cart_of_placed",
        orders=2,
        also="cart_has_order",
    ),
    breaking(
        "cart_fits_order",
        "UPDATE carts SET status = 'open' WHERE id = :cart_of_placed",
        cart_id=":cart_of_placed",
        cart="open",
        status="placed",
    ),
    breaking(
        "cart_fits_order",
        "UPDATE carts SET status = 'ordered' WHERE id = :cart_of_waiting",
        cart_id=":cart_of_waiting",
        cart="ordered",
        status="payment_required",
        also="cart_has_order",
    ),
    breaking(
        "cart_fits_order",
        "UPDATE carts SET status = 'open', checkout_attempt = 2 WHERE id = :cart_of_cancelling",
        cart_id=":cart_of_cancelling",
        checkout_attempt=2,
        attempt_of_order=1,
        status="cancelling",
    ),
    breaking(
        "cart_goes_on",
        "UPDATE carts SET checkout_attempt = 1 WHERE id = :cart_of_expired",
        cart_id=":cart_of_expired",
        status="failed",
        checkout_attempt=1,
        attempt_of_order=1,
    ),
    breaking(
        "cart_has_order",
        "UPDATE carts SET status = 'ordered' WHERE id = :cart_of_short",
        cart_id=":cart_of_short",
        checkout_attempt=2,
    ),
    # I6
    breaking(
        "one_message",
        "ALTER TABLE notifications DROP CONSTRAINT notifications_once",
        "INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts)"
        " SELECT uuidv7(), order_id, template, channel, n, 'pending', '<another@everorder>', 0"
        " FROM notifications WHERE order_id = :placed",
        order_id=":placed",
        template="order_confirmation",
        messages=2,
    ),
    breaking(
        "one_message",
        "ALTER TABLE notifications DROP CONSTRAINT notifications_once_a_user",
        "INSERT INTO users (id, email) VALUES (:placed, 'somebody@example.com')",
        "INSERT INTO notifications (id, user_id, template, channel, n, state, message_id, attempts)"
        " SELECT uuidv7(), :placed, 'verify_email', 'email', 1, 'pending', '<' || number || '@everorder>', 0"
        " FROM generate_series(1, 2) AS number",
        order_id=None,
        user_id=":placed",
        template="verify_email",
        messages=2,
    ),
    breaking(
        "one_message_id",
        "UPDATE notifications SET message_id = '<same@everorder>' WHERE order_id IN (:placed, :given_back)"
        " AND template = 'order_confirmation'",
        message_id="<same@everorder>",
        messages=2,
    ),
    breaking(
        "sent_at_a_moment",
        "UPDATE notifications SET state = 'pending' WHERE order_id = :shipped",
        order_id=":shipped",
        state="pending",
    ),
    breaking(
        "claim_runs_out",
        "UPDATE notifications SET state = 'sending', claimed_until = now() - interval '61 minutes'"
        " WHERE order_id = :placed",
        order_id=":placed",
        template="order_confirmation",
    ),
    # I7
    breaking(
        "legal_path",
        "UPDATE order_events SET type = 'delivered' WHERE order_id = :placed AND type = 'placed'",
        order_id=":placed",
        type="delivered",
        from_status="pending",
        to_status="placed",
    ),
    breaking(
        "legal_path",
        "DELETE FROM order_events WHERE order_id = :shipped AND type = 'placed'",
        order_id=":shipped",
        type="shipped",
        previous="pending",
        from_status="placed",
    ),
    breaking(
        "legal_path",
        "INSERT INTO order_events (order_id, type, from_status, to_status, actor)"
        " VALUES (:placed, 'cancel_requested', 'placed', 'placed', 'guest')",
        order_id=":placed",
        type="cancel_requested",
        to_status="placed",
    ),
    breaking(
        "path_ends_in_state",
        "UPDATE orders SET status = 'fulfilling' WHERE id = :placed",
        order_id=":placed",
        status="fulfilling",
        last_event="placed",
    ),
    breaking(
        "path_ends_in_state",
        "DELETE FROM order_events WHERE order_id = :placed",
        order_id=":placed",
        status="placed",
        last_event=None,
    ),
    # I8
    breaking(
        "started_is_finished",
        "UPDATE payment_operations SET created_at = now() - interval '16 minutes' WHERE order_id = :pending",
        order_id=":pending",
        amount=2000,
    ),
    breaking(
        "held_is_let_go",
        "UPDATE reservations SET created_at = now() - interval '91 minutes' WHERE order_id = :pending",
        order_id=":pending",
        status="pending",
        quantity=2,
    ),
    breaking(
        "frozen_is_thawed",
        "UPDATE carts SET updated_at = now() - interval '91 minutes' WHERE id = :cart_of_pending",
        cart_id=":cart_of_pending",
        status="pending",
    ),
    breaking(
        "frozen_for_an_order",
        "UPDATE carts SET status = 'frozen' WHERE id = :cart_of_short",
        cart_id=":cart_of_short",
        checkout_attempt=2,
    ),
    breaking(
        "pending_is_decided",
        "UPDATE order_events SET created_at = now() - interval '61 minutes' WHERE order_id = :pending",
        order_id=":pending",
        needs_operator=False,
    ),
    breaking(
        "cancelling_is_undone",
        "UPDATE order_events SET created_at = now() - interval '61 minutes' WHERE order_id = :cancelling",
        order_id=":cancelling",
        needs_operator=False,
    ),
    breaking(
        "unpaid_expires",
        "UPDATE orders SET payment_deadline = now() - interval '61 minutes' WHERE id = :waiting",
        order_id=":waiting",
        status="payment_required",
    ),
    breaking(
        "owed_is_paid",
        "INSERT INTO manual_payments (reference, key, order_id, amount, currency, state)"
        " VALUES ('RF40EO100001A1', 'late', :placed, 2000, 'GBP', 'late')",
        "INSERT INTO manual_refunds (id, payment, order_id, amount, currency, state, created_at)"
        " VALUES (uuidv7(), 'RF40EO100001A1', :placed, 2000, 'GBP', 'owed', now() - interval '11 days')",
        order_id=":placed",
        amount=2000,
    ),
    breaking(
        "message_is_delivered",
        "UPDATE notifications SET created_at = now() - interval '25 hours' WHERE order_id = :placed",
        order_id=":placed",
        state="pending",
    ),
    breaking(
        "message_is_delivered",
        "INSERT INTO users (id, email) VALUES (:placed, 'somebody@example.com')",
        "INSERT INTO notifications (id, user_id, template, channel, n, state, message_id, attempts, created_at)"
        " VALUES (uuidv7(), :placed, 'verify_email', 'email', 1, 'pending', '<1@everorder>', 0,"
        " now() - interval '25 hours')",
        order_id=None,
        user_id=":placed",
        state="pending",
    ),
    breaking(
        "erasure_completes",
        CLOSED,
        user_id=":placed",
        erased_at=None,
    ),
    # I9
    breaking(
        "total_adds_up",
        "ALTER TABLE orders DROP CONSTRAINT orders_total",
        "UPDATE orders SET total_amount = 2001 WHERE id = :placed",
        order_id=":placed",
        subtotal=2000,
        total=2001,
        also="payment_status_agrees",
    ),
    breaking(
        "subtotal_is_lines",
        "UPDATE orders SET subtotal_amount = 2001, discount_amount = 1 WHERE id = :placed",
        order_id=":placed",
        subtotal=2001,
        lines=2000,
        also="total_is_explained discount_is_lines",
    ),
    breaking(
        "total_is_explained",
        "INSERT INTO order_adjustments (order_id, position, type, code, label, amount)"
        " VALUES (:placed, 0, 'tax', 'standard', 'VAT 20%', 1)",
        order_id=":placed",
        tax=0,
        explained_tax=1,
    ),
    breaking(
        "discount_is_lines",
        "UPDATE order_lines SET discount_amount = 1999 WHERE order_id = :given",
        order_id=":given",
        discount=2000,
        lines=1999,
        also="lines_bear_parts",
    ),
    breaking(
        "lines_bear_parts",
        "UPDATE order_lines SET tax_included_amount = 3 WHERE order_id = :given",
        order_id=":given",
        tax_included=3,
        explained_tax_included=0,
    ),
    breaking(
        "line_is_price",
        "ALTER TABLE order_lines DROP CONSTRAINT order_lines_total",
        "UPDATE order_lines SET total_amount = 1999 WHERE order_id = :placed",
        order_id=":placed",
        unit_price=1000,
        quantity=2,
        total=1999,
        also="subtotal_is_lines",
    ),
    # I11
    breaking(
        "uses_are_redemptions",
        "UPDATE promotions SET uses = 0",
        code="ALLFREE",
        uses=0,
        live=1,
    ),
    breaking(
        "redemption_fits_state",
        "UPDATE promotion_redemptions SET state = 'released' WHERE order_id = :given",
        "UPDATE promotions SET uses = 0",
        order_id=":given",
        status="placed",
        redemption="released",
    ),
]
