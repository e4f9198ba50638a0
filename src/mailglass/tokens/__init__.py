"""Tokens, and the URLs and addresses that carry them: what senders' side and collector share."""

from .addresses import return_address, unsubscribe_mailto
from .recipients import recipient_mark
from .ring import Kind, Ring, Token
from .urls import (
    Locator,
    attachment_bound,
    attachment_url,
    beacon_url,
    link_bound,
    link_url,
    names_host,
    notice_url,
    percent_encode,
    percent_encode_all,
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
    "names_host",
    "notice_url",
    "percent_encode",
    "percent_encode_all",
    "read_url",
    "recipient_mark",
    "return_address",
    "self_url",
    "unsubscribe_mailto",
    "unsubscribe_url",
]
