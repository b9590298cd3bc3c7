"""The folder of a local mail server, read for people. Nothing in it is trusted: anybody may have written to it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

_SHOWN = 100
_HEADERS = ("From", "To", "Date", "Message-ID")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that was kept; `key` names it in the folder."""

    key: str
    received: datetime
    subject: str
    recipient: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str


def newest(folder: Path) -> list[Mail]:
    """Read the newest mails of a Maildir, newest first. A folder that is not there yet has none."""
    files = sorted(_files(folder), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [_read(file) for file in files[:_SHOWN]]


def find(folder: Path, key: str) -> Mail | None:
    """Read one mail by its key."""
    return next((_read(file) for file in _files(folder) if file.name == key), None)


def _files(folder: Path) -> list[Path]:
    return [file for part in ("new", "cur") if (folder / part).is_dir() for file in (folder / part).iterdir()]


def _read(file: Path) -> Mail:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes())
    return Mail(
        key=file.name,
        received=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        subject=_header(message, "Subject"),
        recipient=_header(message, "To"),
        headers=tuple((name, _header(message, name)) for name in _HEADERS if name in message),
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, ""))


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset or an encoding that nobody knows
        content = part.get_payload(decode=True)
        return content.decode(errors="replace") if isinstance(content, bytes) else ""
