"""The grammar of an SPF record (RFC 7208 sections 4.6, 5, 6 and 12).

A record is parsed as a whole before anything is looked up: a fault anywhere spoils it everywhere
(section 4.6).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import InputError
from .macros import MacroError, check_domain_spec, check_macro_string

__all__ = ["COUNTED", "SpfRecord", "SpfSyntaxError", "Term", "parse_record", "spf_records"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

COUNTED = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})  # section 4.6.4

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9\-_.]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+\-?~]?)([A-Za-z][A-Za-z0-9\-_.]*)([:/].*)?", re.DOTALL)
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")

# Which argument each mechanism takes: none, optional or required, and whether masks may follow.
_SHAPES = {
    "all": ("none", False),
    "include": ("required", False),
    "a": ("optional", True),
    "mx": ("optional", True),
    "ptr": ("optional", False),
    "exists": ("required", False),
    "ip4": ("network", False),
    "ip6": ("network", False),
}


class SpfSyntaxError(InputError):
    """A record breaks the grammar; a receiver answers permerror."""

    id = "spf-syntax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One mechanism, or one of the two modifiers that matter."""

    text: str  # as written
    name: str  # lower case
    qualifier: str = "+"
    domain_spec: str | None = None  # with its macros
    mask4: int = 32
    mask6: int = 128
    network: Network | None = None  # of ip4 and ip6


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """A record that follows the grammar."""

    text: str
    mechanisms: tuple[Term, ...]
    redirect: Term | None = None
    explanation: Term | None = None

    @property
    def catch_all(self) -> Term | None:
        """The `all` mechanism, after which nothing is evaluated."""
        return next((term for term in self.mechanisms if term.name == "all"), None)


def spf_records(texts: Iterable[str]) -> tuple[str, ...]:
    """Those TXT records that are SPF records (section 4.5)."""
    return tuple(t for t in texts if t.lower() == "v=spf1" or t.lower().startswith("v=spf1 "))


def parse_record(text: str) -> SpfRecord:
    """Read a record that begins with `v=spf1`; raises SpfSyntaxError with the term at fault."""
    if not text.isascii():
        raise SpfSyntaxError("the record holds characters outside ASCII")
    mechanisms: list[Term] = []
    modifiers: dict[str, Term] = {}
    for word in text[len("v=spf1") :].split(" "):
        modifier = _MODIFIER.fullmatch(word)
        if modifier:
            term = _read_modifier(word, modifier[1].lower(), modifier[2])
            if term and term.name in modifiers:
                raise SpfSyntaxError(f"{term.name}= stands twice")
            if term:
                modifiers[term.name] = term
        elif word:
            mechanisms.append(_read_mechanism(word))
    return SpfRecord(
        text=text,
        mechanisms=tuple(mechanisms),
        redirect=modifiers.get("redirect"),
        explanation=modifiers.get("exp"),
    )


def _read_modifier(word: str, name: str, value: str) -> Term | None:
    """The modifier, or nothing for one that the RFC tells receivers to ignore (section 6)."""
    try:
        if name not in ("redirect", "exp"):
            check_macro_string(value)
            return None
        check_domain_spec(value)
    except MacroError as error:
        raise SpfSyntaxError(f"{word}: {error}") from error
    return Term(text=word, name=name, domain_spec=value)


def _read_mechanism(word: str) -> Term:
    match = _MECHANISM.fullmatch(word)
    name = match[2].lower() if match else ""
    if not match or name not in _SHAPES:
        raise SpfSyntaxError(f"{word} is no mechanism")
    qualifier, argument = match[1] or "+", match[3] or ""
    shape, has_masks = _SHAPES[name]
    if shape == "network":
        network = _read_network(word, name, argument)
        return Term(text=word, name=name, qualifier=qualifier, network=network)
    mask4, mask6 = 32, 128
    if has_masks:
        argument, mask4, mask6 = _split_masks(word, argument)
    spec = _read_spec(word, argument, shape)
    return Term(
        text=word, name=name, qualifier=qualifier, domain_spec=spec, mask4=mask4, mask6=mask6
    )


def _read_spec(word: str, argument: str, shape: str) -> str | None:
    if not argument and shape != "required":
        return None
    if shape == "none" or not argument.startswith(":"):
        wanted = "takes no argument" if shape == "none" else "needs a domain after a colon"
        raise SpfSyntaxError(f"{word}: it {wanted}")
    try:
        check_domain_spec(argument[1:])
    except MacroError as error:
        raise SpfSyntaxError(f"{word}: {error}") from error
    return argument[1:]


def _split_masks(word: str, argument: str) -> tuple[str, int, int]:
    masks = _CIDR.search(argument)
    if not masks:
        return argument, 32, 128
    mask4, mask6 = int(masks[1] or 32), int(masks[2] or 128)
    if mask4 > 32 or mask6 > 128:
        raise SpfSyntaxError(f"{word}: the mask is too long")
    return argument[: masks.start()], mask4, mask6


def _read_network(word: str, name: str, argument: str) -> Network:
    text, slash, mask = argument.removeprefix(":").partition("/")
    kind = ipaddress.IPv4Network if name == "ip4" else ipaddress.IPv6Network
    if not argument.startswith(":") or "%" in text or not re.fullmatch(r"0|[1-9]\d*|", mask):
        raise SpfSyntaxError(f"{word}: it needs an address after a colon")
    if slash and not mask:
        raise SpfSyntaxError(f"{word}: the mask is missing")
    try:
        return kind(f"{text}/{mask}" if mask else text, strict=False)
    except ValueError as error:
        raise SpfSyntaxError(f"{word}: {error}") from error
