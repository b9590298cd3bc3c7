"""Asking a provider to give money back, once for each operation, however often it has to be asked."""

from activities.ports import PaymentProvider
from domain.money import Money
from domain.order_ids import provider_keys, refund_name, same_refund
from domain.provider_payments import (
    ProviderPayment,
    ProviderRefund,
    ProviderRefusedError,
    ProviderRepeatedError,
    ProviderUnavailableError,
    RefundState,
)


async def give_back(provider: PaymentProvider, key: str, payment: ProviderPayment, amount: int) -> ProviderRefund:
    """Refund an amount, or return the refund that an earlier try of this operation has brought.

    `payment` was looked up just now: a refund of ours bears the operation's key there, whether or not its answer was
    lost. An earlier try may still be under way: it keeps its key in use, so that there is never a second one beside it.

    Raises:
        ProviderRefusedError: the provider does not give it back.
        ProviderUnavailableError: the outcome is unknown.
    """
    wanted = Money(amount, payment.amount.currency)
    for tried in provider_keys(key):
        if known := refund_of(payment, key):
            return known
        try:
            return await provider.refund(tried, payment.reference, wanted)
        except ProviderRefusedError:
            if known := refund_of(await provider.find(payment.reference), key):
                return known
            raise
        except ProviderRepeatedError:
            payment = await provider.find(payment.reference)
    raise ProviderUnavailableError("every key brings a failure")


def refund_of(payment: ProviderPayment, key: str) -> ProviderRefund | None:
    """Find the refund of an operation; of several, which an operation that fails and is tried again has, a live one."""
    mine = [one for one in payment.refunds if one.key and same_refund(key, one.key)]
    live = [one for one in mine if one.state is not RefundState.FAILED]
    return next(reversed(live or mine), None)


def failed_refunds(payment: ProviderPayment) -> list[str]:
    """Name the refunds of ours that have failed, perhaps after they had succeeded: the buyer has not got the money."""
    return [refund_name(one.key) for one in payment.refunds if one.key and one.state is RefundState.FAILED]
