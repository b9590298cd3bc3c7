"""Landed migrations stay as they are: `FROZEN` holds the digest of each, in the format of `sha256sum`."""

import hashlib
from pathlib import Path

_HERE = Path(__file__).parent


def thawed(folder: Path = _HERE) -> list[str]:
    """Say of each migration that is not as `FROZEN` has it what is wrong, and what is to be done.

    A database that ran a migration never runs it again: one that is edited then makes two schemas of one revision.
    """
    frozen = _frozen(folder / "FROZEN")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "versions").glob("*.py")}
    return [
        _sentence(name, landed=name in frozen)
        for name in sorted(frozen.keys() | found.keys())
        if frozen.get(name) != found.get(name)
    ]


def _frozen(file: Path) -> dict[str, str]:
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return {Path(name).name: digest for digest, name in lines}


def _sentence(name: str, *, landed: bool) -> str:
    path = f"migrations/versions/{name}"
    if landed:
        return f"{path} has landed and was edited or removed since: put it back, and add a migration of your own"
    return f"{path} is not frozen: when it is as it shall be, `sha256sum {path} >> migrations/FROZEN`"
