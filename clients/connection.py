"""The connection to Temporal: one for each process, made lazily so that a server that is away stops nobody's start."""

from pathlib import Path

from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.service import TLSConfig

from clients.request_ids import RequestIds
from contracts.converter import DATA_CONVERTER
from settings import Settings, SettingsError


async def connect(
    settings: Settings, *, lazy: bool = False, identity: str | None = None, runtime: Runtime | None = None
) -> Client:
    """Connect to the Temporal that the settings name. A lazy client connects when it is first used.

    Raises:
        SettingsError: a certificate can not be read.
        RuntimeError: the server can not be reached (never for a lazy client).
    """
    return await connect_to(
        settings.temporal_address,
        settings.temporal_namespace,
        lazy=lazy,
        identity=identity,
        api_key=settings.temporal_api_key or None,
        tls=_tls(settings),
        runtime=runtime,
    )


async def connect_to(
    address: str,
    namespace: str,
    *,
    lazy: bool = False,
    identity: str | None = None,
    api_key: str | None = None,
    tls: TLSConfig | bool = False,
    runtime: Runtime | None = None,
) -> Client:
    """Connect to a Temporal by its address, with the one data converter.

    Raises:
        RuntimeError: the server can not be reached (never for a lazy client).
    """
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
        identity=identity,
        api_key=api_key,
        tls=tls,
        interceptors=[RequestIds()],
        runtime=runtime,
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    """Tell how the connection is encrypted: not at all, by the system's authorities, or with certificates of one's own.

    An API key never leaves in the clear: it brings encryption with it.
    """
    files = (settings.temporal_tls_ca, settings.temporal_tls_cert, settings.temporal_tls_key)
    if not any(files):
        return settings.temporal_tls or bool(settings.temporal_api_key)
    authority, certificate, key = map(_read, files)
    return TLSConfig(server_root_ca_cert=authority, client_cert=certificate, client_private_key=key)


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise SettingsError(f"{path} can not be read: {error.strerror}") from None
