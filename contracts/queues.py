"""Task queues: each has its own workers, slots and rate limit, so that a slow peer starves nobody else."""

from enum import StrEnum


class TaskQueue(StrEnum):
    """Where work waits for a worker."""

    ORDERS = "orders"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    INVENTORY = "inventory"
    MAINTENANCE = "maintenance"
