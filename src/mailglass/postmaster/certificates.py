"""What a person wants to know of a certificate (RFC 5280, RFC 6125)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

__all__ = ["CertificateSummary", "name_fits", "spki_sha256", "summarise", "tlsa_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSummary:
    """A certificate in short."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # the DNS names it is for
    expires_at: datetime


def summarise(der: bytes) -> CertificateSummary | None:
    """The summary of a certificate, or nothing when it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return CertificateSummary(
            subject=_common_name(certificate.subject),
            issuer=_common_name(certificate.issuer),
            names=_names(certificate),
            expires_at=certificate.not_valid_after_utc,
        )
    except ValueError:
        return None


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def name_fits(host: str, names: tuple[str, ...]) -> bool:
    """Whether one of the names is the host, or a wildcard for its first label (RFC 6125 6.4.3)."""
    host = host.lower().rstrip(".")
    _, _, rest = host.partition(".")
    return any(name == host or (name.startswith("*.") and name[2:] == rest) for name in names)


def tlsa_data(der: bytes, selector: int, matching: int) -> str | None:
    """The data of a TLSA record for this certificate (RFC 6698 section 2.1), or nothing."""
    try:
        data = _spki(der) if selector == 1 else der
    except ValueError:
        return None
    if selector not in (0, 1):
        return None
    if matching == 0:
        return data.hex()
    digest = {1: hashlib.sha256, 2: hashlib.sha512}.get(matching)
    return digest(data).hexdigest() if digest else None


def spki_sha256(der: bytes) -> str:
    """The data of a TLSA 3 1 1 record; empty when the certificate cannot be read."""
    return tlsa_data(der, 1, 1) or ""


def _spki(der: bytes) -> bytes:
    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
