"""What every round of reconciliation has at hand."""

from datetime import datetime, timedelta

from activities.reconciliation.adopting import Adoption
from activities.reconciliation.ports import Standings, Starts
from db.engine import Sessions


class Round:
    """Compares what has been left alone since `before`; `hold` is how long stock is held for an order that goes on."""

    def __init__(
        self,
        sessions: Sessions,
        standings: Standings,
        starts: Starts,
        adoption: Adoption,
        *,
        hold: timedelta,
        before: datetime,
    ) -> None:
        self._sessions = sessions
        self._standings = standings
        self._starts = starts
        self._adoption = adoption
        self._hold = hold
        self._before = before
