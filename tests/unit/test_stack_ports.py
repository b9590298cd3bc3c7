import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack import ports
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((ports.HOST, 0)) as server:
        yield server.getsockname()[1]


def test_taken_port_is_refused_with_its_option(taken: int) -> None:
    with pytest.raises(StackError, match=f"port {taken} is taken: .* name another with --ui-port$"):
        ports.require_free(ui_port=taken)


def test_port_that_shall_be_chosen_is_not_asked_for() -> None:
    ports.require_free(port=0)


def test_chosen_ports_differ_and_stay_over_restarts(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = ports.remembered(folder, "postgres", "sandbox", "mail")
    assert len(set(first.values())) == 3
    assert ports.remembered(folder, "mail", "postgres", "sandbox") == first


def test_remembered_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = ports.remembered(folder, "postgres", "mail")
    with socket.create_server((ports.HOST, first["mail"])):
        second = ports.remembered(folder, "postgres", "mail")
    assert second["postgres"] == first["postgres"]
    assert second["mail"] not in first.values()
