"""What each queue's worker is made of."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.accounts import AccountChores
from activities.availability import AvailabilityChores
from activities.carts import CartChores
from activities.erasures import ErasureActivities
from activities.forgetting_buyers import BuyerChores
from activities.idempotency import IdempotencyChores
from activities.imports import ImportActivities, ImportChores, Opens
from activities.messages import MessageActivities
from activities.moved_categories import MovedCategoryChores
from activities.notifications import NotificationActivities
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from activities.ports import Links, Mailbox, Mailer, Renderer, SmsGateway
from activities.providers import PaymentProviders
from activities.reauthorisations import ReauthorisationActivities
from activities.reconciliation.chores import Patience, ReconciliationChores
from activities.refunds import RefundActivities
from activities.retention import Retention
from activities.returns import ReturnActivities
from activities.shipments import ShipmentActivities
from activities.stock_alerts import StockAlertChores
from activities.sweeps import Sweeps
from activities.webhooks import WebhookChores
from clients.erasures import ErasureClient
from clients.imports import ImportClient
from clients.messages import MessageClient
from clients.orders import OrderClient
from clients.payment_events import PaymentEventDesk
from clients.standings import OrderStandings
from contracts.queues import TaskQueue
from db.engine import Sessions
from workers.metrics import Failures
from workers.request_ids import RequestIds
from workers.runner import WORKFLOW_RUNNER
from workers.signs_of_life import SignsOfLife, Vitals
from workers.well_formed import WellFormedMessages
from workflows.chore import ChoreWorkflow
from workflows.erasure import ErasureWorkflow
from workflows.imports import ImportWorkflow
from workflows.message import MessageWorkflow
from workflows.order import OrderWorkflow

_GRACE = timedelta(seconds=10)
_TASKS = 25
"""Workflow tasks that a worker has in hand at once, with the steps of their orders. A backlog waits at the server: of
more at once each goes on so seldom that it outlives the time limit of its task, and is begun again from its start."""
_STICKY = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Resources:
    """What activities need of the world, opened once a process."""

    sessions: Sessions
    payments: PaymentProviders
    mailer: Mailer
    renderer: Renderer
    temporal: Client
    links: Links
    mailbox: Mailbox
    catalogue_file: Opens
    sms: SmsGateway | None = None
    hold: timedelta = timedelta(minutes=30)
    close_after: timedelta = timedelta(days=30)
    reconciliation_grace: timedelta = timedelta(minutes=10)
    transfer_details: str = ""
    stock_alerts_to: str = ""
    cart_kept: timedelta = timedelta(days=30)
    cart_retention: timedelta = timedelta(days=30)
    import_retention: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class QueueWork:
    """What is done on one queue, and how much of it at once.

    `local`: the activities are run by the workflows of this very worker, and taken from no queue.
    """

    activities: Sequence[Callable[..., Any]]
    workflows: Sequence[type] = field(default=())
    slots: int = 50
    local: bool = False


def order_work(resources: Resources) -> QueueWork:
    """Workflows of orders, with their steps on PostgreSQL as local activities."""
    orders = OrderActivities(resources.sessions)
    refunds = RefundActivities(resources.sessions, resources.payments)
    shipments = ShipmentActivities(resources.sessions, resources.close_after)
    returns = ReturnActivities(resources.sessions)
    reauthorisations = ReauthorisationActivities(resources.sessions, resources.payments)
    steps: list[Callable[..., Any]] = [
        orders.open,
        orders.look,
        orders.place,
        orders.require_payment,
        orders.retry_payment,
        orders.begin_cancel,
        orders.finish_cancel,
        orders.expire,
        orders.advance,
        orders.flag,
        orders.answer_payment,
        orders.note_dispute,
        orders.note_collected,
        orders.let_go,
        refunds.begin,
        refunds.begin_again,
        refunds.settle,
        refunds.abandon,
        shipments.begin,
        shipments.send,
        shipments.abandon,
        shipments.deliver,
        shipments.cancel_rest,
        reauthorisations.note,
        returns.take_back,
    ]
    return QueueWork(activities=steps, workflows=[OrderWorkflow], slots=100, local=True)


def payment_work(resources: Resources) -> QueueWork:
    """Calls to the payment provider."""
    payments = PaymentActivities(resources.sessions, resources.payments)
    refunds = RefundActivities(resources.sessions, resources.payments)
    reauthorisations = ReauthorisationActivities(resources.sessions, resources.payments)
    return QueueWork(
        activities=[
            payments.authorise,
            payments.look_up,
            payments.capture,
            payments.reverse,
            payments.let_go_rest,
            refunds.give_back,
            reauthorisations.reauthorise,
        ]
    )


def notification_work(resources: Resources) -> QueueWork:
    """Messages to people: few at once, so that no server that takes them is stormed."""
    notifications = NotificationActivities(
        resources.sessions, resources.mailer, resources.renderer, resources.transfer_details, resources.sms
    )
    messages = _messages(resources)
    erasures = ErasureActivities(resources.sessions, messages, resources.mailbox)
    deliveries: list[Callable[..., Any]] = [notifications.deliver, messages.deliver, erasures.farewell]
    return QueueWork(activities=deliveries, workflows=[MessageWorkflow], slots=10)


def inventory_work(resources: Resources) -> QueueWork:
    """Imports of files, few at once: each keeps a file and a connection to itself."""
    imports = ImportActivities(resources.sessions, resources.catalogue_file)
    return QueueWork(activities=[imports.read, imports.apply, imports.call_off], workflows=[ImportWorkflow], slots=4)


def maintenance_work(resources: Resources) -> QueueWork:
    """Chores that schedules begin (expiry, sweeps and reconciliation) and erasures, few at once."""
    messages = MessageClient(resources.temporal)
    sweeps = Sweeps(resources.sessions, messages, ErasureClient(resources.temporal))
    stock_alerts = StockAlertChores(resources.sessions, messages, wanted=bool(resources.stock_alerts_to))
    erasures = ErasureActivities(resources.sessions, _messages(resources), resources.mailbox)
    retention = Retention(resources.sessions, carts=resources.cart_retention)
    desk = PaymentEventDesk(resources.sessions, OrderClient(resources.temporal), resources.hold)
    events = WebhookChores(resources.sessions, desk)
    keys = IdempotencyChores(resources.sessions)
    imports = ImportChores(resources.sessions, ImportClient(resources.temporal), resources.import_retention)
    reconciliation = _reconciliation(resources)
    chores: list[Callable[..., Any]] = [
        sweeps.messages,
        sweeps.erasures,
        erasures.erase,
        CartChores(resources.sessions, kept=resources.cart_kept).expire,
        retention.forget_carts,
        events.sweep,
        events.forget,
        keys.expire,
        imports.sweep,
        imports.forget,
        AccountChores(resources.sessions).expire,
        AvailabilityChores(resources.sessions).note,
        MovedCategoryChores(resources.sessions).relist,
        stock_alerts.tell,
        BuyerChores(resources.sessions, resources.payments).forget,
        reconciliation.latest,
        reconciliation.everything,
    ]
    return QueueWork(activities=chores, workflows=[ChoreWorkflow, ErasureWorkflow], slots=5)


def _messages(resources: Resources) -> MessageActivities:
    return MessageActivities(
        resources.sessions, resources.mailer, resources.renderer, resources.links, resources.stock_alerts_to
    )


def _reconciliation(resources: Resources) -> ReconciliationChores:
    return ReconciliationChores(
        resources.sessions,
        resources.payments,
        OrderStandings(resources.temporal),
        OrderClient(resources.temporal),
        Patience(grace=resources.reconciliation_grace, hold=resources.hold),
    )


WorkOf = Callable[[Resources], QueueWork]
"""Tells what is done on a queue, with what the process has opened."""

WORK: dict[TaskQueue, WorkOf] = {
    TaskQueue.ORDERS: order_work,
    TaskQueue.PAYMENTS: payment_work,
    TaskQueue.NOTIFICATIONS: notification_work,
    TaskQueue.INVENTORY: inventory_work,
    TaskQueue.MAINTENANCE: maintenance_work,
}
"""The queues that have work. A queue that is not here needs no worker."""


Fails = Callable[[BaseException], Awaitable[None]]
"""Hears why a worker can not go on. It is never well again, and may never come to an end."""


def create_worker(
    client: Client, queue: str, work: QueueWork, vitals: Vitals | None = None, on_failure: Fails | None = None
) -> Worker:
    """Create the worker of one queue.

    A worker that died is noticed within `_STICKY`, after which its orders go on elsewhere. One that is told to stop
    finishes what it has begun within `_GRACE`.
    """
    vitals = vitals or Vitals()
    runner = replace(WORKFLOW_RUNNER, went_on=vitals.workflow_tasks.beat)
    if work.local:
        return Worker(
            client,
            task_queue=queue,
            workflows=work.workflows,
            activities=work.activities,
            workflow_runner=runner,
            interceptors=[RequestIds(), WellFormedMessages(), Failures(), SignsOfLife(vitals.workflow_tasks)],
            on_fatal_error=on_failure,
            no_remote_activities=True,
            max_concurrent_local_activities=work.slots,
            max_concurrent_workflow_tasks=_TASKS,
            sticky_queue_schedule_to_start_timeout=_STICKY,
            graceful_shutdown_timeout=_GRACE,
        )
    return Worker(
        client,
        task_queue=queue,
        workflows=work.workflows,
        activities=work.activities,
        workflow_runner=runner,
        interceptors=[RequestIds(), WellFormedMessages(), Failures(), SignsOfLife(vitals.activities)],
        on_fatal_error=on_failure,
        max_concurrent_activities=work.slots,
        graceful_shutdown_timeout=_GRACE,
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        default_heartbeat_throttle_interval=timedelta(seconds=2),
    )
