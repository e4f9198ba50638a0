"""The words of the history as a reader sees them; `_` marks them for the catalogs."""

from __future__ import annotations

from ..model import Actor, EventType, FindingStatus, TargetKind, VerdictLevel

__all__ = [
    "ACTORS",
    "DOMAIN_STATES",
    "ENDPOINT_STATES",
    "EVENTS",
    "LEVELS",
    "NOTICE_STATES",
    "ON_WITHDRAWAL",
    "POLICY_SCOPES",
    "ROLES",
    "STATUSES",
    "TARGETS",
    "TRACKING",
    "_",
]


def _(message: str) -> str:
    """Mark a sentence for the catalogs; it is looked up where it is shown."""
    return message


LEVELS = {
    VerdictLevel.PENDING: _("pending"),
    VerdictLevel.UNDELIVERED: _("not delivered"),
    VerdictLevel.DELIVERED: _("delivered"),
    VerdictLevel.MACHINE_ONLY: _("machines only"),
    VerdictLevel.MAYBE_OPENED: _("maybe opened"),
    VerdictLevel.OPENED: _("opened"),
    VerdictLevel.ENGAGED: _("engaged"),
    VerdictLevel.ANSWERED: _("answered"),
}

EVENTS = {
    EventType.QUEUED: _("queued"),
    EventType.DEFERRED: _("deferred"),
    EventType.DELIVERED: _("delivered"),
    EventType.BOUNCED: _("bounced"),
    EventType.REJECTED: _("rejected"),
    EventType.SUPPRESSED: _("suppressed"),
    EventType.COMPLAINED: _("complained"),
    EventType.AUTORESPONDED: _("answered by a program"),
    EventType.REPLIED: _("replied"),
    EventType.UNSUBSCRIBED: _("unsubscribed"),
    EventType.OBJECTED: _("refused to be tracked"),
    EventType.DISPLAYED: _("receipt"),
    EventType.OPENED: _("opened"),
    EventType.CLICKED: _("clicked"),
    EventType.DOWNLOADED: _("downloaded"),
    EventType.PREFETCHED: _("prefetched"),
    EventType.PROXIED: _("privacy proxy"),
    EventType.SCANNED: _("scanned"),
    EventType.PREVIEWED: _("previewed"),
    EventType.SELF_VIEWED: _("seen by the sender"),
    EventType.FETCHED: _("fetched, undetermined"),
}

ACTORS = {
    Actor.HUMAN: _("a person"),
    Actor.IMAGE_PROXY: _("an image proxy, for a person"),
    Actor.PRIVACY_PROXY: _("a privacy proxy"),
    Actor.PREFETCH: _("a prefetch"),
    Actor.SECURITY_SCANNER: _("a security scanner"),
    Actor.LINK_PREVIEW: _("a link preview"),
    Actor.SENDER: _("the sender"),
    Actor.THIRD_PARTY: _("somebody it was forwarded to"),
    Actor.CRAWLER: _("a crawler"),
    Actor.TOOL: _("a program"),
    Actor.UNKNOWN: _("unknown"),
}

STATUSES = {
    FindingStatus.OK: _("all right"),
    FindingStatus.INFO: _("worth knowing"),
    FindingStatus.WARN: _("should be mended"),
    FindingStatus.FAIL: _("broken"),
    FindingStatus.UNKNOWN: _("could not be checked"),
}

TARGETS = {
    TargetKind.BEACON: _("the image that stands for the message"),
    TargetKind.LINK: _("link"),
    TargetKind.ATTACHMENT: _("attachment"),
    TargetKind.UNSUBSCRIBE: _("unsubscribe link"),
    TargetKind.NOTICE: _("notice page"),
    TargetKind.HONEYPOT: _("invisible link"),
}

ROLES = {
    "owner": _("owner"),
    "member": _("member"),
    "read-only": _("read-only"),
}

ENDPOINT_STATES = {
    "enabled": _("is sent everything"),
    "paused": _("paused: what happens is kept for it"),
    "disabled": _("off: what happens is not kept"),
}

NOTICE_STATES = {"waiting": _("waiting"), "taken": _("taken"), "dead": _("given up")}

DOMAIN_STATES = {
    "new": _("not checked"),
    "verified": _("verified"),
    "failing": _("not as it should be"),
}

POLICY_SCOPES = {
    "account": _("the whole account"),
    "domain": _("the domain"),
    "campaign": _("the campaign"),
    "recipient": _("the recipient"),
}

TRACKING = {
    "off": _("off"),
    "anonymous": _("anonymous: recipients are not told apart"),
    "identified": _("identified: each recipient has tokens of their own"),
}

ON_WITHDRAWAL = {"anonymise": _("lose their identity"), "erase": _("are erased")}

# Of `mailglass.history.KINDS`, which an account may set.
_RETENTION = (
    _("network addresses of hits, before they are cut to their /24 or /48"),
    _("network addresses of hits, before they are dropped"),
    _("hits with their headers; what was made of them stays, and counts"),
    _("messages with their recipients, deliveries, events and hits; sums stay"),
)

# What the web framework says of itself.
_FRAMEWORK = (_("Not Found"), _("Method Not Allowed"))
