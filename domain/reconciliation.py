"""What reconciliation may find when it compares orders, their workflows and the provider's ledger."""

from enum import StrEnum


class FindingKind(StrEnum):
    """One way in which the three accounts of an order may disagree."""

    WORKFLOW_LOST = "workflow_lost"
    """An open order has no workflow: it is resumed from its row."""
    ROW_RESTORED = "row_restored"
    """An order's row is older than what its workflow did: the workflow begins anew from the row."""
    ROW_RESTORED_AFTER_END = "row_restored_after_end"
    """An order's row is open and its workflow has ended it: it is cancelled again."""
    ROW_RESTORED_AFTER_SHIPMENT = "row_restored_after_shipment"
    """The goods have left the house, and the row does not know: a person has to look."""
    ROW_LOST = "row_lost"
    """A workflow runs on for an order that has no row any more: it is told to end."""
    PAYMENT_ADOPTED = "payment_adopted"
    """The provider has a payment of an open order that the books do not know: it is noted, and the order goes on."""
    PAYMENT_RETURNED = "payment_returned"
    """The provider has a payment that no operation stands for: it is given back."""
    PAYMENT_OF_ENDED_ORDER = "payment_of_ended_order"
    """An order that is over has money or holds some: it is given back."""
    RETURN_REFUSED = "return_refused"
    """The provider does not give a payment back."""
    AMOUNT_DIFFERS = "amount_differs"
    """The provider has taken or given back another amount than the books say."""
    DISPUTE_UNKNOWN = "dispute_unknown"
    """A payment is disputed and its order does not say so."""
