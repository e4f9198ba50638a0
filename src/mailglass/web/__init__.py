"""The dashboard: server-rendered pages over the history."""

from .server import Config, create_app, serve

__all__ = ["Config", "create_app", "serve"]
