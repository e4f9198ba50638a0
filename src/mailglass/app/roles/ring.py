"""The keys of a role: read when it starts, and again when it is told to reload."""

from __future__ import annotations

import logging

from ...errors import ConfigurationError
from ...settings import Settings
from ...tokens import Ring
from ..first_run import read_keys

__all__ = ["new_ring", "renew_ring"]

_log = logging.getLogger("mailglass.serve")


def new_ring(settings: Settings) -> Ring:
    """The ring of the data directory; raises ConfigurationError."""
    return Ring(read_keys(settings.data_directory))


def renew_ring(ring: Ring, settings: Settings) -> None:
    """Take over keys that were added; a file that cannot be used leaves those in use, and a log."""
    try:
        added = ring.renew(read_keys(settings.data_directory))
    except ConfigurationError as error:
        _log.error("the token keys stay: %s", error, extra={"action": "token-keys-refused"})
        return
    if added:
        _log.info("took %d new token keys", added, extra={"action": "token-keys-added"})
