"""`mailglass explain`: what an SMTP reply or the words of a bounce mean."""

from __future__ import annotations

import codecs
import json
import os
import sys
from dataclasses import asdict, replace

import click
from rich.cells import cell_len

from ..errors import InputError
from ..replies import (
    Explanation,
    explain_reply,
    provider_names,
    provider_of_host,
    sentences,
)
from ._language import Speech, language_option, padded, speech

__all__ = ["command"]

_MAX_BYTES = 65_536  # more than the 4,096 characters that are read of a reply, in any charset
_CHARSETS = ("gb18030", "cp949", "big5", "cp932")  # of servers that write 8-bit words undeclared


@click.command(short_help="What a server's reply means, and who must act.")
@click.argument("reply", nargs=-1)
@click.option("--provider", help="Whose reply it is, such as netease, tencent or google.")
@click.option("--mx", metavar="HOST", help="The host that answered, or the recipient's domain.")
@language_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    reply: tuple[str, ...],
    provider: str | None,
    mx: str | None,
    tag: str | None,
    as_json: bool,
) -> None:
    """What an SMTP reply or the words of a bounce mean, and who must act.

    REPLY is the text as the server or the bounce gave it; without it, standard input is read.
    """
    given = os.fsencode(" ".join(reply)) or sys.stdin.buffer.read(_MAX_BYTES)
    text = _decoded(given)
    if not text.strip():
        raise InputError('there is no reply to explain; try: mailglass explain "550 DT:SPM"')
    name = _provider(provider) if provider else None
    if provider and not name:
        known = ", ".join(provider_names())
        raise InputError(f"no provider is called {provider!r}; known are {known}")
    spoken = speech(tag, sentences(), as_json=as_json)
    found = explain_reply(text, provider=name, mx=mx)
    told = replace(found, meaning=spoken.tell(found.meaning), advice=spoken.tell(found.advice))
    click.echo(json.dumps(_fields(told), ensure_ascii=False) if as_json else _page(told, spoken))


def _provider(name: str) -> str | None:
    """The provider of that name, also by a name of its mail: gmail, qq, 163.com."""
    plain = name.lower()
    if plain in provider_names():
        return plain
    return provider_of_host(plain) or provider_of_host(f"{plain}.com")


def _decoded(given: bytes) -> str:
    """The text of a reply; without UTF-8 the first charset in which its words mean something."""
    if given.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return given.decode("utf-16", "replace")
    plain = given.decode("utf-8-sig", "replace")
    if "\ufffd" not in plain:
        return plain
    codes_alone = explain_reply(given.decode("ascii", "ignore"))
    readings = (given.decode(charset, "replace") for charset in _CHARSETS)
    return next((text for text in readings if explain_reply(text) != codes_alone), plain)


def _fields(explanation: Explanation) -> dict[str, object]:
    fields = asdict(explanation)
    return {name.rstrip("_"): value for name, value in fields.items()}


def _lasting(explanation: Explanation, spoken: Speech) -> str:
    """What the reply's class says, where it has one."""
    say = spoken.say
    first = str(explanation.reply_code or explanation.enhanced_status or "")[:1]
    if explanation.permanent:
        return say("class 5: the server asks for no retry of this attempt")
    match first:
        case "2" | "3":
            return say("class 2 or 3: nothing was refused")
        case "4":
            return say("class 4: it may pass")
        case _:
            return say("without a code: the words alone do not say whether it may pass")


def _page(explanation: Explanation, spoken: Speech) -> str:
    say = spoken.say
    lasting = _lasting(explanation, spoken)
    address = (
        say("dead: write to it no more")
        if explanation.suppress
        else say("keep it: the reply does not say that it is dead")
    )
    codes = (explanation.reply_code, explanation.enhanced_status, explanation.code)
    lines = {
        say("provider"): explanation.provider or say("not recognised"),
        say("code"): " ".join(str(part) for part in codes if part) or say("none"),
        say("class"): f"{explanation.class_}, {lasting}",
        say("meaning"): explanation.meaning,
        say("address"): address,
        say("advice"): explanation.advice,
        say("source"): explanation.source,
    }
    width = max(map(cell_len, lines))
    return "\n".join(f"{padded(name, width + 1)} {value}" for name, value in lines.items())
