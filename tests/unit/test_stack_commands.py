import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from cli import main
from cli.main import COMMANDS
from domain.stripe_events import TYPES


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str | int | None:
    monkeypatch.setattr(sys, "argv", ["everorder", *arguments])
    monkeypatch.setattr("os._exit", sys.exit)
    with pytest.raises(SystemExit) as end:
        main.run()
    return end.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, name, "--help") == 0
    assert f"everorder {name}" in capsys.readouterr().out


def test_unknown_command_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "migrat") == 2
    assert "Did you mean 'migrate'?" in capsys.readouterr().err


def test_missing_setting_is_one_line_and_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert call(monkeypatch, "seed") == 2
    assert capsys.readouterr().err == (
        "everorder: DATABASE_URL: Field required (the stack of `make run` brings its own: is it up, in this folder?)\n"
    )


@pytest.mark.parametrize(
    ("said", "sent"),
    [((), list(TYPES)), (("--webhook-events", ""), None), (("--webhook-events", "refund.failed"), ["refund.failed"])],
)
def test_sandbox_sends_the_events_that_are_taken_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...], sent: list[str] | None
) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr("cli.serve.sandbox.serve", lambda **settings: told.update(settings))
    assert call(monkeypatch, "sandbox", "--database-url", "postgresql://nowhere/sandbox", *said) in {0, None}
    assert told["webhook_events"] == sent


def test_mistake_of_ours_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "_load", lambda _name: typer.main.get_command(_alone(mistake)))
    monkeypatch.setattr(sys, "argv", ["everorder", "seed"])
    with pytest.raises(ZeroDivisionError):
        main.run()


def test_help_imports_no_command() -> None:
    heavy = {entry.target.partition(":")[0] for entry in COMMANDS.values()}
    script = "import sys, cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def _alone(function: Callable[[], None]) -> typer.Typer:
    alone = typer.Typer(pretty_exceptions_enable=False)
    alone.command()(function)
    return alone
