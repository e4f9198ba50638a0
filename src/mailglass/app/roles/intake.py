"""The one way in for messages, which the gateway's SMTP and the dashboard's API share."""

from __future__ import annotations

from datetime import UTC, datetime

from ...gateway import Intake, Permissions, TrackingDefaults
from ...history import History
from ...ids import Ids
from ...journal import Attachments
from ...settings import Settings
from ...spool import Spool
from ...tokens import Ring
from .returns import return_domain

__all__ = ["new_intake"]


def new_intake(settings: Settings, history: History, ring: Ring, node: int) -> Intake:
    """What every way in hands messages to."""
    attachments = Attachments(settings.data_directory / "attachments")
    return Intake(
        spool=Spool(settings.data_directory / "spool.db"),
        ids=Ids(node=node),
        ring=ring,
        store=lambda content, name: attachments.add(content),
        hostname=settings.gateway_hostname,
        permissions=lambda *about: _permissions(history, *about),
        tracking=TrackingDefaults(
            base_url=settings.tracking_url,
            opens=settings.tracking_opens,
            links=settings.tracking_links,
            attachments=settings.tracking_attachments,
            text_links=settings.tracking_text_links,
            list_unsubscribe=settings.tracking_list_unsubscribe,
            unsubscribe_domain=return_domain(settings),
        ),
    )


def _permissions(
    history: History,
    account_id: int,
    author_domain: str,
    campaign: str | None,
    recipients: tuple[str, ...],
) -> Permissions:
    """Who gets nothing, and how closely each of the others may be tracked."""
    with history.reading() as t:
        entries = t.suppressions(datetime.now(UTC), account_id=account_id, recipients=recipients)
        policies = t.policies_for(account_id, author_domain, campaign, recipients)
    reasons = {entry.recipient: entry.reason for entry in entries}
    return Permissions(suppressed=reasons, policies=policies)
