"""The public endpoint: answers every beacon, link and attachment, and appends to the journal.

It knows tokens and the journal, nothing else: no database, no rules and no network call can delay
an image. `run` blocks until it is told to stop; `Collector` is the same within an event loop.
"""

from __future__ import annotations

from .config import Certificate, Config
from .request import KEPT_HEADERS
from .server import Collector, run

__all__ = ["KEPT_HEADERS", "Certificate", "Collector", "Config", "run"]
