"""Tokens and the URLs that carry them: the one thing that senders' side and collector share."""

from .ring import Kind, Ring, Token
from .urls import (
    Locator,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    notice_url,
    percent_encode,
    read_url,
    self_url,
    unsubscribe_url,
)

__all__ = [
    "Kind",
    "Locator",
    "Ring",
    "Token",
    "attachment_bound",
    "attachment_url",
    "beacon_url",
    "link_bound",
    "link_url",
    "notice_url",
    "percent_encode",
    "read_url",
    "self_url",
    "unsubscribe_url",
]
