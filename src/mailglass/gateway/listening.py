"""What every server of the gateway does before a session begins: listen on a port."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

__all__ = ["Listening"]


class Listening(ABC):
    """A server on one address, whose sessions `_new_session` makes."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._server: asyncio.Server | None = None

    @abstractmethod
    def _new_session(self) -> asyncio.Protocol:
        """The protocol of a connection that has just been made."""

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_session, *self._place)

    @property
    def port(self) -> int:
        """The port that is listened on, which the system chose when 0 was asked for."""
        assert self._server is not None, "the server has not been started"
        port: int = self._server.sockets[0].getsockname()[1]
        return port
