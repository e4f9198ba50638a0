"""The connection test: at which step a delivery to a domain fails, and why.

It follows a sender's way, DNS, connect, banner, EHLO, STARTTLS, MAIL, RCPT, and stops there: no
message is sent. A recipient is named only when the user gives one; addresses are never guessed.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..lookup import Answer, Dialler, Resolver
from ..replies import explain_reply
from .certificates import CertificateSummary, summarise
from .dialogue import Conversation, Step, converse

__all__ = ["ConnectionReport", "StepResult", "try_connection"]

_MAX_HOSTS = 5  # a sender goes on to the next host when one does not answer; so do we, for a while

_WHY = {
    "refused": "nothing listens there, or a firewall rejects us",
    "timeout": "no answer: a firewall drops the packets, or outgoing port 25 is closed at our host",
    "unreachable": "no route to it",
    "closed": "the server hung up: it may limit or refuse our address",
    "tls": "the two sides have no protocol or cipher in common",
    "garbage": "whatever answers there does not speak SMTP",
    "certificate": "the certificate is not acceptable",
}
_ASKED = {
    Step.BANNER: "the server refuses our address before we said anything",
    Step.EHLO: "the server refuses our name: give --helo a name that leads to our address",
    Step.STARTTLS: "the server offers TLS but cannot start it",
    Step.MAIL: "the server refuses the sender: look at SPF, PTR and blocklists (mailglass doctor)",
    Step.RCPT: "the server refuses the recipient",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step came out."""

    step: Step
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """One attempt, host by host."""

    target: str
    steps: tuple[StepResult, ...]  # of the host that got furthest
    conversations: tuple[Conversation, ...]
    certificate: CertificateSummary | None

    @property
    def failed(self) -> StepResult | None:
        """The step that failed, or nothing."""
        return next((step for step in self.steps if not step.passed), None)

    @property
    def is_unknown(self) -> bool:
        """Whether the failure is silence, which may be ours."""
        silent = all(talk.reason == "timeout" for talk in self.conversations)
        return self.failed is not None and silent


async def try_connection(
    resolver: Resolver,
    dialler: Dialler,
    target: str,
    *,
    helo: str,
    port: int = 25,
    mail_from: str | None = None,
    recipient: str | None = None,
) -> ConnectionReport:
    """Go through the MX hosts of a domain (or to a host in brackets) until one answers.

    `target` is a domain, or `[host]` or `[address]` to go there directly. With a `recipient`
    `mail_from` may be empty, which is the sender of bounces.
    """
    places, fault = await _places(resolver, target)
    if not places:
        step = StepResult(step=Step.DNS, passed=False, detail=fault)
        return ConnectionReport(target=target, steps=(step,), conversations=(), certificate=None)
    if recipient is not None and mail_from is None:
        mail_from = ""
    talks: list[Conversation] = []
    for host, address in places[:_MAX_HOSTS]:
        talk = await converse(
            dialler, host, address, port, helo=helo, mail_from=mail_from, recipient=recipient
        )
        talks.append(talk)
        if Step.BANNER in talk.passed:
            break
    best = max(talks, key=lambda talk: len(talk.passed))
    found = ", ".join(f"{host} [{address}]" for host, address in places)
    first = StepResult(step=Step.DNS, passed=True, detail=found)
    return ConnectionReport(
        target=target,
        steps=(first, *_steps(best)),
        conversations=tuple(talks),
        certificate=summarise(best.tls.certificate) if best.tls else None,
    )


def _steps(talk: Conversation) -> list[StepResult]:
    steps = [StepResult(step=step, passed=True, detail=_good(talk, step)) for step in talk.passed]
    if talk.failed:
        steps = [step for step in steps if step.step is not talk.failed]
        detail = f"{talk.detail}: {_because(talk, talk.failed)}"
        steps.append(StepResult(step=talk.failed, passed=False, detail=detail))
    return steps


def _because(talk: Conversation, step: Step) -> str:
    if talk.reason == "reply":
        explanation = explain_reply(talk.detail, mx=talk.host)
        return f"{_ASKED[step]}. It means: {explanation.meaning}. {explanation.advice}"
    if step is Step.STARTTLS and talk.reason == "closed":
        return "the handshake was broken off: what answers there does not speak TLS"
    return _WHY[talk.reason]


def _good(talk: Conversation, step: Step) -> str:
    if step is Step.CONNECT:
        return f"{talk.host} [{talk.address}]:{talk.port}"
    if step is Step.EHLO:
        return " ".join(talk.extensions)
    if step is Step.STARTTLS and talk.tls:
        checked = talk.certificate_fault or "certificate accepted"
        return f"{talk.tls.version}, {talk.tls.cipher}, {checked}"
    return "accepted"


async def _places(resolver: Resolver, target: str) -> tuple[list[tuple[str, str]], str]:
    """Hosts with an address each, best first, or the reason why there is none."""
    if target.startswith("["):
        hosts = [target.strip("[]")]
    else:
        answer = await resolver.ask(target, "MX")
        if not answer.is_known:
            return [], _no_answer(answer)
        pairs = [record.split(" ", 1) for record in answer.records]
        hosts = [host.strip(".") for _, host in sorted(pairs, key=lambda pair: int(pair[0]))]
        if hosts == [""]:
            return [], f"{target} receives no mail (null MX, RFC 7505)"
        hosts = hosts or [target]
    places: list[tuple[str, str]] = []
    fault = f"{target} has no host with an address"
    for host in hosts[:_MAX_HOSTS]:
        addresses, failure = await _addresses(resolver, host)
        places += [(host, address) for address in addresses]
        fault = failure or fault
    return places, fault


async def _addresses(resolver: Resolver, host: str) -> tuple[list[str], str]:
    try:
        return [str(ipaddress.ip_address(host))], ""
    except ValueError:
        answers = [await resolver.ask(host, kind) for kind in ("A", "AAAA")]
    failure = next((_no_answer(answer) for answer in answers if not answer.is_known), "")
    return [record for answer in answers for record in answer.records], failure


def _no_answer(answer: Answer) -> str:
    return f"{answer.kind} of {answer.name}: {answer.outcome}; {answer.detail}"
