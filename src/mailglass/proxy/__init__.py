"""The image proxy of the guard: pictures for readers, whose senders learn nothing of the reading.

All pictures of a message are fetched at once when the message arrives, and never again. Whoever
looks at the message later asks this proxy, which answers from its shelf or with a blank, and never
asks anybody: so that a fetch says that a message arrived, and nothing about whether it is read.
"""

from .fetching import Limits, Pictures
from .server import ProxyConfig, create_app, serve
from .shelf import Picture, Shelf

__all__ = ["Limits", "Picture", "Pictures", "ProxyConfig", "Shelf", "create_app", "serve"]
