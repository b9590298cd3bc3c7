"""How the process feels, in answers."""

from typing import Literal

from api.schemas.fields import Output


class Health(Output):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Output):
    """The process can do its work; `checks` tells of each thing that it needs whether it can be reached."""

    status: Literal["ready"]
    checks: dict[str, bool]
