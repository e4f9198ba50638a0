"""The dashboard: server-rendered pages over the history."""

from .app import create_app
from .server import serve
from .site import Config

__all__ = ["Config", "create_app", "serve"]
