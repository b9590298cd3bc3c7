"""A Temporal that notes which workflows it is asked to begin, or is away."""

from dataclasses import dataclass, field
from uuid import UUID

from domain.errors import TemporarilyUnavailableError


@dataclass
class Begun:
    """Stands where `MessageClient` and `ErasureClient` stand; `away` is how often it can not be reached."""

    away: int = 0
    begun: list[UUID] = field(default_factory=list)

    async def begin(self, id_: UUID, /) -> None:
        if self.away:
            self.away -= 1
            raise TemporarilyUnavailableError("away")
        self.begun.append(id_)
