"""Transactions whose worker dies when everything is written and nothing is committed."""

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import Session

from db.engine import Sessions
from tests.support.meddler import CrashError


class _DyingSession(Session):
    pass


@event.listens_for(_DyingSession, "before_commit")
def _die(_session: Session) -> None:
    raise CrashError


def dying_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions that commit nothing."""
    return async_sessionmaker(engine, sync_session_class=_DyingSession)
