"""The dashboard: server-rendered pages over the history."""

from .app import create_app
from .pages.compose import Outbox
from .server import serve
from .site import Config

__all__ = ["Config", "Outbox", "create_app", "serve"]
