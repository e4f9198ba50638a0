"""The words of the history as a reader sees them; `_` marks them for the catalogs."""

from __future__ import annotations

from ..model import Actor, EventType, FindingStatus, TargetKind, VerdictLevel
from ..replies import ReplyClass

__all__ = [
    "ACTORS",
    "DOMAIN_STATES",
    "EDITS",
    "ENDPOINT_STATES",
    "EVENTS",
    "LEVELS",
    "NOTICE_STATES",
    "ON_WITHDRAWAL",
    "POLICY_SCOPES",
    "REASONS",
    "REPLY_CLASSES",
    "REPORT_KINDS",
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

REPLY_CLASSES = {
    ReplyClass.UNKNOWN_USER: _("unknown user"),
    ReplyClass.MAILBOX_FULL: _("mailbox full"),
    ReplyClass.MAILBOX_DISABLED: _("mailbox switched off"),
    ReplyClass.SPAM: _("taken for spam"),
    ReplyClass.CONTENT: _("content"),
    ReplyClass.BLOCKED: _("blocked"),
    ReplyClass.POLICY: _("a rule of the receiver"),
    ReplyClass.AUTH: _("authentication"),
    ReplyClass.RATE_LIMITED: _("too much at once"),
    ReplyClass.GREYLISTED: _("greylisted"),
    ReplyClass.SIZE: _("too large"),
    ReplyClass.NETWORK: _("network"),
    ReplyClass.DNS: _("name not found"),
    ReplyClass.DNS_PTR: _("name of the sending host"),
    ReplyClass.RELAY: _("no relaying"),
    ReplyClass.PROTOCOL: _("protocol"),
    ReplyClass.TLS: _("encryption"),
    ReplyClass.SYSTEM: _("fault of the server"),
    ReplyClass.EXPIRED: _("time ran out"),
    ReplyClass.ACCEPTED: _("accepted"),
    ReplyClass.UNDETERMINED: _("undetermined"),
}

# Of suppressions: what recipients and servers say, and what `mailglass suppression add` writes.
REASONS = {
    "unsubscribed": _("unsubscribed"),
    "complaint": _("complaint"),
    "by hand": _("by hand"),
    **{class_.value: text for class_, text in REPLY_CLASSES.items()},
}

# The kinds of edits of docs/explain/instrumentation.md.
EDITS = {
    "beacon": _("the image that stands for the message"),
    "link": _("link"),
    "text-link": _("link in a text"),
    "quoted-beacon": _("quoted image of ours"),
    "quoted-link": _("quoted link of ours"),
    "quoted-attachment": _("quoted attachment of ours"),
    "attachment": _("attachment"),
    "card": _("download card"),
    "text-line": _("download lines"),
    "honeypot": _("invisible link"),
    "header": _("header field"),
    "control-header": _("control field"),
    "alternative": _("HTML part"),
    "line-break": _("line break"),
}

REPORT_KINDS = {
    "dmarc": _("DMARC, in sum"),
    "failure": _("DMARC, single failures"),
    "tls": _("TLS"),
}

# Of `mailglass.history.KINDS`, which an account may set.
_RETENTION = (
    _("network addresses of hits, before they are cut to their /24 or /48"),
    _("network addresses of hits, before they are dropped"),
    _("hits with their headers; what was made of them stays, and counts"),
    _("messages with their recipients, deliveries, events and hits; sums stay"),
)

# What the web framework says of itself.
_FRAMEWORK = (_("Not Found"), _("Method Not Allowed"))
