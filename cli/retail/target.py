"""Where a command finds the shop: where it is told to look, else at the stack that runs here."""

from dataclasses import dataclass
from pathlib import Path

from cli.errors import CommandError
from cli.stack import json_file
from cli.stack.discovery import DEFAULT_FOLDER, join_running_stack
from settings import get_settings


@dataclass(frozen=True, slots=True)
class Shop:
    """The API of a shop, and the token that opens its imports."""

    api_url: str
    token: str


def database_url(data_dir: Path | None) -> str:
    """Choose the database: of the stack in a folder, or, when none is named, the one that the settings name.

    Raises:
        CommandError: no stack runs in that folder.
        SettingsError: no database is named.
    """
    if data_dir is not None:
        return _told_by_stack(data_dir, "database_url")
    join_running_stack()
    return get_settings().database_url


def shop(api_url: str, token: str, data_dir: Path | None) -> Shop:
    """Choose the API: what is empty is asked of the stack that runs in a folder.

    Raises:
        CommandError: no stack runs there.
    """
    folder = data_dir or DEFAULT_FOLDER
    return Shop(
        api_url=api_url or _told_by_stack(folder, "api_url"),
        token=token or _told_by_stack(folder, "service_token"),
    )


def _told_by_stack(data_dir: Path, name: str) -> str:
    file = data_dir / "stack.json"
    try:
        told = json_file.read(file).get(name)
    except (OSError, ValueError) as error:
        msg = f"{file} can not be read: {error}"
        raise CommandError(msg) from None
    if not told:
        msg = f"no stack runs in {data_dir}: start one with `everorder dev`, or see --help for how to name another"
        raise CommandError(msg)
    return str(told)
