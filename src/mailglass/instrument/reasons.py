"""Why something was changed or left alone: the sentences of a plan.

One place for all of them, so that whoever tells them in another language has the whole list.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..mime import Standing

BEACON = "beacon of this HTML part"
CARD = "download card of the linked attachments"
HONEYPOT = "link that no person can see"
TRACKED = "tracked link"
TRACKED_IN_TEXT = "tracked link in a text part"
HTML_PART = "HTML part for a message that has only text"
QUOTED_LINK_RENEWED = "quoted link of ours, now with this message's token"
QUOTED_LINK_RESTORED = "quoted link of ours, its target given back"
QUOTED_ATTACHMENT = "quoted attachment of ours, now with this message's token"
QUOTED_PAGE = "quoted link of ours to a page about the earlier recipient"
QUOTED_BEACON = "quoted beacon of ours: it names another delivery"
DOWNLOAD_LINES = "download lines of the linked attachments"
RECODED_LINES = "download lines with names beyond ASCII, for which 7bit became quoted-printable"
LINE_BREAK = "keeps the line within the length it may have"
CONTROL_FIELD = "control field, read and removed"
ONE_ALREADY = "the message has one already"
LABEL_ALREADY = "it has the label already"
BREAKS_SIGNATURE = "its signed content changes: it no longer verifies, sign afterwards"
NO_EFFECT = "unknown, without effect"
CALENDAR = "calendar part"
SIGNATURE = "signature"
KEY = "key"
FOR_OUTLOOK = "carries the message's own text for Outlook"
ALTERNATIVE = "alternative text"
MANY_PARTS = "more parts than can be numbered"
UNREADABLE_CODING = "its transfer encoding cannot be read"
NOT_MIXED = "not a part of multipart/mixed"
MAYBE_SHOWN = "inline: the text may show it"
INLINE = "inline"
NO_END = "the multipart around it does not end"
SHOWS_NOTHING = "it displays no text of its own, so no beacon stands in it"
UNSUBSCRIBES = "the sender's List-Unsubscribe names it"
MANY_LINKS = "more links than can be numbered"
LINE_TOO_LONG = "its line would grow past 998 characters"
ODD_BYTES = "its bytes are not of the part's charset"
GOES_ON = "it may go on with characters beyond ASCII"
PLACEHOLDER = "template placeholder"
URL_TOO_LONG = "longer than servers take when it stands inside another URL"
NOT_UNICODE = "not valid Unicode"
EMPTY = "empty"
FRAGMENT = "fragment of the message itself"
NO_SCHEME = "no scheme: it leads nowhere from a mail"
NO_HOST = "no host"
PGP_INSIDE = "signed or encrypted with PGP inside the text"
NO_TEXT = "neither HTML nor plain text"
XHTML = "not text/html: most programs show it as an attachment"
LINK_LOST = "the text that would carry its link cannot be changed"
NO_EMPTY_LINE = "no empty line before its text, so no HTML part can stand beside it"

# With values in their places; the code writes them out where it has the values.
_WITH_VALUES = (
    "{name} was asked for",
    "{name}: stored once, replaced by a link",
    "the label {label} was asked for",
    "scheme {scheme}",
    "not readable with certainty: {faults}",
)
# What `mailglass.mime` says of a text that must stay as it is (NotEditable).
OF_MIME = (
    "a line would grow too long; make the changes with room",
    "the charset {codec} lacks a character of the change",
    "the bytes are not what the charset {codec} would write",
    "the text holds NUL bytes, so its charset is not the declared one",
    "the bytes are not of the declared charset {codec}",
    "{codec} without a byte order mark, and no order to be seen",
    "a multipart has no text of its own",
    "{label} is no charset",
    "the charset {label} writes ASCII in bytes of its own",
    "the transfer encoding {name} is unknown",
    "the quoted-printable encoding is irregular at a change",
    "the base64 encoding holds foreign characters",
    "the base64 encoding is cut off",
)


def sentences() -> Iterator[str]:
    """Every reason that a plan can give, with names for what is put in."""
    named = {name: text for name, text in globals().items() if name[0].isupper()}
    yield from (text for text in named.values() if isinstance(text, str))
    yield from _WITH_VALUES
    yield from OF_MIME
    yield from (standing.value for standing in Standing)
