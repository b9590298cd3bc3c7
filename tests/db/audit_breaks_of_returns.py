"""Ways to break I13: what came back, its stock and its money."""

from tests.db.audited_shop import breaking

BREAKS = [
    breaking(
        "returned_within_sent",
        "UPDATE order_lines SET returned_quantity = 1 WHERE order_id = :returned",
        order_id=":returned",
        sent=2,
        returned=1,
        in_returns=2,
    ),
    breaking(
        "returned_within_sent",
        "ALTER TABLE order_lines DROP CONSTRAINT order_lines_returned",
        "UPDATE order_lines SET returned_quantity = 3 WHERE order_id = :returned",
        "UPDATE return_lines SET quantity = 2 WHERE received_quantity = 0"
        " AND return_id IN (SELECT id FROM returns WHERE order_id = :returned)",
        order_id=":returned",
        sent=2,
        returned=3,
        in_returns=3,
    ),
    breaking(
        "return_of_own_lines",
        "UPDATE returns SET order_id = :placed WHERE order_id = :returned AND state = 'requested'",
        order_id=":placed",
        order_of_line=":returned",
    ),
    breaking(
        "return_is_stocked",
        "UPDATE return_lines SET restocked_quantity = 0"
        " WHERE return_id IN (SELECT id FROM returns WHERE order_id = :returned)",
        order_id=":returned",
        restocked=0,
        moved=1,
    ),
    breaking(
        "return_is_refunded",
        "UPDATE returns SET refund_amount = 500 WHERE order_id = :returned AND state = 'requested'",
        order_id=":returned",
        state="requested",
        owed=500,
        refund=None,
    ),
]
