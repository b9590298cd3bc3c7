"""The folder of the local mail server of `everorder dev`: what it keeps of a person is removed with the person."""

import asyncio
from collections.abc import Collection
from email import policy
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path


class LocalMailbox:
    """Satisfies `Mailbox`. Without a folder there is none: another mail server keeps nothing of ours."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None

    async def forget(self, addresses: Collection[str]) -> None:
        """Remove every message that went to one of these addresses and telephone numbers."""
        if self._folder is not None and addresses:
            await asyncio.to_thread(_remove, self._folder, {address.casefold() for address in addresses})


def _remove(folder: Path, addresses: Collection[str]) -> None:
    for part in ("new", "cur"):
        for file in (folder / part).glob("*"):
            if not _recipients(file).isdisjoint(addresses):
                file.unlink(missing_ok=True)


def _recipients(file: Path) -> set[str]:
    """Read who a mail went to; one that was removed just now went to nobody."""
    try:
        headers = BytesHeaderParser(policy=policy.compat32).parsebytes(file.read_bytes())
    except FileNotFoundError:
        return set()
    return {address.casefold() for _, address in getaddresses([str(to) for to in headers.get_all("To", [])])}
