"""The real dialler, over asyncio streams: connections that speak in lines, with STARTTLS."""

from __future__ import annotations

import asyncio
import ssl

from .outcomes import TlsSession, Wire, WireError
from .trust import tls_context

__all__ = ["SocketDialler"]

# RFC 5321 section 4.5.3.1.5 allows 512 bytes to a reply line; servers write longer ones.
_MAX_LINE_BYTES = 4096


class SocketDialler:
    """Opens TCP connections, each step bounded by `timeout_seconds`."""

    def __init__(self, *, timeout_seconds: float = 5.0, certificates: str | None = None) -> None:
        """`certificates` names a PEM file of authorities instead of the usual ones."""
        self._timeout_seconds = timeout_seconds
        self._certificates = certificates

    async def dial(
        self, address: str, port: int, *, tls_name: str | None = None, verify: bool = True
    ) -> tuple[Wire, TlsSession | None]:
        """Connect; see the protocol."""
        context = self.context(verify) if tls_name else None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reader, writer = await asyncio.open_connection(
                    address, port, limit=_MAX_LINE_BYTES, ssl=context, server_hostname=tls_name
                )
        except (OSError, EOFError) as error:
            raise _translated(error, f"{address} port {port}", self._timeout_seconds) from error
        wire = _SocketWire(reader, writer, self)
        return wire, _session(writer, verify) if tls_name else None

    def context(self, verify: bool) -> ssl.SSLContext:
        """The TLS context of this dialler's connections."""
        return tls_context(self._certificates, verify)

    @property
    def timeout_seconds(self) -> float:
        """The bound of each step."""
        return self._timeout_seconds


class _SocketWire:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialler: SocketDialler
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._dialler = dialler
        self._peer = "the server"

    async def read_line(self) -> bytes:
        seconds = self._dialler.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                line = await self._reader.readline()
        except ValueError as error:
            raise WireError("garbage", f"a line has more than {_MAX_LINE_BYTES} bytes") from error
        except (OSError, EOFError) as error:
            raise _translated(error, self._peer, seconds) from error
        if not line:
            raise WireError("closed", f"{self._peer} closed the connection")
        return line

    async def write(self, data: bytes) -> None:
        seconds = self._dialler.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, EOFError) as error:
            raise _translated(error, self._peer, seconds) from error

    async def start_tls(self, server_name: str, *, verify: bool) -> TlsSession:
        seconds = self._dialler.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._writer.start_tls(
                    self._dialler.context(verify), server_hostname=server_name
                )
        except (OSError, EOFError) as error:
            raise _translated(error, server_name, seconds) from error
        return _session(self._writer, verify)

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(1):  # a peer that will not say goodbye is left
                await self._writer.wait_closed()
        except (OSError, EOFError):
            pass


def _session(writer: asyncio.StreamWriter, verify: bool) -> TlsSession:
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    cipher = tls.cipher()
    return TlsSession(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=tls.getpeercert(binary_form=True) or b"",
        verified=verify,
    )


def _translated(error: Exception, peer: str, seconds: float) -> WireError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return WireError("certificate", f"{peer}: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return WireError("tls", f"{peer}: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return WireError("timeout", f"{peer} did not answer within {seconds:g} s")
    if isinstance(error, ConnectionRefusedError):
        return WireError("refused", f"{peer} refuses connections")
    if isinstance(error, (ConnectionError, EOFError)):
        return WireError("closed", f"{peer} closed the connection")
    return WireError("unreachable", f"{peer} cannot be reached: {error}")
