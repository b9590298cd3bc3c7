"""What a child of the stack is: how it starts, when it is ready, how it ends."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


async def _at_once() -> bool:
    return True


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """Everything about one child. Its log and its place in `stack.json` go by its name."""

    name: str
    title: str
    """What a person calls it."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]] = _at_once
    """Asked again and again until it says yes; it must not raise."""
    stage: int = 0
    """Children of the highest stage are stopped first."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    """Seconds between the signal to stop and SIGKILL."""
    sweep: Callable[[], None] = _nothing
    """Removes what a killed predecessor left behind; called before each start and after the end."""
    user: str | None = None
    """Runs as this user rather than as ourselves."""
    umask: int = -1
    """Takes these permissions from the files that it makes; -1 takes what we take from ours."""
    folder: Path | None = None
    """Runs in this folder rather than in ours."""


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that make a process somebody else's."""

    user: str
    group: str
    extra_groups: list[str]


def switch_to(user: str | None) -> Identity:
    """Run as a user and nothing but that user; as ourselves when there is none."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}
