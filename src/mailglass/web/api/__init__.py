"""The HTTP API: everything that a program can do, under /api/v1, described in OpenAPI 3.1.

One module a resource. A route reads and writes through the named statements of the history, and
hands messages to the same intake as SMTP; it decides nothing by itself.
"""

from .application import create_api
from .desk import Desk
from .limits import RateLimit
from .stream import Following

__all__ = ["Desk", "Following", "RateLimit", "create_api"]
