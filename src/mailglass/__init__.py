"""Mailglass: a self-hosted looking-glass for e-mail."""

__all__ = ["__version__"]
__version__ = "0.1.0"
