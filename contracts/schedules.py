"""Work that a Temporal Schedule begins over and over: expiry, sweeps and reconciliation."""

from dataclasses import dataclass
from datetime import timedelta

from contracts.accounts import EXPIRE_ACCOUNTS
from contracts.availability import NOTE_SOLD_OUT
from contracts.carts import EXPIRE_CARTS
from contracts.erasures import FORGET_CARTS, SWEEP_ERASURES
from contracts.idempotency import EXPIRE_KEYS
from contracts.imports import FORGET_IMPORTS, SWEEP_IMPORTS
from contracts.kept_methods import FORGET_BUYERS
from contracts.messages import SWEEP_MESSAGES
from contracts.moved_categories import RELIST_MOVED
from contracts.reconciliation import RECONCILE_ALL, RECONCILE_LATEST
from contracts.stock_alerts import TELL_LOW_STOCK
from contracts.webhooks import FORGET_EVENTS, SWEEP_EVENTS

SCHEDULE_PREFIX = "everorder-"
"""Begins the id of every schedule of ours, so that one that a release no longer has can be told from others."""


@dataclass(frozen=True, slots=True)
class Chore:
    """An activity without input that returns how many things it has put in order, and how often it is begun.

    It runs on the `maintenance` queue, never beside itself, and is safe to repeat at any time. `limit` is what one try
    may take; it heartbeats, so a worker that died is noticed long before.
    """

    activity: str
    every: timedelta
    what: str
    limit: timedelta = timedelta(minutes=10)

    @property
    def schedule_id(self) -> str:
        """Name its schedule."""
        return SCHEDULE_PREFIX + self.activity


RECONCILIATION = Chore(
    RECONCILE_LATEST,
    every=timedelta(minutes=15),
    what="Compare orders, workflows and the latest payments",
    limit=timedelta(hours=1),
)
WHOLE_RECONCILIATION = Chore(
    RECONCILE_ALL,
    every=timedelta(days=7),
    what="Compare orders, workflows and every payment",
    limit=timedelta(hours=24),
)

CHORES: tuple[Chore, ...] = (
    Chore(EXPIRE_KEYS, every=timedelta(minutes=10), what="Forget the keys of requests whose day is over"),
    Chore(EXPIRE_ACCOUNTS, every=timedelta(hours=1), what="Forget sessions, links and log-in counts that have ended"),
    Chore(SWEEP_MESSAGES, every=timedelta(minutes=1), what="Deliver messages without an order that were left behind"),
    Chore(SWEEP_ERASURES, every=timedelta(minutes=5), what="Erase accounts whose erasure was left behind"),
    Chore(EXPIRE_CARTS, every=timedelta(hours=1), what="End carts that nobody came back to"),
    Chore(FORGET_CARTS, every=timedelta(days=1), what="Take people out of carts that came to nothing"),
    Chore(SWEEP_EVENTS, every=timedelta(minutes=1), what="Hand over what payment providers have reported"),
    Chore(FORGET_BUYERS, every=timedelta(minutes=15), what="Have providers forget methods that pay no order any more"),
    Chore(SWEEP_IMPORTS, every=timedelta(minutes=1), what="Import uploaded files that were left behind"),
    Chore(FORGET_IMPORTS, every=timedelta(hours=1), what="Delete files that were imported long ago"),
    Chore(TELL_LOW_STOCK, every=timedelta(minutes=1), what="Tell staff what little is left of"),
    Chore(NOTE_SOLD_OUT, every=timedelta(minutes=5), what="Note at listings which products are sold out"),
    Chore(RELIST_MOVED, every=timedelta(minutes=1), what="List products where their categories were moved"),
    RECONCILIATION,
    WHOLE_RECONCILIATION,
    Chore(FORGET_EVENTS, every=timedelta(days=1), what="Delete events of payment providers that were handled long ago"),
)
"""Every chore of this release. `everorder migrate` makes the schedules equal to this table."""
