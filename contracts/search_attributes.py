"""What operators can search orders by in the Temporal Web UI and with `temporal workflow list --query`."""

from temporalio.common import SearchAttributeKey

ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
ORDER_NUMBER = SearchAttributeKey.for_keyword("OrderNumber")
CUSTOMER_ID = SearchAttributeKey.for_keyword("CustomerId")
NEEDS_OPERATOR = SearchAttributeKey.for_bool("NeedsOperator")
ORDER_TOTAL = SearchAttributeKey.for_int("OrderTotal")

ALL = (ORDER_STATUS, ORDER_NUMBER, CUSTOMER_ID, NEEDS_OPERATOR, ORDER_TOTAL)
