"""Register the search attributes of orders with a Temporal server."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from contracts.search_attributes import ALL


async def missing(client: Client) -> dict[str, "IndexedValueType.ValueType"]:
    """Tell which search attributes the namespace does not have yet."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
    return {name: kind for name, kind in wanted.items() if name not in known.custom_attributes}


async def register(client: Client) -> list[str]:
    """Register what is missing and return its names. Safe to repeat."""
    absent = await missing(client)
    if absent:
        try:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=absent)
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
    return sorted(absent)
