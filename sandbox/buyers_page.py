"""A page on which a developer plays the buyer whose bank wants to be asked (3-D Secure)."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.calls import Call
from sandbox.currencies import shown
from sandbox.objects import IntentRow
from sandbox.store import Store

PATH = "/_sandbox"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Payments that wait for their buyer</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .4rem }}
tr + tr {{ border-top: 1px solid #ccc }} form {{ display: flex; gap: .5rem }}
</style></head>
<body><h1>Payments that wait for their buyer</h1>
<p>Here a buyer confirms a payment with the bank (3-D Secure), or fails to. Only the sandbox has such a page.</p>
{payments}</body></html>
"""
_TABLE = "<table><tr><th>Order</th><th>Amount</th><th>The bank says</th></tr>{rows}</table>"
_ROW = """<tr><td>{order}</td><td>{amount}</td><td>
<form method="post" action="/_sandbox/payment_intents/{reference}/authenticate">
<button name="passes" value="true">Complete</button><button name="passes" value="false">Fail</button>
</form></td></tr>"""


async def show(store: Store, _request: Request) -> Response:
    """Show the newest payments that wait, each with its two buttons."""
    rows: list[IntentRow] = await store.page(
        "payment_intents", Call("", "", {"limit": "50"}), "status = 'requires_action'"
    )
    listed = "".join(_row(row) for row in rows)
    payments = _TABLE.format(rows=listed) if listed else "<p>None does.</p>"
    return HTMLResponse(_PAGE.format(payments=payments))


def _row(row: IntentRow) -> str:
    return _ROW.format(
        order=escape(row["order_id"] or row["id"]),
        amount=escape(shown(row["amount"], row["currency"])),
        reference=escape(row["id"]),
    )
