"""What `mailglass serve` says to the person who started it."""

from __future__ import annotations

from ..settings import Settings
from .first_run import FirstRun

__all__ = ["ready_text", "welcome"]


def welcome(settings: Settings, made: FirstRun) -> str:
    """Shown once: the login link, and the three lines for a mail client."""
    security = "STARTTLS" if settings.gateway_certificate else "no encryption (loopback only)"
    return f"""\
This is a new installation in {settings.data_directory}.

Dashboard (this link signs you in once, within 24 hours):
  {made.login_link}

Your mail client's outgoing server (Thunderbird: Account Settings > Outgoing Server;
Outlook: Account Settings > Advanced):
  Server    {settings.gateway_host}, port {settings.gateway_port}, {security}
  User name {made.user_name}
  Password  {made.password}

The password is not kept; `mailglass user add {made.user_name}` makes another.
"""


def ready_text(settings: Settings) -> str:
    """Shown when every role is up."""
    lines = [
        "Mailglass is ready.",
        f"  dashboard   {settings.dashboard_url}",
        f"  submission  {settings.gateway_host}:{settings.gateway_port}",
        f"  collector   {settings.collector_host}:{settings.collector_port}"
        f" (in mail: {settings.tracking_url})",
    ]
    if not settings.smarthost_host:
        lines.append(
            "  No smarthost is set, so mail is refused until one is: put [smarthost] host, port,"
            " username and password into the settings file."
        )
    return "\n".join(lines)
