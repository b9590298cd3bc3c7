"""`python -m benchmarks.worker QUEUE`: a process that does nothing, run and wired as an order's workers are."""

import sys

from benchmarks.workflows import NOTIFICATIONS, ORDERS, PAYMENTS, Empty, NoopActivities, NoopOrder
from workers.main import run_work
from workers.wiring import QueueWork, WorkOf

_NOOP = NoopActivities()
WORK: dict[str, WorkOf] = {
    ORDERS: lambda _: QueueWork(activities=[_NOOP.record], workflows=[NoopOrder, Empty], slots=100, local=True),
    PAYMENTS: lambda _: QueueWork(activities=[_NOOP.ask_provider]),
    NOTIFICATIONS: lambda _: QueueWork(activities=[_NOOP.deliver], slots=10),
}
"""The same slots as `workers.wiring.WORK` has."""

if __name__ == "__main__":
    run_work({queue: WORK[queue] for queue in sys.argv[1:]})
