"""What the person at the terminal sees while the stack starts, runs and stops."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.stack.wiring import Wiring

_EXPLAINED = {"discount": "less", "shipping": "plus", "tax": "plus", "tax_included": "of which"}


class Report:
    """Prints one line for each thing that happened; a spinner shows that something is under way."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Print a line. A terminal that has gone away does not matter."""
        with contextlib.suppress(OSError):
            self._console.print(line, highlight=False, soft_wrap=True)

    def starting(self) -> AbstractContextManager[object]:
        """Show that the stack is starting."""
        return self._console.status("starting ...")

    def started(self, what: str, seconds: float, where: str) -> None:
        """Print that something is ready."""
        self.say(f"  {what:<26}[green]ready[/] [dim]after {seconds:4.1f} s   {where}[/]")

    def order(self, order: dict[str, Any], ui_url: str) -> None:
        """Print the story of the order that was just placed."""
        total = order["total"]
        title = f"\nOrder {order['number']}: {order['status']}, {total['amount'] / 100:.2f} {total['currency']}"
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in ("at", "what", "from", "to", "by"):
            table.add_column(column)
        for entry in order["timeline"]:
            words = (entry["at"][11:23], *(entry[key] for key in ("type", "from", "to", "actor")))
            table.add_row(*(word or "" for word in words))
        self._console.print(table)
        for part in order["adjustments"]:
            amount = f"{part['amount']['amount'] / 100:.2f} {part['amount']['currency']}"
            self.say(f"  {_EXPLAINED[part['type']]} {amount} [dim]({part['label']})[/]")
        self.say(f"Its workflow: {ui_url}/namespaces/default/workflows/order-{order['id']}")

    def ready(self, wiring: Wiring, seconds: float) -> None:
        """Print where everything is."""
        self.say(f"\n[bold]Everorder is ready[/] after {seconds:.1f} s.")
        self.say(f"  REST API         {wiring.api_url}/docs")
        self.say(f"  Temporal Web UI  {wiring.ui_url}")
        self.say(f"  Mailbox          {wiring.mailbox_url}")
        self.say(f"  3-D Secure       {wiring.sandbox_url}/_sandbox")
        self.say(f"  Addresses        {wiring.folder.description}")
        self.say(f"  Logs             {wiring.folder.path / 'logs'}")
        self.say("Ctrl-C stops it. The data stays for the next start.")
