"""The dashboard, server-rendered pages over the history, and the API for programs."""

from .api import Desk, Following, RateLimit, create_api
from .app import create_app
from .pages.compose import Outbox
from .server import serve
from .site import Config

__all__ = [
    "Config",
    "Desk",
    "Following",
    "Outbox",
    "RateLimit",
    "create_api",
    "create_app",
    "serve",
]
