"""How long a step may take and how often it is tried again: one place for every time-out of the story.

A provider call ends by its own time-out (6 s at most) before `provider_call` gives its attempt up. A step of ten calls
that all run into theirs comes to that limit: what keeps the money right then is the key of each call, not the time.
Heartbeats tell within seconds that a worker has died.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

from contracts.queues import TaskQueue


def database_step(summary: str) -> LocalActivityConfig:
    """Configure a step that only touches PostgreSQL: a local activity, tried again until it works."""
    return LocalActivityConfig(
        summary=summary,
        start_to_close_timeout=timedelta(seconds=30),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100), backoff_coefficient=2, maximum_interval=timedelta(seconds=2)
        ),
    )


def provider_call(summary: str) -> ActivityConfig:
    """Configure a call to the payment provider, tried again until it has answered."""
    return ActivityConfig(
        summary=summary,
        task_queue=TaskQueue.PAYMENTS,
        start_to_close_timeout=timedelta(seconds=60),
        heartbeat_timeout=timedelta(seconds=5),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
        ),
    )


def provider_look_up(summary: str) -> ActivityConfig:
    """Configure a look at the payment provider that nothing depends on: given up soon, and done again later."""
    return ActivityConfig(
        summary=summary,
        task_queue=TaskQueue.PAYMENTS,
        start_to_close_timeout=timedelta(seconds=45),
        schedule_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=timedelta(seconds=5),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
        ),
    )


def message_delivery(summary: str) -> ActivityConfig:
    """Configure the delivery of a message: days of tries, for which nothing waits.

    One that is called off is waited for: a workflow that closes at the moment in which a delivery ends has its last
    task refused by the server, and with it the update that has brought it there. So it has to be noticed within seconds
    that nobody delivers any more: an order would outlive its end by the whole attempt.
    """
    return ActivityConfig(
        summary=summary,
        task_queue=TaskQueue.NOTIFICATIONS,
        start_to_close_timeout=timedelta(seconds=60),
        heartbeat_timeout=timedelta(seconds=10),
        schedule_to_close_timeout=timedelta(days=3),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=10)
        ),
    )
