"""TLS for several tracking hosts: each client gets the certificate of the host it names (SNI).

The private keys never leave this module; a reload serves new connections, open ones go on.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence

from ..errors import ConfigurationError
from .config import Certificate

__all__ = ["Certificates"]

log = logging.getLogger("mailglass.collector")


class Certificates:
    """The certificates as last read."""

    def __init__(self, certificates: Sequence[Certificate]) -> None:
        """Raises ConfigurationError, naming all that cannot be used."""
        self._certificates = certificates
        self._by_host: dict[str, ssl.SSLContext] = {}
        self._first = self._read()
        self.context = _new_context()  # what the listening socket holds, for as long as it lives
        self.context.sni_callback = self._choose
        first = certificates[0]
        self.context.load_cert_chain(first.chain_file, first.key_file)

    def reload(self) -> None:
        """Read the files again; if one cannot be used the old ones stay."""
        try:
            self._first = self._read()
        except ConfigurationError as error:
            log.error("kept the old certificates: %s", error, extra={"action": "tls-refused"})

    def _read(self) -> ssl.SSLContext:
        by_host: dict[str, ssl.SSLContext] = {}
        contexts, faults = [], []
        for certificate in self._certificates:
            try:
                context = _new_context()
                context.load_cert_chain(certificate.chain_file, certificate.key_file)
                for host in _hosts_of(certificate):
                    by_host.setdefault(host, context)
                contexts.append(context)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                faults.append(f"{certificate.chain_file} and {certificate.key_file}: {error}")
        if faults or not contexts:
            raise ConfigurationError("\n".join(faults) or "no certificate is given")
        self._by_host = by_host
        return contexts[0]

    def _choose(self, connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
        name = (host or "").lower()
        wildcard = "*." + name.partition(".")[2]
        connection.context = self._by_host.get(name) or self._by_host.get(wildcard) or self._first


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.set_alpn_protocols(["http/1.1"])
    return context


def _hosts_of(certificate: Certificate) -> list[str]:
    """The DNS names that a certificate is for (RFC 9525: the subject's name does not count)."""
    from cryptography import x509  # 45 ms of a start that mostly has no certificates

    chain = x509.load_pem_x509_certificates(certificate.chain_file.read_bytes())
    try:
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]
