"""Rules on who the message says it is from: envelope, SPF, DKIM, DMARC.

Signatures are verified by dkimpy with keys that our resolver fetched before, so that no question
goes round `--resolver`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

import dkim

from ...lookup import Answer, Resolver
from ...model import Finding
from ..case import FAIL, INFO, OK, UNKNOWN, WARN
from ..findings import finding
from ..organization import same_organization
from ..spf import SpfResult, SpfVerdict, check_host
from ..tags import TagSyntaxError, parse_tags
from .reading import Reading

__all__ = ["Envelope", "check_authentication"]

_MAX_SIGNATURES = 5  # receivers look at a few; RFC 6376 section 6.1 lets them stop
# What dkimpy 1.1.8 raises for keys and signatures that a stranger wrote.
_BROKEN = (
    dkim.DKIMException,
    ArithmeticError,
    AssertionError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
# RFC 6376 section 5.4.1 and RFC 8058 section 4
_COVERED = ("from", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the message file does not show."""

    return_path: str | None = None  # MAIL FROM; None to take it from the Return-Path field
    ip: str | None = None  # the address that will send


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    domain: str
    selector: str
    covered: tuple[str, ...]
    has_length: bool
    result: str  # pass, fail or unknown
    detail: str


async def check_authentication(
    reading: Reading, envelope: Envelope, resolver: Resolver | None
) -> list[Finding]:
    """Every finding on authentication; without a resolver what needs the DNS is unknown."""
    path = envelope.return_path if envelope.return_path is not None else reading.return_path
    signatures, verdict = await asyncio.gather(
        _signatures(reading, resolver), _spf(envelope, path, resolver)
    )
    domain = reading.author_domain
    return [
        _envelope(domain, path),
        _spf_finding(envelope, path, verdict, resolver),
        _dkim(domain, signatures),
        *_coverage(reading, signatures),
        _dmarc(domain, path, signatures, verdict),
    ]


def _path_domain(path: str | None) -> str:
    return (path or "").rpartition("@")[2].lower()


def _envelope(domain: str, path: str | None) -> Finding:
    if path is None:
        return finding("lint.envelope", INFO, "MAIL FROM is not known; name it with --return-path")
    if not path:
        return finding("lint.envelope", INFO, "an empty MAIL FROM, as reports have it")
    observed = f"MAIL FROM <{path}>, From at {domain or 'nowhere'}"
    if domain and not same_organization(_path_domain(path), domain):
        return finding("lint.envelope", WARN, observed, fix="apart", domain=domain)
    return finding("lint.envelope", OK, observed)


async def _spf(
    envelope: Envelope, path: str | None, resolver: Resolver | None
) -> SpfVerdict | None:
    if resolver is None or envelope.ip is None or not path or "@" not in path:
        return None
    return await check_host(resolver, envelope.ip, _path_domain(path), path)


def _spf_finding(
    envelope: Envelope, path: str | None, verdict: SpfVerdict | None, resolver: Resolver | None
) -> Finding:
    if verdict is None:
        if resolver is None:
            return finding("lint.spf", UNKNOWN, "the DNS was not asked")
        return finding("lint.spf", INFO, "needs the sending address: name it with --ip")
    observed = f"{verdict.result} for {envelope.ip}: {verdict.reason}"
    if verdict.result is SpfResult.PASS:
        return finding("lint.spf", OK, observed)
    if verdict.result is SpfResult.TEMPERROR:
        return finding("lint.spf", UNKNOWN, observed)
    mechanism = f"ip{ipaddress.ip_address(envelope.ip or '').version}:{envelope.ip}"
    status = WARN if verdict.result is SpfResult.NEUTRAL else FAIL
    return finding(
        "lint.spf", status, observed, fix="fail", mechanism=mechanism, domain=_path_domain(path)
    )


async def _signatures(reading: Reading, resolver: Resolver | None) -> list[_Signature]:
    values = reading.values("dkim-signature")[:_MAX_SIGNATURES]
    found = [_signature(value) for value in values]
    if resolver is None:
        return found
    keys = await asyncio.gather(
        *(resolver.ask(f"{each.selector}._domainkey.{each.domain}", "TXT") for each in found)
    )
    return [
        _verified(reading.raw, number, each, key)
        for number, (each, key) in enumerate(zip(found, keys, strict=True))
    ]


