from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.connection import connect
from settings import Settings, SettingsError
from tests.support.temporal import running_temporal
from tests.support.tls import Authority, authority, behind_tls


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[str]:
    async with running_temporal() as environment:
        yield environment.client.service_client.config.target_host


@pytest.fixture
def signed_by(tmp_path: Path) -> Authority:
    return authority(tmp_path)


def settings_for(address: str, **more: object) -> Settings:
    return Settings.model_validate({"DATABASE_URL": "postgresql://nowhere/x", "TEMPORAL_ADDRESS": address, **more})


async def test_a_server_with_a_certificate_of_our_own_authority_is_spoken_to(
    temporal: str, signed_by: Authority
) -> None:
    async with behind_tls(temporal, signed_by, mutual=False) as address:
        client = await connect(settings_for(address, temporal_tls_ca=str(signed_by.file)))
        assert await client.service_client.check_health()


async def test_a_server_that_nobody_we_know_has_signed_for_is_not_spoken_to(
    temporal: str, signed_by: Authority
) -> None:
    async with behind_tls(temporal, signed_by, mutual=False) as address:
        for settings in (settings_for(address, temporal_tls=True), settings_for(address)):
            with pytest.raises(RuntimeError):
                await connect(settings)


async def test_a_server_that_asks_for_our_certificate_is_shown_it(temporal: str, signed_by: Authority) -> None:
    certificate, key = signed_by.issue("client")
    async with behind_tls(temporal, signed_by, mutual=True) as address:
        with pytest.raises(RuntimeError):
            await connect(settings_for(address, temporal_tls_ca=str(signed_by.file)))
        client = await connect(
            settings_for(
                address,
                temporal_tls_ca=str(signed_by.file),
                temporal_tls_cert=str(certificate),
                temporal_tls_key=str(key),
            )
        )
        assert await client.service_client.check_health()


async def test_an_api_key_is_sent_under_tls_only(temporal: str) -> None:
    client = await connect(settings_for(temporal, TEMPORAL_API_KEY="secret"), lazy=True)
    assert client.service_client.config.api_key == "secret"
    assert client.service_client.config.tls is True
    plain = await connect(settings_for(temporal), lazy=True)
    assert (plain.service_client.config.api_key, plain.service_client.config.tls) == (None, False)


async def test_a_certificate_that_can_not_be_read_is_one_clear_line(temporal: str) -> None:
    with pytest.raises(SettingsError, match=r"^/nowhere/ca\.pem can not be read: No such file or directory$"):
        await connect(settings_for(temporal, temporal_tls_ca="/nowhere/ca.pem"))
