"""The sentences of evidence and of the other rooms, in the reader's language and zone.

The history keeps them in English, as they were judged; `languages.Phrasebook` finds each one's
template again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from ..evidence import load_rules
from ..guard import sentences as guard_sentences
from ..history import REFUSALS, SENTENCES
from ..instrument import sentences as plan_sentences
from ..languages import Phrasebook
from ..postmaster import sentences as finding_sentences
from ..replies import sentences as reply_sentences
from .visitor import Visitor
from .wording import _

__all__ = ["tell", "templates"]

# Of verdicts, and of what is put into the sentences of rules; `{when}` is a moment.
_FIXED = (
    _("of 100 such clicks about {n} are people's"),
    _("of 100 such loads about {n} are people's"),
    _("one in a thousand stays in doubt"),
    _("about {n} of 100 delivered messages are read without leaving a trace"),
    _("nothing says that the message arrived"),
    _("{who} displayed the images {when}"),
    _("{who} followed a link {when}"),
    _("{who} downloaded an attachment {when}"),
    _("{who} loaded the images {when}"),
    _("{who} asked for an attachment {when}"),
    _("{who} displayed the message and followed a link {when}"),
    _("{visit}, and came {n} times"),
    _("{visit}, perhaps a person ({n}%)"),
    _("somebody"),
    _("the recipient answered {when}"),
    _("somebody who knows the message answered from another address {when}"),
    _("a program confirmed the display of its own accord {when}"),
    _("a receipt says displayed {when}"),
    _("it was reported as spam {when}"),
    _("somebody unsubscribed {when}"),
    _("somebody refused tracking {when}"),
    _("{n} further hits are counted and were not weighed one by one"),
    _("{remark}, which does not count"),
    _("{remark} {when}"),
    _("{remark} {n} times, first {when}"),
    _("prefetched before anybody looked"),
    _("scanned by a program"),
    _("refused tracking by a program"),
    _("unsubscribed by a program"),
    _("previewed for a shared link"),
    _("fetched by a privacy proxy, whether or not a person looked,"),
    _("viewed by the sender"),
    _("answered by a program"),
    _("refused by the receiving side"),
    _("refused or called back on our side"),
    _("not sent, since the recipient is on the suppression list"),
    _("put off by the receiving server"),
    _("read by somebody else, as after a forward"),
    # what is put into the sentences of rules
    _("all links were"),
    _("{n} links were"),
    _("{n} links or more were"),
    _("no Accept"),
    _("this browser was marked as the sender's own"),
    _("the sender's client announced it"),
    _("the sender's client announced it {n} s before"),
    _("the recipient's reply quotes the message, and this is the network of its author"),
    _("the images were fetched by the sender's mailbox provider, not the recipient's"),
    _("another mailbox provider than the recipient's fetched it"),
    _("it was marked so"),
    _("another country"),
    _("a new device and network"),
    # of suppressions: the words behind them
    _("asked for {when} by the message's link"),
    _("mail to the message's unsubscribe address"),
    _("bounce: {words}"),
    _("complaint: {words}"),
    _("bounce by mail"),
    _("complaint by mail"),
    _("relay log: {words}"),
    _("the next server said at {step}: {words}"),
    # of plans: what was left alone, and where it stands
    _("message"),
    _("header"),
    _("subject"),
    _("document"),
    _("link {url}"),
    _("part {path}"),
    _("part {path}, character {n}"),
    _("attachment {name}"),
    _("control {word}"),
    _("DKIM-Signature of {domain}"),
    # of TLS reports
    _("{policy}: failed, and the report does not say why"),
    _("{n} s"),
    _("{n} min"),
    _("{n} h"),
    _("{n} days"),
)


# A name of several words, some of them ordinary ones: "a mail program", not "okhttp".
_IN_WORDS = re.compile(r"(?=.* )(?:.* )?[a-z]{1,}(?: |$)")


def _names_in_words() -> Iterator[str]:
    """What the rules call programs and networks that have no name of their own."""
    rows = load_rules().rows
    for table, column in (("clients", "name"), ("networks", "owner"), ("names", "owner")):
        yield from (row[column] for row in rows[table] if _IN_WORDS.match(row[column]))


def tell(text: str, visitor: Visitor) -> str:
    """A sentence of ours as this reader reads it."""
    return _phrasebook().tell(text, visitor.language, visitor.zone)


@cache
def _phrasebook() -> Phrasebook:
    return Phrasebook(templates())


def templates() -> Iterator[str]:
    """Every sentence that a page can show, with names for what is put in."""
    yield from _FIXED
    yield from SENTENCES.values()
    yield from REFUSALS.values()
    yield from (signal.text for signal in load_rules().signals.values())
    yield from dict.fromkeys(_names_in_words())
    yield from reply_sentences()
    yield from finding_sentences()
    yield from guard_sentences()
    yield from plan_sentences()
