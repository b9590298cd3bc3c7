"""How the Stripe client reaches Stripe.

The client's own `HTTPXClient` hands httpx2 the body in a way that httpx2 has deprecated; it invites to bring another.
"""

from collections.abc import Awaitable, Mapping

import anyio
import httpx2
import stripe


class StripeTransport(stripe.HTTPClient):
    """HTTP for `stripe.StripeClient`, asynchronous only. `timeout` in seconds bounds connecting and each read."""

    name = "httpx2"

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._client = httpx2.AsyncClient(timeout=timeout)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request and return body, status and headers.

        Raises:
            stripe.APIConnectionError: no whole answer came.
        """
        try:
            response = await self._client.request(method, url, headers=headers, content=post_data)
        except httpx2.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        return response.content, response.status_code, response.headers

    async def close_async(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """Wait between two attempts."""
        return anyio.sleep(secs)
