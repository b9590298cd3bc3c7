"""Erasing a person: a workflow, so that it can not be left half done. It knows nothing but the account's id."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from temporalio import activity

SWEEP_ERASURES = "people.sweep"
"""The chore that begins erasures which were lost between their transaction and their start."""

FORGET_CARTS = "carts.forget"
"""The chore that takes the person out of carts and orders that came to nothing."""


def erasure_workflow_id(user_id: UUID) -> str:
    """Name the workflow that erases an account."""
    return f"erasure-{user_id}"


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Name the account. `last_look` is how long after it was closed somebody may still write to it."""

    user_id: UUID
    last_look: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class EraseStep:
    """Erase what is there now; `last` says that nothing can follow."""

    user_id: UUID
    last: bool = False


@dataclass(frozen=True, slots=True)
class Erased:
    """How many orders are under way. As long as there is one, nothing was erased."""

    open_orders: int


class ErasureActivities:
    """Takes a person out of everything that we hold."""

    @activity.defn(name="people.farewell")
    async def farewell(self, request: EraseStep) -> None:
        """Tell the owner of an account that it is being erased, once."""
        raise NotImplementedError

    @activity.defn(name="people.erase")
    async def erase(self, request: EraseStep) -> Erased:
        """Erase the person, in one transaction, unless an order is under way."""
        raise NotImplementedError
