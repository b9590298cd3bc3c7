"""The connection to Temporal: one for each process, made lazily so that a server that is away stops nobody's start."""

from temporalio.client import Client

from contracts.converter import DATA_CONVERTER


async def connect(address: str, namespace: str, *, lazy: bool = False, identity: str | None = None) -> Client:
    """Connect to Temporal with the one data converter. A lazy client connects when it is first used.

    Raises:
        RuntimeError: the server can not be reached (never for a lazy client).
    """
    return await Client.connect(
        address, namespace=namespace, data_converter=DATA_CONVERTER, lazy=lazy, identity=identity
    )
