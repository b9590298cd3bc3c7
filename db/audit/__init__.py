"""The audit's queries: for each invariant of the design, the rows that break it."""

from db.audit.checks import Invariant
from db.audit.listings import LISTED_AS_IT_IS
from db.audit.orders import LEGAL_PATH, ONE_ORDER_A_CART
from db.audit.payments import MONEY_AGREES
from db.audit.prices import CODES_AGREE, TOTAL_ADDS_UP
from db.audit.returns import CAME_BACK_ONCE
from db.audit.shipments import SENT_AS_ORDERED
from db.audit.stock import NOT_OVERSOLD, STOCK_AGREES
from db.audit.waiting import NO_MESSAGE_TWICE, NOTHING_FORGOTTEN
from db.audit.workflows import ALL_ALIVE

INVARIANTS: tuple[Invariant, ...] = (
    STOCK_AGREES,
    NOT_OVERSOLD,
    MONEY_AGREES,
    ONE_ORDER_A_CART,
    ALL_ALIVE,
    NO_MESSAGE_TWICE,
    LEGAL_PATH,
    NOTHING_FORGOTTEN,
    TOTAL_ADDS_UP,
    SENT_AS_ORDERED,
    CODES_AGREE,
    LISTED_AS_IT_IS,
    CAME_BACK_ONCE,
)