def _signature(value: str) -> _Signature:
    try:
        tags = parse_tags(value)
    except TagSyntaxError as error:
        return _Signature(
            domain="", selector="", covered=(), has_length=False, result="fail", detail=str(error)
        )
    covered = tuple(name.strip().lower() for name in tags.get("h", "").split(":"))
    return _Signature(
        domain=tags.get("d", "").lower(),
        selector=tags.get("s", ""),
        covered=covered,
        has_length="l" in tags,
        result="unknown",
        detail="the DNS was not asked",
    )


def _verified(raw: bytes, number: int, signature: _Signature, key: Answer) -> _Signature:
    if signature.result == "fail":
        return signature
    if not key.is_known:
        return _judged(signature, "unknown", f"{key.name}: {key.outcome}, {key.detail}")
    if not key.records:
        return _judged(signature, "fail", f"no key at {key.name}")
    text = key.records[0].encode("utf-8", "surrogateescape")

    def known(name: bytes, timeout: int = 0) -> bytes:
        return text

    try:
        good = dkim.DKIM(raw).verify(idx=number, dnsfunc=known)
    except dkim.NaClNotFoundError:
        return _judged(signature, "unknown", "Ed25519 is checked only with PyNaCl installed")
    except _BROKEN as error:
        return _judged(signature, "fail", str(error) or type(error).__name__)
    return _judged(signature, "pass" if good else "fail", "" if good else "the signature is wrong")


def _judged(signature: _Signature, result: str, detail: str) -> _Signature:
    return _Signature(
        domain=signature.domain,
        selector=signature.selector,
        covered=signature.covered,
        has_length=signature.has_length,
        result=result,
        detail=detail,
    )


def _is_aligned(signature: _Signature, domain: str) -> bool:
    return bool(domain and signature.domain) and same_organization(signature.domain, domain)


def _dkim(domain: str, signatures: list[_Signature]) -> Finding:
    if not signatures:
        return finding("lint.dkim", FAIL, "no DKIM-Signature", fix="missing", domain=domain)
    texts = "; ".join(
        f"d={each.domain} s={each.selector}: {each.result}{' ' * bool(each.detail)}{each.detail}"
        for each in signatures
    )
    aligned = [each for each in signatures if _is_aligned(each, domain)]
    if not aligned:
        return finding("lint.dkim", FAIL, texts, fix="apart", domain=domain)
    if any(each.result == "pass" for each in aligned):
        return finding("lint.dkim", OK, texts)
    broken = [each for each in aligned if each.result == "fail"]
    if broken:
        return finding("lint.dkim", FAIL, texts, fix="broken", fault=broken[0].detail)
    return finding("lint.dkim", UNKNOWN, texts)


def _coverage(reading: Reading, signatures: list[_Signature]) -> list[Finding]:
    present = {f.name for f in reading.message.root.fields}
    ours = [each for each in signatures if _is_aligned(each, reading.author_domain)] or signatures
    if not ours:
        return []
    if all(each.has_length for each in ours):
        return [finding("lint.dkim-coverage", WARN, "the signature has l=", fix="length")]
    missing = [
        name
        for name in _COVERED
        if name in present and not any(name in each.covered for each in ours)
    ]
    if missing:
        fields = ", ".join(missing)
        return [
            finding(
                "lint.dkim-coverage", WARN, f"not signed: {fields}", fix="fields", fields=fields
            )
        ]
    return [finding("lint.dkim-coverage", OK, "what matters is signed")]


def _dmarc(
    domain: str,
    path: str | None,
    signatures: list[_Signature],
    verdict: SpfVerdict | None,
) -> Finding:
    """Whether receivers will find an aligned pass (RFC 9989 section 4.4, relaxed)."""
    if not domain:
        return finding("lint.dmarc", FAIL, "no From domain", fix="fail", domain="the From domain")
    aligned = [each for each in signatures if _is_aligned(each, domain)]
    by_dkim = any(each.result == "pass" for each in aligned)
    path_fits = bool(path) and same_organization(_path_domain(path), domain)
    by_spf = path_fits and verdict is not None and verdict.result is SpfResult.PASS
    ways = [name for name, good in (("DKIM", by_dkim), ("SPF", by_spf)) if good]
    if ways:
        return finding("lint.dmarc", OK, f"aligned pass by {' and '.join(ways)}")
    open_dkim = any(each.result == "unknown" for each in aligned)
    open_spf = path is None or (path_fits and (verdict is None or verdict.result == "temperror"))
    if open_dkim or open_spf:
        observed = "no aligned pass is certain: DKIM or SPF could not be checked"
        return finding("lint.dmarc", UNKNOWN, observed)
    return finding(
        "lint.dmarc", FAIL, "neither DKIM nor SPF passes and is aligned", fix="fail", domain=domain
    )
