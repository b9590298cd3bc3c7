"""Where the API is asked: in this process, or at an address."""

from dataclasses import dataclass

import httpx2
from fastapi import FastAPI

from tests.api.documented import Document


@dataclass(frozen=True)
class Door:
    """An address, and the application behind it where it is in this process."""

    url: str
    app: FastAPI | None = None

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """Make a client that sends these headers each time."""
        if self.app is not None:
            transport = httpx2.ASGITransport(self.app)
            hooks = {"response": [Document(self.app).check]}
            return httpx2.AsyncClient(transport=transport, base_url=self.url, headers=headers, event_hooks=hooks)
        return httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False, verify=False, timeout=60)
