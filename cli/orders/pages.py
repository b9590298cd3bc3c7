"""How orders look at the terminal. No page shows who the buyer is."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from cli.orders.desk import OrderFile
from contracts.orders import order_workflow_id
from db.orders import OrderView
from domain.money import Money

_MOMENT = "%Y-%m-%d %H:%M:%S"


def whole(name: str) -> Column:
    """Head a column of what is copied from the page: where it is too narrow, the rest goes into the next line."""
    return Column(name, overflow="fold")


def print_list(orders: Sequence[OrderView], console: Console) -> None:
    """Print one line an order."""
    if not orders:
        console.print("no orders")
        return
    table = Table("number", "status", "payment", "total", "created (UTC)", whole("id"))
    for order in orders:
        flag = " [bold red]needs operator[/]" if order.needs_operator else ""
        table.add_row(
            order.number,
            order.status + flag,
            order.payment_status,
            str(Money(order.total, order.currency)),
            f"{order.created_at:{_MOMENT}}",
            str(order.id),
        )
    console.print(table)


def print_order(file: OrderFile, ui_url: str, console: Console) -> None:
    """Print everything about one order."""
    _print_summary(file, console)
    _print_lines(file.order, console)
    _print_timeline(file, console)
    _print_operations(file, console)
    _print_workflow(file, ui_url, console)


def _print_summary(file: OrderFile, console: Console) -> None:
    order = file.order
    reason = f" ({order.reason})" if order.reason else ""
    console.print(f"[bold]{order.number}[/]  {order.status}{reason}, payment {order.payment_status}")
    if order.needs_operator:
        console.print(f"[bold red]needs an operator[/]: {file.snapshot.operator_reason}")
    parts = {
        "subtotal": order.subtotal,
        "discount": order.discount,
        "shipping": order.shipping,
        "tax": order.tax,
        "tax included": order.tax_included,
        "total": order.total,
        "refunded": order.refunded,
    }
    console.print(f"id {order.id}, cart {order.cart_id}, created {order.created_at:{_MOMENT}} UTC", soft_wrap=True)
    said = [f"{name} {Money(amount, order.currency)}" for name, amount in parts.items() if amount]
    console.print(", ".join(said) or "total 0", soft_wrap=True)


def _print_lines(order: OrderView, console: Console) -> None:
    table = Table(whole("SKU"), "title")
    for name in ("quantity", "unit price", "total"):
        table.add_column(name, justify="right")
    for line in order.lines:
        unit_price, total = (str(Money(amount, order.currency)) for amount in (line.unit_price, line.total))
        table.add_row(line.sku, line.title, str(line.quantity), unit_price, total)
    for each in order.adjustments:
        kind = each.type.replace("_", " ")
        table.add_row("", f"{kind}: {each.label} ({each.code})", "", "", str(Money(each.amount, order.currency)))
    console.print(table)


def _print_timeline(file: OrderFile, console: Console) -> None:
    table = Table("at (UTC)", whole("event"), "to", whole("by"), "reason")
    for event in file.timeline:
        reason = ": ".join(part for part in (event.reason, event.note) if part)
        table.add_row(f"{event.at:{_MOMENT}}", event.type, event.target, event.actor, reason)
    console.print(table)


def _print_operations(file: OrderFile, console: Console) -> None:
    if not file.operations:
        console.print("no payment was asked for")
        return
    table = Table("payment operation", "amount", "state", whole("code"), whole("at the provider"))
    for one in file.operations:
        name = f"{one.operation} {one.attempt}"
        table.add_row(name, str(one.amount), one.state, one.code or "", one.reference or "")
    console.print(table)


def _print_workflow(file: OrderFile, ui_url: str, console: Console) -> None:
    workflow_id = order_workflow_id(file.order.id)
    state = {True: "running", False: "not running", None: "Temporal does not answer"}[file.running]
    console.print(f"workflow {workflow_id}: {state}", soft_wrap=True)
    if ui_url:
        console.print(f"{ui_url}/namespaces/default/workflows/{workflow_id}", soft_wrap=True)
    else:
        console.print(f"temporal workflow describe --workflow-id {workflow_id}", soft_wrap=True)
