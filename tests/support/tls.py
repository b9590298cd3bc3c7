"""Encryption for tests: an authority of their own, and a server that takes TLS off before another one."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; everything is a file in its folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Issue a certificate for 127.0.0.1, good for servers and clients; return its file and its key's."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, self.key, self.certificate.subject, ca=False)
        return _write(self.folder / f"{name}.pem", certificate), _write_key(self.folder / f"{name}.key", key)


def authority(folder: Path) -> Authority:
    """Found an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("authority", key, key, None, ca=True)
    _write(folder / "authority.pem", certificate)
    return Authority(folder, key, certificate)


@asynccontextmanager
async def behind_tls(address: str, signed_by: Authority, *, mutual: bool) -> AsyncIterator[str]:
    """Serve a plain server under TLS, to those with a certificate only when it is mutual; the address is yielded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*signed_by.issue("server"))
    context.set_alpn_protocols(["h2"])
    if mutual:
        context.load_verify_locations(signed_by.file)
        context.verify_mode = ssl.CERT_REQUIRED
    host, _, port = address.rpartition(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
        for each in (writer, up_writer):
            each.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    *,
    ca: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _write(file: Path, certificate: x509.Certificate) -> Path:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file
