"""DKIM key records (RFC 6376 section 3.6, RFC 8301, RFC 8463)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import csv
import re
from dataclasses import dataclass
from importlib.resources import files

from dkim.asn1 import ASN1FormatError
from dkim.crypto import UnparsableKeyError, parse_public_key

from ...errors import InputError
from ...lookup import Answer
from ...model import Finding
from ..case import FAIL, OK, UNKNOWN, WARN, Case, why_unknown
from ..findings import finding
from ..tags import TagSyntaxError, parse_tags
from .alignment import check_alignment

__all__ = ["DkimKey", "DkimKeyError", "check_dkim", "parse_key"]

_LEAST_BITS = 1024  # RFC 8301 section 3.2: verifiers must not accept less
_GOOD_BITS = 2048  # RFC 8301 section 3.2: signers should use this
# What dkimpy 1.1.8 raises for bytes that are no key: its reader asserts and indexes freely.
_UNREADABLE = (
    UnparsableKeyError,
    ASN1FormatError,
    AssertionError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
_NOBODY = "mailglass-asks-for-a-wildcard"  # a selector that nobody publishes


class DkimKeyError(InputError):
    """A key record cannot be read."""

    id = "dkim-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """What a key record says."""

    algorithm: str  # rsa or ed25519
    bits: int  # 0 when revoked
    is_revoked: bool
    is_testing: bool  # t=y
    is_strict: bool  # t=s: no subdomains in i=
    hashes: tuple[str, ...]  # empty: all
    services: tuple[str, ...]


def parse_key(text: str) -> DkimKey:
    """Read a key record; raises DkimKeyError with what is wrong."""
    try:
        tags = parse_tags(text)
    except TagSyntaxError as error:
        raise DkimKeyError(str(error)) from error
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise DkimKeyError("v= must be DKIM1 and stand first")
    if "p" not in tags:
        raise DkimKeyError("there is no p= with a key")
    algorithm = tags.get("k", "rsa").lower()
    flags = _words(tags.get("t", ""))
    packed = re.sub(r"\s", "", tags["p"])
    return DkimKey(
        algorithm=algorithm,
        bits=_bits(algorithm, packed) if packed else 0,
        is_revoked=not packed,
        is_testing="y" in flags,
        is_strict="s" in flags,
        hashes=_words(tags.get("h", "")),
        services=_words(tags.get("s", "*")),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in text.split(":") if word.strip())


def _bits(algorithm: str, packed: str) -> int:
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DkimKeyError(f"p= is no base64: {error}") from error
    if algorithm == "ed25519":
        if len(data) != 32:
            raise DkimKeyError(f"an Ed25519 key has 32 bytes, this one {len(data)}")
        return 256
    if algorithm != "rsa":
        raise DkimKeyError(f"k={algorithm} is no known kind of key")
    try:
        return int(parse_public_key(data)["modulus"]).bit_length()
    except _UNREADABLE as error:
        raise DkimKeyError("p= holds no RSA public key") from error


def _usual_selectors() -> tuple[str, ...]:
    text = files("mailglass.postmaster").joinpath("data/selectors.tsv").read_text("utf-8")
    return tuple(row["selector"] for row in csv.DictReader(text.splitlines(), delimiter="\t"))


async def check_dkim(case: Case) -> list[Finding]:
    """The keys of the given selectors, or of the usual ones when none is given."""
    selectors = case.selectors or _usual_selectors()
    names = [f"{selector}._domainkey.{case.domain}" for selector in selectors]
    nobody, alignment, answers = await asyncio.gather(
        case.resolver.ask(f"{_NOBODY}._domainkey.{case.domain}", "TXT"),
        check_alignment(case, "dkim.alignment", "adkim", "d="),
        asyncio.gather(*(case.resolver.ask(name, "TXT") for name in names)),
    )
    if not case.selectors:
        answers = [a for a in answers if a.records and a.records != nobody.records]
        if not answers:
            return [_not_found(case, selectors, nobody)]
    found = [each for answer in answers for each in _judge(answer, nobody)]
    kinds = [key.algorithm for key in map(_readable, answers) if key]
    if kinds and set(kinds) == {"ed25519"}:
        observed = "only Ed25519 keys were found"
        found.append(finding("dkim.key-size", WARN, observed, fix="only-ed25519"))
    return [*found, alignment]


def _not_found(case: Case, selectors: tuple[str, ...], nobody: Answer) -> Finding:
    if not nobody.is_known:
        return finding("dkim.key", UNKNOWN, why_unknown(nobody))
    observed = (
        f"none of the usual selectors ({', '.join(selectors)}) has a key at {case.domain}; "
        "name yours with --selector"
    )
    return finding("dkim.key", UNKNOWN, observed)


def _readable(answer: Answer) -> DkimKey | None:
    try:
        return parse_key(answer.records[0]) if len(answer.records) == 1 else None
    except DkimKeyError:
        return None


def _judge(answer: Answer, nobody: Answer) -> list[Finding]:
    name = answer.name
    if not answer.is_known:
        return [finding("dkim.key", UNKNOWN, why_unknown(answer))]
    if not answer.records:
        return [
            finding(
                "dkim.key",
                FAIL,
                f"no record at {name} ({answer.outcome})",
                fix="missing",
                name=name,
            )
        ]
    if answer.records == nobody.records:
        return [
            finding(
                "dkim.key",
                FAIL,
                f"a wildcard answers for {name}: {answer.records[0]}",
                fix="wildcard",
                name=name,
            )
        ]
    if len(answer.records) > 1:
        observed = f"{len(answer.records)} records at {name}: verifiers take any of them"
        return [finding("dkim.key", FAIL, observed, fix="several", name=name)]
    try:
        key = parse_key(answer.records[0])
    except DkimKeyError as error:
        return [finding("dkim.key", FAIL, f"{name}: {error}", fix="broken", name=name, fault=error)]
    if key.is_revoked:
        return [finding("dkim.key", FAIL, f"{name} is revoked (empty p=)", fix="revoked")]
    alias = f", by way of {answer.aliases[-1]}" if answer.aliases else ""
    observed = f"{name}: {key.algorithm} of {key.bits} bits{alias}"
    return [finding("dkim.key", OK, observed), *_details(name, key)]


def _details(name: str, key: DkimKey) -> list[Finding]:
    found = [_size(name, key)]
    if key.is_testing:
        found.append(finding("dkim.test-flag", WARN, f"t=y at {name}", fix="testing", name=name))
    else:
        found.append(finding("dkim.test-flag", OK, "no t=y"))
    if key.hashes and "sha256" not in key.hashes:
        found.append(
            finding(
                "dkim.hash",
                FAIL,
                f"h={':'.join(key.hashes)} at {name}",
                fix="restricted",
                tag="h=",
                name=name,
            )
        )
    elif not {"*", "email"} & set(key.services):
        found.append(
            finding(
                "dkim.hash",
                FAIL,
                f"s={':'.join(key.services)} at {name}",
                fix="restricted",
                tag="s=",
                name=name,
            )
        )
    else:
        found.append(finding("dkim.hash", OK, "SHA-256 and e-mail are allowed"))
    return found


def _size(name: str, key: DkimKey) -> Finding:
    observed = f"{key.algorithm}, {key.bits} bits"
    if key.algorithm == "ed25519" or key.bits >= _GOOD_BITS:
        return finding("dkim.key-size", OK, observed)
    status = FAIL if key.bits < _LEAST_BITS else WARN
    return finding("dkim.key-size", status, observed, fix="short", name=name)
