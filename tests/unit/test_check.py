import asyncio
from collections.abc import Iterator

import pytest
import typer
from jinja2 import TemplateSyntaxError
from sqlalchemy import Column, Integer, Table
from sqlmodel import SQLModel

from cli import check
from cli.check import FailedError
from providers.rendering import JinjaRenderer


@pytest.fixture
def model_without_migration() -> Iterator[None]:
    table = Table("forgotten", SQLModel.metadata, Column("id", Integer, primary_key=True))
    yield
    SQLModel.metadata.remove(table)


def test_templates_of_this_release_compile() -> None:
    assert check.templates() == f"{len(JinjaRenderer().templates())} compile"


def test_template_that_does_not_compile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(renderer: JinjaRenderer, name: str) -> None:
        raise TemplateSyntaxError("unexpected '}'", 3)

    monkeypatch.setattr(JinjaRenderer, "compile", broken)
    with pytest.raises(FailedError, match=r"^email/\S+: unexpected '}'"):
        check.templates()


async def test_migrations_of_this_release_lead_to_its_models() -> None:
    assert "lead to what the models say" in await asyncio.to_thread(check.migrated)


@pytest.mark.usefixtures("model_without_migration")
async def test_model_without_a_migration_is_named() -> None:
    with pytest.raises(FailedError, match="forgotten"):
        await asyncio.to_thread(check.migrated)


def test_one_failed_check_is_one_line_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed() -> str:
        raise FailedError("email/welcome.txt.j2: unexpected '}'")

    monkeypatch.setattr(check, "templates", failed)
    monkeypatch.setattr(check, "unedited", lambda: "as they were")
    monkeypatch.setattr(check, "migrated", lambda: "lead there")
    with pytest.raises(typer.Exit) as end:
        check.check()
    assert end.value.exit_code == 1
    templates, frozen, migrations = capsys.readouterr().out.splitlines()
    assert templates.startswith("templates   failed  email/welcome.txt.j2: unexpected '}' (")
    assert frozen.startswith("frozen      ok      as they were (")
    assert migrations.startswith("migrations  ok      lead there (")
