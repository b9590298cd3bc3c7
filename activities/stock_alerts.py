"""Telling staff what little is left of."""

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import Begins
from contracts.stock_alerts import TELL_LOW_STOCK
from db import stock_alerts
from db.engine import Sessions


class StockAlertChores:
    """Owes staff messages, and begins to deliver them; does nothing where nobody is to be told (`wanted`)."""

    def __init__(self, sessions: Sessions, messages: Begins, *, wanted: bool) -> None:
        self._sessions = sessions
        self._messages = messages
        self._wanted = wanted

    @activity.defn(name=TELL_LOW_STOCK)
    async def tell(self) -> int:
        """Tell of every alert that was not told yet, and return in how many messages.

        Each message is committed before it is begun; one that was not begun then is found by the sweep of messages.
        """
        told = 0
        async with heartbeats():
            while self._wanted:
                async with self._sessions.begin() as session:
                    message = await stock_alerts.gather(session)
                if message is None:
                    break
                await self._messages.begin(message)
                told += 1
        return told
