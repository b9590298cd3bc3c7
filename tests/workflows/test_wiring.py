"""Every step that a workflow can ask for, and every chore, is served by exactly one queue."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import contracts
from contracts.schedules import CHORES
from tests.support.world import World
from workers.wiring import WORK

_NAMED = "__temporal_activity_definition"


def declared() -> Iterator[str]:
    """Name the activities that interfaces in `contracts/` declare."""
    for module in pkgutil.iter_modules(contracts.__path__):
        found = importlib.import_module(f"contracts.{module.name}")
        for interface in vars(found).values():
            if isinstance(interface, type) and interface.__module__ == found.__name__:
                yield from (each.name for each in definitions(vars(interface).values()))


def definitions(functions: Iterable[object]) -> Iterator[Any]:
    return (getattr(each, _NAMED) for each in functions if hasattr(each, _NAMED))


async def test_every_declared_activity_and_every_chore_is_served_once(world: World) -> None:
    served = Counter(
        each.name for work_of in WORK.values() for each in definitions(work_of(world.resources).activities)
    )
    wanted = {*declared(), *(chore.activity for chore in CHORES)}
    assert {"orders.open", "payments.reverse", "payments.reconcile"} <= wanted
    assert set(served) == wanted
    assert set(served.values()) == {1}
