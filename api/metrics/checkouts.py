"""Checkouts by what they came to."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Response
from prometheus_client import CollectorRegistry, Counter

from api.problems import PROBLEMS
from domain.errors import EverorderError

_FAILED = "internal_error"


class CheckoutMetrics:
    """Counts the checkouts for which an order was begun. One that is asked for again is counted again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "everorder_checkouts",
            "Checkouts that were answered: `placed`, `accepted` (202), or the code of the problem.",
            ["outcome"],
            registry=registry,
        )

    @contextmanager
    def counted(self, response: Response) -> Iterator[None]:
        """Count what a block comes to, which answers a checkout."""
        try:
            yield
        except EverorderError as refused:
            self._count(refused.code if refused.code in PROBLEMS else "other")
            raise
        except Exception:
            self._count(_FAILED)
            raise
        self._count("accepted" if response.status_code == 202 else "placed")

    def _count(self, outcome: str) -> None:
        self._answers.labels(outcome).inc()
