"""The folder of the local mail server: what it keeps of a person is removed, and nothing of anybody else."""

import mailbox
from pathlib import Path

import pytest

from providers.maildir import LocalMailbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mailbox.Maildir(tmp_path / "mail")
    return tmp_path / "mail"


def keep(folder: Path, *to: str, part: str = "new", encoded: bytes = b"") -> Path:
    """Keep a mail as the server does; return its file."""
    file = folder / part / f"{len(list(folder.rglob('*')))}.M1.host"
    headers = b"".join(f"To: {one}\n".encode() for one in to)
    file.write_bytes(b"Subject: Hello\n" + headers + encoded + b"\nDear Ada")
    return file


def left(folder: Path) -> set[Path]:
    return {file for part in ("new", "cur") for file in (folder / part).iterdir()}


async def test_mails_to_a_person_are_removed_read_or_not_and_others_stay(folder: Path) -> None:
    keep(folder, "ada@example.com")
    keep(folder, "Ada Byron <ADA@Example.com>", part="cur")
    keep(folder, "eve@example.com, Ada <ada@example.com>")
    keep(folder, "ada.work@example.com")
    others = {
        keep(folder, "eve@example.com"),
        keep(folder, '"ada@example.com" <eve@example.com>'),
        keep(folder, "ada@example.com.example"),
        keep(folder),
    }
    await LocalMailbox(str(folder)).forget({"Ada@example.com", "ada.work@example.com"})
    assert left(folder) == others


async def test_a_recipient_on_a_second_line_is_read(folder: Path) -> None:
    keep(folder, "eve@example.com", "ada@example.com")
    keep(folder, encoded=b"To: Eve <eve@example.com>,\n\tAda <ada@example.com>\n")
    await LocalMailbox(str(folder)).forget({"ada@example.com"})
    assert left(folder) == set()


async def test_files_that_are_no_mails_stay_where_they_are(folder: Path) -> None:
    junk = folder / "new" / "junk"
    junk.write_bytes(b"\xff\xfe\x00 ada@example.com no mail")
    odd = folder / "cur" / "odd"
    odd.write_bytes(b"To: \xe4\xf6 <other@example.com>\n\n\xff")
    await LocalMailbox(str(folder)).forget({"ada@example.com"})
    assert left(folder) == {junk, odd}


@pytest.mark.parametrize("addresses", [set(), {"nobody@example.com"}])
async def test_nobody_who_had_a_mail_is_nothing_removed(folder: Path, addresses: set[str]) -> None:
    kept = keep(folder, "ada@example.com")
    await LocalMailbox(str(folder)).forget(addresses)
    assert left(folder) == {kept}


@pytest.mark.parametrize("folder_name", ["", "not-there"])
async def test_where_there_is_no_folder_there_is_nothing_to_forget(tmp_path: Path, folder_name: str) -> None:
    await LocalMailbox(str(tmp_path / folder_name) if folder_name else "").forget({"ada@example.com"})
    assert not (tmp_path / "not-there").exists()
