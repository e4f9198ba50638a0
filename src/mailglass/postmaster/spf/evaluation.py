"""What a receiver decides: check_host of RFC 7208 section 4, with its limits.

Every lookup that counts is kept with the records that led to it, so that a permerror from the limit
of ten can be shown as a path and not only as a number.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum

from ...lookup import Answer, Outcome, Resolver
from .macros import MacroError, expand, letters
from .record import COUNTED, SpfRecord, SpfSyntaxError, Term, parse_record, spf_records

__all__ = ["SpfResult", "SpfVerdict", "check_host", "is_domain"]

MAX_LOOKUPS = 10  # section 4.6.4
MAX_VOIDS = 2  # section 4.6.4
_MAX_NAMES = 10  # section 4.6.4: names of one MX or PTR answer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class SpfResult(StrEnum):
    """The seven results (section 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_QUALIFIERS = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfVerdict:
    """A result with what led to it."""

    result: SpfResult
    reason: str  # one sentence
    matched: str = ""  # the term that decided
    path: tuple[str, ...] = ()  # the domains whose records led there
    lookups: int = 0  # that count against the limit of ten
    voids: int = 0  # that found nothing
    explanation: str = ""  # what the domain says to a refused sender (section 6.2)


class _StopError(Exception):
    """The evaluation ends at once with an error."""

    def __init__(self, result: SpfResult, reason: str, path: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.path = path


def is_domain(name: str) -> bool:
    """Whether `name` can be looked up and has two labels or more (section 4.3)."""
    labels = name.removesuffix(".").split(".")
    return (
        len(labels) > 1
        and len(name.removesuffix(".")) <= 253
        and all(0 < len(label.encode()) <= 63 for label in labels)
    )


async def check_host(
    resolver: Resolver,
    ip: str,
    domain: str,
    sender: str = "",
    *,
    helo: str = "",
    receiver: str = "unknown",
    unix_seconds: int = 0,
) -> SpfVerdict:
    """What a receiver decides of mail from `ip` whose MAIL FROM (or HELO) is at `domain`.

    `sender` is the whole MAIL FROM, by default postmaster at the domain. Raises ValueError when
    `ip` is no address; DNS failures are temperror.
    """
    address: Address = ipaddress.ip_address(ip)
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    if "@" not in sender or sender.startswith("@"):
        sender = "postmaster@" + (sender.removeprefix("@") or domain)
    run = _Run(resolver, address, sender, helo or domain, receiver, unix_seconds)
    try:
        return run.verdict(*await run.check(domain, ()))
    except _StopError as stop:
        return SpfVerdict(
            result=stop.result,
            reason=stop.reason,
            path=stop.path,
            lookups=run.lookups,
            voids=run.voids,
        )


@dataclass
class _Match:
    result: SpfResult
    reason: str
    term: str = ""
    path: tuple[str, ...] = ()
    explanation: str = ""


@dataclass
class _Run:
    resolver: Resolver
    ip: Address
    sender: str
    helo: str
    receiver: str
    unix_seconds: int
    lookups: int = 0
    voids: int = 0
    _names: dict[str, str] = field(default_factory=dict)  # what %{p} came to, by domain

    def verdict(self, match: _Match, explanation: str) -> SpfVerdict:
        return SpfVerdict(
            result=match.result,
            reason=match.reason,
            matched=match.term,
            path=match.path,
            lookups=self.lookups,
            voids=self.voids,
            explanation=explanation,
        )

    async def check(self, domain: str, path: tuple[str, ...]) -> tuple[_Match, str]:
        """The match at one domain and, for a refusal, the explanation."""
        path = (*path, domain.removesuffix(".").lower())
        found = await self._record(domain, path)
        if isinstance(found, _Match):
            return found, ""
        for term in found.mechanisms:
            if await self._matches(term, domain, path):
                match = _Match(
                    _QUALIFIERS[term.qualifier], f"{term.text} matches {self.ip}", term.text, path
                )
                return match, await self._explain(match, found, domain)
        if found.redirect:
            return await self._redirect(found.redirect, domain, path)
        return _Match(SpfResult.NEUTRAL, "no mechanism matches", "", path), ""

    async def _record(self, domain: str, path: tuple[str, ...]) -> SpfRecord | _Match:
        if not is_domain(domain):
            return _Match(SpfResult.NONE, f"{domain!r} is no domain name", "", path)
        answer = await self.resolver.ask(domain, "TXT")
        if not answer.is_known:
            raise _StopError(SpfResult.TEMPERROR, f"TXT of {domain}: {answer.detail}", path)
        texts = spf_records(answer.records)
        if not texts:
            return _Match(SpfResult.NONE, f"{domain} has no SPF record", "", path)
        if len(texts) > 1:
            reason = f"{domain} has {len(texts)} SPF records"
            raise _StopError(SpfResult.PERMERROR, reason, path)
        try:
            return parse_record(texts[0])
        except SpfSyntaxError as error:
            raise _StopError(SpfResult.PERMERROR, str(error), path) from error

    async def _redirect(self, term: Term, domain: str, path: tuple[str, ...]) -> tuple[_Match, str]:
        self._count(term, path)
        target = await self._domain(term, domain)
        match, explanation = await self.check(target, path)
        if match.result is SpfResult.NONE:
            raise _StopError(SpfResult.PERMERROR, f"{term.text}: {match.reason}", path)
        return match, explanation

    def _count(self, term: Term, path: tuple[str, ...]) -> None:
        if term.name in COUNTED:
            self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            reason = f"{term.text} would be lookup {self.lookups} of {MAX_LOOKUPS}"
            raise _StopError(SpfResult.PERMERROR, reason, path)

    async def _matches(self, term: Term, domain: str, path: tuple[str, ...]) -> bool:
        self._count(term, path)
        if term.name == "all":
            return True
        if term.network is not None:
            return self.ip in term.network
        target = await self._domain(term, domain)
        if term.name == "include":
            return await self._include(term, target, path)
        if term.name == "ptr":
            return any(_is_within(name, target) for name in await self._validated(target, path))
        if term.name == "exists":
            return bool((await self._ask(target, "A", path)).records)
        hosts = await self._mail_hosts(term, target, path) if term.name == "mx" else [target]
        for host in hosts:
            kind = "A" if self.ip.version == 4 else "AAAA"
            answer = await self._ask(host, kind, path)
            mask = term.mask4 if self.ip.version == 4 else term.mask6
            if any(self._is_near(record, mask) for record in answer.records):
                return True
        return False

    async def _include(self, term: Term, target: str, path: tuple[str, ...]) -> bool:
        match, _ = await self.check(target, path)
        if match.result is SpfResult.NONE:
            raise _StopError(SpfResult.PERMERROR, f"{term.text}: {match.reason}", path)
        return match.result is SpfResult.PASS

    async def _mail_hosts(self, term: Term, target: str, path: tuple[str, ...]) -> list[str]:
        answer = await self._ask(target, "MX", path)
        hosts = [record.partition(" ")[2] for record in answer.records]
        if len(hosts) > _MAX_NAMES:
            reason = f"{term.text} has {len(hosts)} MX hosts, more than {_MAX_NAMES}"
            raise _StopError(SpfResult.PERMERROR, reason, path)
        return [host for host in hosts if host]

    async def _ask(self, name: str, kind: str, path: tuple[str, ...]) -> Answer:
        answer = await self.resolver.ask(name, kind)
        if not answer.is_known:
            raise _StopError(SpfResult.TEMPERROR, f"{kind} of {name}: {answer.detail}", path)
        self.voids += answer.is_void
        if self.voids > MAX_VOIDS:
            reason = f"{kind} of {name} is void lookup {self.voids} of {MAX_VOIDS}"
            raise _StopError(SpfResult.PERMERROR, reason, path)
        return answer

    def _is_near(self, record: str, mask: int) -> bool:
        return self.ip in ipaddress.ip_network(f"{record}/{mask}", strict=False)

    async def _validated(self, domain: str, path: tuple[str, ...]) -> list[str]:
        """The names of the address that point back to it (section 5.5); errors only lose names."""
        answer = await self.resolver.ask(self.ip.reverse_pointer, "PTR")
        if answer.is_void:
            self.voids += 1
        kind = "A" if self.ip.version == 4 else "AAAA"
        names = []
        for name in answer.records[:_MAX_NAMES]:
            back = await self.resolver.ask(name, kind)
            if any(ipaddress.ip_address(record) == self.ip for record in back.records):
                names.append(name)
        if self.voids > MAX_VOIDS:
            raise _StopError(SpfResult.PERMERROR, "too many void lookups", path)
        return names

    async def _domain(self, term: Term, domain: str) -> str:
        if term.domain_spec is None:
            return domain
        name = await self._expand(term.domain_spec, domain)
        # Section 7.3: a name that grew too long loses labels on the left.
        while len(name.removesuffix(".")) > 253 and "." in name:
            name = name.partition(".")[2]
        return name

    async def _expand(self, text: str, domain: str) -> str:
        local, _, at = self.sender.rpartition("@")
        wanted = letters_of_explanation(text)
        nibbles = ".".join(self.ip.exploded.replace(":", "")) if self.ip.version == 6 else ""
        values = {
            "s": self.sender,
            "l": local,
            "o": at,
            "d": domain.removesuffix("."),
            "i": nibbles or str(self.ip),
            "p": await self._name(domain) if "p" in wanted else "",
            "v": "ip6" if nibbles else "in-addr",
            "h": self.helo,
            "c": str(self.ip),
            "r": self.receiver,
            "t": str(self.unix_seconds),
        }
        return expand(text, values)

    async def _name(self, domain: str) -> str:
        """What %{p} stands for (section 7.3)."""
        if domain not in self._names:
            names = await self._validated(domain, ())
            inside = [name for name in names if _is_within(name, domain)]
            exact = [name for name in inside if name == domain.lower()]
            self._names[domain] = (exact or inside or names or ["unknown"])[0]
        return self._names[domain]

    async def _explain(self, match: _Match, record: SpfRecord, domain: str) -> str:
        """The explanation of a refusal, or nothing when anything is wrong with it (6.2)."""
        if match.result is not SpfResult.FAIL or record.explanation is None:
            return ""
        target = await self._domain(record.explanation, domain)
        answer = await self.resolver.ask(target, "TXT")
        if answer.outcome is not Outcome.ANSWERS or len(answer.records) != 1:
            return ""
        text = answer.records[0]
        if not text.isascii():
            return ""
        try:
            return await self._expand(text, domain)
        except MacroError:
            return ""


def letters_of_explanation(text: str) -> set[str]:
    """The macro letters of a text in which spaces may stand."""
    return set().union(*(letters(word) for word in text.split(" ")))


def _is_within(name: str, domain: str) -> bool:
    name, domain = name.lower().rstrip("."), domain.lower().rstrip(".")
    return name == domain or name.endswith("." + domain)
