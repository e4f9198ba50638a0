"""`mailglass explain`: what an SMTP reply or the words of a bounce mean."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from ..errors import InputError
from ..replies import Explanation, explain_reply, provider_names

__all__ = ["command"]


@click.command(short_help="What a server's reply means, and who must act.")
@click.argument("reply", nargs=-1)
@click.option("--provider", help="Whose reply it is, such as netease, tencent or google.")
@click.option("--mx", metavar="HOST", help="The host that answered, or the recipient's domain.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(reply: tuple[str, ...], provider: str | None, mx: str | None, as_json: bool) -> None:
    """What an SMTP reply or the words of a bounce mean, and who must act.

    REPLY is the text as the server or the bounce gave it; without it, standard input is read.
    """
    text = " ".join(reply) or sys.stdin.read()
    if not text.strip():
        raise InputError('there is no reply to explain; try: mailglass explain "550 DT:SPM"')
    if provider and provider not in provider_names():
        known = ", ".join(provider_names())
        raise InputError(f"no provider is called {provider!r}; known are {known}")
    explanation = explain_reply(text, provider=provider, mx=mx)
    click.echo(
        json.dumps(_fields(explanation), ensure_ascii=False) if as_json else _page(explanation)
    )


def _fields(explanation: Explanation) -> dict[str, object]:
    fields = asdict(explanation)
    return {name.rstrip("_"): value for name, value in fields.items()}


def _page(explanation: Explanation) -> str:
    lasting = (
        "class 5: the server asks for no retry of this attempt"
        if explanation.permanent
        else "class 4: it may pass"
    )
    address = (
        "dead: write to it no more"
        if explanation.suppress
        else "keep it: the reply does not say that it is dead"
    )
    lines = {
        "provider": explanation.provider or "not recognised",
        "code": " ".join(
            str(part)
            for part in (explanation.reply_code, explanation.enhanced_status, explanation.code)
            if part
        )
        or "none",
        "class": f"{explanation.class_}, {lasting}",
        "meaning": explanation.meaning,
        "address": address,
        "advice": explanation.advice,
        "source": explanation.source,
    }
    return "\n".join(f"{name:<9} {value}" for name, value in lines.items())
