"""The provider's own account of the money, beside ours: the settled half of I3."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.audit.checks import Finding, Tally
from domain.order_states import UNPLACED_ENDS
from domain.provider_payments import ProviderPayment, ProviderPaymentState

_OURS = text("""
SELECT o.id, o.number, o.status, coalesce(p.kept, 0) AS kept
FROM orders o LEFT JOIN (
    SELECT order_id, sum(CASE operation WHEN 'capture' THEN amount ELSE -amount END) AS kept
    FROM payment_operations WHERE operation IN ('capture', 'refund') AND state = 'succeeded' GROUP BY order_id
) p ON p.order_id = o.id
""")

_RETURNED = text("""
SELECT reference FROM returned_payments WHERE reference = ANY(CAST(:references AS text[])) AND state = 'refunded'
""")


# Money that was reserved anew between shipments is captured from several payments.
_BY_SHIPMENT = text("""
SELECT p.provider_reference FROM payment_operations p JOIN orders o ON o.id = p.order_id
WHERE o.capture_policy = 'shipment' AND p.operation = 'capture' AND p.state = 'succeeded'
  AND p.provider_reference = ANY(CAST(:references AS text[]))
""")


@dataclass(slots=True)
class Account:
    """What a provider says of one order. `kept` is captured and not refunded; `references` name what moved money."""

    kept: int = 0
    live: int = 0
    captured: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)


Accounts = dict[UUID, Account]
_NOTHING = Account()


async def read(payments: AsyncIterator[ProviderPayment]) -> Accounts:
    """Sum a ledger up by order. Payments without an order are another program's."""
    accounts: Accounts = {}
    async for payment in payments:
        live = payment.state is ProviderPaymentState.AUTHORISED
        if payment.order_id is None or not (live or payment.captured):
            continue
        account = accounts.setdefault(payment.order_id, Account())
        account.kept += payment.captured - payment.refunded
        account.live += live
        if payment.captured:
            account.captured.append(payment.reference)
        account.references.append(payment.reference)
    return accounts


async def compare(session: AsyncSession, accounts: Accounts) -> tuple[Finding, ...]:
    """Compare a ledger with the books of every order. The ledger has to be as new as the snapshot."""
    differing, live = Tally(), Tally()
    strange = dict(accounts)
    orders = 0
    async for order_id, number, status, kept in await session.stream(_OURS):
        orders += 1
        account = strange.pop(order_id, _NOTHING)
        order = {"order_id": order_id, "number": number, "status": status, "payments": account.references}
        if account.kept != kept:
            differing.add(order | {"kept_by_operations": kept, "kept_by_provider": account.kept})
        if account.live and status in UNPLACED_ENDS:
            live.add(order | {"live": account.live})
    return (
        differing.finding("provider_agrees", "captured - refunded is the same at the provider", orders),
        live.finding("nothing_live_at_provider", "no live authorisation of an order that is over", orders),
        _money_of(strange).finding(
            "provider_knows_order", "the provider has no money of an unknown order", len(accounts)
        ),
        (await _twice(session, accounts)).finding("captured_once", "one captured payment an order", len(accounts)),
    )


def _money_of(strange: Accounts) -> Tally:
    tally = Tally()
    for order_id, account in strange.items():
        if account.kept or account.live:
            row = {"order_id": order_id, "kept_by_provider": account.kept, "live": account.live}
            tally.add(row | {"payments": account.references})
    return tally


async def _twice(session: AsyncSession, accounts: Accounts) -> Tally:
    """Find orders that were charged twice, but for what reconciliation has given back, and what shipments took."""
    tally = Tally()
    twice = {order_id: account for order_id, account in accounts.items() if len(account.captured) > 1}
    references = [reference for account in twice.values() for reference in account.captured]
    returned = set((await session.execute(_RETURNED, {"references": references})).scalars())
    by_shipment = set((await session.execute(_BY_SHIPMENT, {"references": references})).scalars())
    for order_id, account in twice.items():
        unexplained = set(account.captured) - returned - by_shipment
        captures = len(unexplained) + bool(by_shipment & set(account.captured))
        if captures > 1:
            tally.add({"order_id": order_id, "captures": captures, "payments": account.references})
    return tally
