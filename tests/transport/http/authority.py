"""Test certificates for servers on loopback: valid ones, and ones that no client should trust."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@frozen
class Authority:
    """Signs servers' certificates; `folder` holds the files that the ssl module needs."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Make an unknown authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(folder, key, _signed(_name("Test"), key.public_key(), _name("Test"), key, authority=True))

    @property
    def text(self) -> str:
        """The authority's own certificate, for clients that trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, host: str = "127.0.0.1", *, ended: bool = False, alone: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server for `host`; its certificate may be expired or self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signing = (_name(host), key) if alone else (self.certificate.subject, self.key)
        certificate = _signed(_name(host), key.public_key(), issuer, signing, host=host, ended=ended)
        chain = self.folder / "server.pem"
        chain.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain)
        return context


def _signed(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    host: str = "",
    ended: bool = False,
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 3 * DAY)
        .not_valid_after(now - DAY if ended else now + DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if host:
        try:
            general: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            general = x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([general]), critical=False)
    return builder.sign(key, hashes.SHA256())
