"""The data folder: what lies where in it, its secrets, and the lock that lets one stack at a time use it."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.stack.errors import StackError


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The paths of one stack's data."""

    path: Path

    @property
    def postgres(self) -> Path:
        """Hold PostgreSQL's cluster."""
        return self.path / "postgres"

    @property
    def temporal(self) -> Path:
        """Hold Temporal's SQLite file."""
        return self.path / "temporal.sqlite"

    @property
    def maildir(self) -> Path:
        """Hold the mails that were sent; `refuse` beside it makes the server refuse."""
        return self.path / "mail" / "inbox"

    @property
    def description(self) -> Path:
        """Tell other programs about the running stack."""
        return self.path / "stack.json"

    @property
    def environment(self) -> Path:
        """Hold the environment that makes a program talk to this stack."""
        return self.path / "environment.json"

    @property
    def processes(self) -> Path:
        """Record the children, so that the next start can end what a killed stack left behind."""
        return self.path / "processes.json"

    @property
    def ports(self) -> Path:
        """Remember the ports that were chosen."""
        return self.path / "ports.json"

    def log(self, name: str) -> Path:
        """Name the log of a child."""
        return self.path / "logs" / f"{name}.log"

    def secret(self, name: str) -> str:
        """Return a random word that is made once and kept with mode 0600."""
        path = self.path / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and keep it to ourselves. The lock ends with this process, however it ends.

        Raises:
            StackError: the folder can not be written, or another stack runs in it.
        """
        try:
            (self.path / "logs").mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)  # for root, PostgreSQL is another user who passes
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StackError(f"{self.path} can not be written: {error.strerror}; name another --data-dir") from None
        with os.fdopen(descriptor, "r+") as file:
            _lock(file.fileno(), self.path)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode()
        raise StackError(f"already running in {path}, pid {owner}") from None
