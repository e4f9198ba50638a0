"""The checks of `mailglass doctor`, one module a topic; CHECKS names them all.

A check takes a Case and gives Findings. It never raises for what the network does, and what it
could not ask is `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..case import Check
from .bimi import check_bimi
from .dane import check_dane
from .dkim import check_dkim
from .dmarc import check_dmarc
from .domain import check_dnssec, check_domain
from .lists import check_lists
from .mta_sts import check_mta_sts
from .mx import check_mx
from .ptr import check_ptr
from .spf import check_spf
from .tls_rpt import check_tls_rpt
from .tracking import check_one_click, check_tracking

__all__ = ["CHECKS"]

CHECKS: Mapping[str, Check] = {
    "domain": check_domain,
    "dnssec": check_dnssec,
    "spf": check_spf,
    "dkim": check_dkim,
    "dmarc": check_dmarc,
    "mx": check_mx,
    "ptr": check_ptr,
    "mta-sts": check_mta_sts,
    "tls-rpt": check_tls_rpt,
    "dane": check_dane,
    "bimi": check_bimi,
    "tracking": check_tracking,
    "one-click": check_one_click,
    "lists": check_lists,
}
