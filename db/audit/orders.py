"""I4 and I7: one order a cart, and a legal path to where it stands."""

from db.audit.checks import Check, Invariant, Subject
from domain.order_states import RETURNABLE, SHIPPED_ONWARD, TRANSITIONS, EventType, OrderStatus

_ONE_A_CART = """
SELECT cart_id, count(*) AS orders, array_agg(number ORDER BY number) AS numbers FROM orders
WHERE status <> ALL(CAST(:undone AS text[])) GROUP BY cart_id HAVING count(*) > 1
"""

_CART_FITS_ORDER = """
SELECT c.id AS cart_id, c.status AS cart, c.checkout_attempt, o.number, o.status, o.checkout_attempt AS attempt_of_order
FROM orders o JOIN carts c ON c.id = o.cart_id
WHERE o.status <> ALL(CAST(:undone AS text[]))
  AND (o.checkout_attempt <> c.checkout_attempt
       OR CASE WHEN o.status = ANY(CAST(:unpaid AS text[])) THEN c.status <> 'frozen'
               WHEN o.status = ANY(CAST(:placed_onward AS text[])) THEN c.status <> 'ordered'
               ELSE c.status NOT IN ('frozen', 'ordered') END)
"""

# The next checkout of such a cart would find an order that is over, and could not be placed.
_NEXT_ATTEMPT = """
SELECT c.id AS cart_id, c.status AS cart, c.checkout_attempt, o.number, o.status, o.checkout_attempt AS attempt_of_order
FROM orders o JOIN carts c ON c.id = o.cart_id
WHERE o.status = ANY(CAST(:undone AS text[])) AND c.status <> 'ordered' AND o.checkout_attempt >= c.checkout_attempt
"""

_CART_HAS_ORDER = """
SELECT c.id AS cart_id, c.checkout_attempt FROM carts c
WHERE c.status = 'ordered' AND NOT EXISTS (
    SELECT FROM orders o
    WHERE o.cart_id = c.id AND o.checkout_attempt = c.checkout_attempt
      AND o.status <> 'failed' AND o.status <> ALL(CAST(:unpaid AS text[]))
)
"""

_ANNOTATIONS = (
    *((EventType.CANCEL_REQUESTED, status) for status in sorted(SHIPPED_ONWARD | {OrderStatus.FULFILLING})),
    *(
        (event, status)
        for event in (EventType.PAYMENT_REAUTHORISED, EventType.PARTIALLY_SHIPPED, EventType.PARTIALLY_DELIVERED)
        for status in (OrderStatus.PLACED, OrderStatus.FULFILLING, OrderStatus.SHIPPED)
    ),
    (EventType.PAYMENT_RETRY_SCHEDULED, OrderStatus.PAYMENT_REQUIRED),
    *(
        (EventType.PAYMENT_COLLECTED, status)
        for status in (OrderStatus.PLACED, OrderStatus.FULFILLING, OrderStatus.SHIPPED, OrderStatus.DELIVERED)
    ),
    *(
        (event, status)
        for event in (EventType.RETURN_REQUESTED, EventType.RETURN_RECEIVED, EventType.RETURN_CANCELLED)
        for status in sorted(RETURNABLE)
    ),
    *(
        (event, status)
        for event in (EventType.OPERATOR_NEEDED, EventType.OPERATOR_RESOLVED, EventType.REFUNDED)
        for status in OrderStatus
    ),
)
"""Events that change no status, and where they may stand."""

_LEGAL = ", ".join(
    [f"('{step.type}', '{step.source or ''}', '{step.target}')" for step in TRANSITIONS]
    + [f"('{event}', '{status}', '{status}')" for event, status in _ANNOTATIONS]
)

_LEGAL_PATH = f"""
SELECT e.order_id, o.number, e.id AS event, e.type, e.previous, e.from_status, e.to_status
FROM (
    SELECT id, order_id, type, from_status, to_status,
           lag(to_status) OVER (PARTITION BY order_id ORDER BY id) AS previous
    FROM order_events
) e JOIN orders o ON o.id = e.order_id
WHERE e.from_status IS DISTINCT FROM e.previous
   OR (e.type, coalesce(e.from_status, ''), e.to_status) NOT IN (VALUES {_LEGAL})
"""  # noqa: S608 - the values are the domain's own table of transitions

_ENDS_IN_STATE = """
SELECT o.id AS order_id, o.number, o.status, e.to_status AS last_event
FROM orders o LEFT JOIN (
    SELECT DISTINCT ON (order_id) order_id, to_status FROM order_events ORDER BY order_id, id DESC
) e ON e.order_id = o.id
WHERE e.to_status IS DISTINCT FROM o.status
"""

ONE_ORDER_A_CART = Invariant(
    "I4",
    "A cart becomes at most one order",
    (
        Check("one_order_a_cart", "a cart has one order that is not over", Subject.ORDERS, _ONE_A_CART),
        Check("cart_fits_order", "a cart is frozen or ordered as its order says", Subject.ORDERS, _CART_FITS_ORDER),
        Check("cart_goes_on", "a cart whose order is over is open for the next attempt", Subject.ORDERS, _NEXT_ATTEMPT),
        Check("cart_has_order", "an ordered cart has an order that was placed", Subject.CARTS, _CART_HAS_ORDER),
    ),
)

LEGAL_PATH = Invariant(
    "I7",
    "An order's events are a legal path that ends in its state",
    (
        Check("legal_path", "each event begins where the last one ended", Subject.ORDER_EVENTS, _LEGAL_PATH),
        Check("path_ends_in_state", "the last event leads to the order's state", Subject.ORDERS, _ENDS_IN_STATE),
    ),
)
