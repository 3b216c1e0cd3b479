"""Certificates for tests of TLS: of an authority of our own, expired, for another host, or self-signed."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; `ca_file` is what has to be trusted for its certificates to be."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def new(cls, folder: Path) -> Authority:
        """An authority that nobody knows."""
        authority = cls(folder, ec.generate_private_key(ec.SECP256R1()), _named("Test Authority"))
        certificate = authority._signed(authority.name, authority.key, is_authority=True)
        authority.ca_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return authority

    @property
    def ca_file(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.pem"

    def server(
        self, host: str = "127.0.0.1", *, expired: bool = False, self_signed: bool = False
    ) -> ssl.SSLContext:
        """The TLS of a server with a certificate for that address."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = Authority(self.folder, key, _named(host)) if self_signed else self
        certificate = issuer._signed(_named(host), key, host=host, expired=expired)
        path = self.folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def client(self, name: str = "gateway") -> tuple[Path, Path]:
        """The files of a client's certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate_file.write_bytes(self._signed(_named(name), key).public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate_file, key_file

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        host: str | None = None,
        expired: bool = False,
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * _DAY)
            .not_valid_after(now + (-_DAY if expired else 30 * _DAY))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
