from typing import Any

import pytest

from api.client_address import client_address, household, networks
from settings import SettingsError, get_settings

PROXIES = networks("10.0.0.0/8, 2001:db8::1")


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"type": "http", "client": (peer, 1234) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.7",), "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("1.1.1.1, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("1.1.1.1, 198.51.100.7, 10.0.0.2",), "198.51.100.7"),
        ("10.0.0.1", ("1.1.1.1", "198.51.100.7"), "198.51.100.7"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.7, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("::ffff:10.0.0.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
        ("2001:db8::1", ("2001:DB8:0:0::2",), "2001:db8::2"),
        ("fe80::1%eth0", (), "fe80::1"),
        (None, ("198.51.100.7",), "unknown"),
        ("a-unix-socket", ("198.51.100.7",), "unknown"),
    ],
)
def test_only_trusted_proxies_tell_where_a_request_comes_from(
    peer: str | None, forwarded: tuple[str, ...], address: str
) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == address


def test_nobody_is_trusted_by_default() -> None:
    assert client_address(scope("127.0.0.1", "198.51.100.7"), networks("")) == "127.0.0.1"


def test_an_address_counts_with_all_that_its_subscriber_has() -> None:
    assert household("198.51.100.7") == "198.51.100.7"
    assert household("2001:db8:1:2:3:4:5:6") == household("2001:db8:1:2::9") == "2001:db8:1:2::"
    assert household("unknown") == "unknown"


def test_a_proxy_that_is_no_network_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("EVERORDER_TRUSTED_PROXIES", "10.0.0.0/8, gateway")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match=r"^EVERORDER_TRUSTED_PROXIES: .*'gateway'"):
        get_settings()
    get_settings.cache_clear()
