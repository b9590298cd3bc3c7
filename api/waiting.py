"""How long a caller wants to wait for an outcome (`Prefer: wait=n`, RFC 7240)."""

import re
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Header

from api.deps import SettingsDep

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})", re.IGNORECASE)
_LEAST = timedelta(seconds=1)
"""What is asked for is started and confirmed, however little time there is."""
_MOST = timedelta(seconds=60)


async def _wait(
    settings: SettingsDep,
    prefer: Annotated[str, Header(description="`wait=n`: seconds to wait before 202 is answered.")] = "",
) -> timedelta:
    wanted = _WAIT.search(prefer)
    wait = timedelta(seconds=int(wanted[1]) if wanted else settings.checkout_wait)
    return min(max(wait, _LEAST), _MOST)


Wait = Annotated[timedelta, Depends(_wait)]
"""How long to wait: what the caller prefers, within a minute; else the setting."""
