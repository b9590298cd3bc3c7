"""Temporal's own command in an operator's hands: a line for every message of the contract."""

import asyncio
import json
import shlex
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tests.support.stack import RunningStack, Said

COMMANDS: Mapping[str, str] = {
    "list_by_status": """temporal workflow list --query "OrderStatus = 'payment_required'" """,
    "list_by_number": """temporal workflow list --query "OrderNumber = '{number}'" """,
    "list_of_guests_by_total": """temporal workflow list --query "CustomerId IS NULL AND OrderTotal >= 5000" """,
    "list_needing_operator": """temporal workflow list --query "NeedsOperator = true" """,
    "describe": "temporal workflow describe --workflow-id order-{id}",
    "status": "temporal workflow query --workflow-id order-{id} --type status",
    "timeline": "temporal workflow query --workflow-id order-{id} --type timeline",
    "pay": (
        "temporal workflow update execute --workflow-id order-{id} --name pay"
        """ --input '{{"payment_method": "pm_card_visa", "actor": "operator:7"}}'"""
    ),
    "cancel": (
        "temporal workflow update execute --workflow-id order-{id} --name cancel"
        """ --input '{{"reason": "requested", "actor": "operator:7"}}'"""
    ),
    "ship": (
        "temporal workflow update execute --workflow-id order-{id} --name ship"
        """ --input '{{"carrier": "royal-mail", "tracking_number": "AB123", "actor": "operator:7"}}'"""
    ),
    "mark_delivered": (
        "temporal workflow update execute --workflow-id order-{id} --name mark_delivered"
        """ --input '{{"actor": "operator:7"}}'"""
    ),
    "resolve_retry": (
        "temporal workflow update execute --workflow-id order-{id} --name resolve"
        """ --input '{{"decision": "retry", "reason": "checked", "actor": "operator:7"}}'"""
    ),
    "resolve_skip": (
        "temporal workflow update execute --workflow-id order-{id} --name resolve"
        """ --input '{{"decision": "skip", "reason": "return_agreed", "actor": "operator:7"}}'"""
    ),
    "signal_cancel": (
        "temporal workflow signal --workflow-id order-{id} --name cancel_order"
        """ --input '{{"reason": "requested", "actor": "operator:7"}}'"""
    ),
    "workflow_cancel": "temporal workflow cancel --workflow-id order-{id}",
    "terminate": "temporal workflow terminate --workflow-id order-{id} --reason 'by mistake'",
    "resume": "everorder orders resume {number}",
}
"""Every command with `{id}` and `{number}` of an order in their places."""

_POLL = 0.1


class Operator:
    """Runs the commands against a stack."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack

    async def run(self, name: str, *more: str, **of_order: object) -> Said:
        """Run a command as it is written."""
        program, *arguments = shlex.split(COMMANDS[name].format(**of_order))
        runs = self._stack.temporal if program == "temporal" else self._stack.everorder
        return await runs(*arguments, *more)

    async def read(self, name: str, **of_order: object) -> Any:
        """Run a command that has to end well, and read what it says."""
        said = await self.run(name, "--output", "json", **of_order)
        assert said.code == 0, said.errors
        return json.loads(said.output)

    async def update(self, name: str, id_: UUID) -> dict[str, Any]:
        """Run an update and return its result."""
        result: dict[str, Any] = (await self.read(name, id=id_))["result"]
        return result

    async def refused(self, name: str, id_: UUID) -> str:
        """Run an update that is refused, and return the sentence."""
        said = await self.run(name, id=id_)
        assert (said.code, said.output) == (1, "")
        return said.errors.strip()

    async def found(self, name: str, id_: UUID, **of_order: object) -> None:
        """Wait until a list has an order: Temporal's list follows the truth by about a second."""
        while f"order-{id_}" not in await self._listed(name, **of_order):  # noqa: ASYNC110 - it is listed elsewhere
            await asyncio.sleep(_POLL)

    async def missing(self, name: str, id_: UUID) -> None:
        """Wait until a list does not have an order any more."""
        while f"order-{id_}" in await self._listed(name):  # noqa: ASYNC110 - it is listed elsewhere
            await asyncio.sleep(_POLL)

    async def _listed(self, name: str, **of_order: object) -> list[str]:
        return [one["execution"]["workflowId"] for one in await self.read(name, **of_order)]
