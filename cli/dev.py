"""`everorder dev`: the whole stack on this machine, out of packages."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.demo import DemoError, place_order
from cli.stack import ports
from cli.stack.discovery import DEFAULT_FOLDER
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder
from cli.stack.leftovers import end_leftovers
from cli.stack.report import Report
from cli.stack.stack import Demo, Stack
from cli.stack.wiring import Wiring

_PORT_HELP = "0 chooses a free one."


def dev(
    data_dir: Annotated[
        Path, typer.Option(readable=False, help="Folder that holds everything the stack keeps.")
    ] = DEFAULT_FOLDER,
    port: Annotated[int, typer.Option(min=0, max=65535, help=f"Port of the REST API. {_PORT_HELP}")] = 8000,
    temporal_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Port of Temporal. {_PORT_HELP}")] = 7233,
    ui_port: Annotated[int, typer.Option(min=0, max=65535, help=f"Port of Temporal's Web UI. {_PORT_HELP}")] = 8233,
    demo: Annotated[bool, typer.Option(help="Place one real order when everything is up.")] = True,
) -> None:
    """Start the whole stack here, place one real order, stay up until Ctrl-C."""
    report = Report(Console())
    folder = DataFolder(data_dir.resolve())
    with folder.locked():
        left = end_leftovers(folder)
        if left:
            report.say(f"Ended what an earlier stack left running: {', '.join(left)}")
        wiring = _wire(folder, port, temporal_port, ui_port)
        asyncio.run(_live(wiring, report, _place_demo_order if demo else None))


def _wire(folder: DataFolder, port: int, temporal_port: int, ui_port: int) -> Wiring:
    ports.require_free(port=port, temporal_port=temporal_port, ui_port=ui_port)
    chosen = ports.remembered(folder, "api", "temporal", "ui", "postgres", "sandbox", "mail", "sms")
    named = {"api": port, "temporal": temporal_port, "ui": ui_port}
    return Wiring(folder, **chosen | {name: number for name, number in named.items() if number})


async def _live(wiring: Wiring, report: Report, demo: Demo | None) -> None:
    """Run the stack until a signal asks us to stop, or until it can not go on."""
    stopping = asyncio.create_task(_stop_requested().wait())
    stack = Stack(wiring, report)
    life = asyncio.create_task(stack.run(demo))
    try:
        await asyncio.wait([life, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        report.say("Stopping ...")
        life.cancel()
        await asyncio.wait([life])
        await stack.stop()
    if not life.cancelled():
        raise _cause(life.exception())
    report.say("Stopped. Nothing is left running.")


def _cause(error: BaseException | None) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error or StackError("the stack ended by itself")


async def _place_demo_order(wiring: Wiring, report: Report) -> None:
    try:
        order = await place_order(wiring.api_url)
    except DemoError as error:
        report.say(f"[red]The demo order was not placed:[/] {error}")
    else:
        report.order(order, wiring.ui_url)


def _stop_requested() -> asyncio.Event:
    stopping = asyncio.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which is how `nohup` asks us to stay
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping
