"""Addresses and domains: their one form for comparing, what is one at all, and how people see them.

A domain in another script has two spellings, U-labels and A-labels (RFC 5890 section 2.3.2.1), and
whoever says no under one is meant under the other too. So every key under which a recipient or a
domain is stored or looked for is made here. The address that mail is sent to stays as it was given.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from .errors import InputError

__all__ = [
    "ADDRESS_PATTERN",
    "BadAddress",
    "canonical_address",
    "canonical_domain",
    "check_address",
    "check_domain",
    "domain_of",
    "domain_spellings",
    "readable_address",
    "readable_domain",
    "spellings",
]

_MOST_CHARACTERS = 320  # of an address: 64 and 255 octets (RFC 5321 4.5.3.1) and the @
_MOST_LABEL, _MOST_DOMAIN = 63, 253  # octets in the DNS (RFC 1035 section 3.1)
_SEEN = 4096  # domains remembered: a mailing's recipients share few

# Dots may stand anywhere before the @: RFC 5321 forbids "a..b" and "a.", a Japanese carrier gave
# out both for years. Between quotes anything printable may (4.1.2).
_LOCAL = r'(?:[^\x00-\x20\x7f"(),:;<>@\[\]\\]+|"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*")'
_SIGN = r"(?:[A-Za-z0-9_]|[^\x00-\x7f])"
_LABEL = rf"{_SIGN}(?:(?:-|{_SIGN})*{_SIGN})?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[A-Za-z0-9:.-]+\]"

ADDRESS_PATTERN = rf"^{_LOCAL}@(?:{_DOMAIN}|{_LITERAL})$"
"""What `check_address` takes, as far as a regular expression can say it."""

_ADDRESS = re.compile(ADDRESS_PATTERN.removeprefix("^").removesuffix("$"))
_DOMAIN_NAME = re.compile(_DOMAIN)
_PLAIN_LOCAL = re.compile(r'[^\x00-\x20\x7f"(),:;<>@\[\]\\]+')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# Scripts that one label may mix: how Japanese and Korean are written (UTS 39 section 5.2).
_WRITTEN_TOGETHER = ({"CJK", "HIRAGANA", "KATAKANA"}, {"CJK", "HANGUL"})
# Whole words of these can look like Latin ones ("аррӏе"), so they are shown only where the whole
# domain is in them.
_LIKE_LATIN = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


class BadAddress(InputError):
    """What should be the address of a mailbox, or a domain, is none."""

    id = "bad-address"


def canonical_domain(domain: str) -> str:
    """A domain in the form for comparing: lower case, A-labels, no dot at the end.

    Characters beyond ASCII are mapped as UTS 46 says, nontransitionally. What is no name stays,
    in lower case.
    """
    return domain.lower().rstrip(".") if domain.isascii() else _a_labels(domain)


@lru_cache(_SEEN)
def _a_labels(domain: str) -> str:
    import idna  # 20 ms of a start that mostly sees no such name

    mapped = domain.lower()
    try:
        mapped = idna.uts46_remap(mapped, std3_rules=False, transitional=False)
        # Not idna.encode: it refuses signs that mail programs and some registries take.
        return ".".join(map(_a_label, mapped.split("."))).lower().rstrip(".")
    except UnicodeError:  # idna's own errors too: no such name can be looked up
        return mapped.rstrip(".")


def _a_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def canonical_address(address: str) -> str:
    """An address in the form for comparing: lower case, the domain in A-labels, no needless quotes.

    RFC 5321 would let a server tell cases of the local part apart; none that we know does, and a
    no must not miss for that. What is no address stays, in lower case.
    """
    if address.isascii() and '"' not in address and not address.endswith("."):
        return address.lower()
    local, at, domain = address.rpartition("@")
    if not at:
        return address.lower()
    local = unicodedata.normalize("NFC", _unquoted(local)).lower()
    return f"{local}@{canonical_domain(domain)}"


def _unquoted(local: str) -> str:
    """`"anna"` and `anna` are the same mailbox (RFC 5321 4.1.2)."""
    if len(local) < 2 or not (local.startswith('"') and local.endswith('"')):
        return local
    content = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    if _PLAIN_LOCAL.fullmatch(content):
        return content
    return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'


def domain_of(address: str) -> str:
    """The domain of an address, for comparing."""
    return canonical_domain(address.rpartition("@")[2])


def spellings(address: str) -> tuple[str, ...]:
    """The forms under which an address may be stored: the one for comparing, which comes first,
    and its U-labels, which an earlier version kept as they came."""
    local, at, domain = canonical_address(address).rpartition("@")
    return tuple(f"{local}{at}{name}" for name in domain_spellings(domain))


def domain_spellings(domain: str) -> tuple[str, ...]:
    """The same of a domain."""
    plain = canonical_domain(domain)
    return tuple(dict.fromkeys((plain, ".".join(map(_u_label, plain.split("."))))))


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        found = label[4:].encode("ascii").decode("punycode")
        return found if canonical_domain(found) == label else label
    except UnicodeError:
        return label


def readable_domain(domain: str) -> str:
    """A domain for people: in its own script where each label is of one, else in A-labels.

    A label that mixes scripts, or that could pass for a Latin one, stays as the DNS has it.
    """
    plain = canonical_domain(domain)
    if "xn--" not in plain:
        return domain
    labels = [_u_label(label) for label in plain.split(".")]
    return ".".join(labels) if _is_safe(labels) else plain


def readable_address(address: str) -> str:
    """An address for people, its domain as `readable_domain` shows it."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{readable_domain(domain)}"


def _is_safe(labels: list[str]) -> bool:
    scripts = [_scripts(label) for label in labels]
    for found in scripts:
        if len(found) > 1 and not any(found <= some for some in _WRITTEN_TOGETHER):
            return False
        if found & _LIKE_LATIN and found != scripts[-1]:
            return False
    return all(c.isalnum() or c == "-" or unicodedata.combining(c) for c in "".join(labels))


def _scripts(label: str) -> frozenset[str]:
    """The scripts of a label's letters, by the first words of the characters' names."""
    return frozenset(unicodedata.name(c, "?").split()[0] for c in label if c.isalpha())


def check_address(text: str) -> str:
    """The address as it came; raises BadAddress for what is not of the form name@domain."""
    if len(text) > _MOST_CHARACTERS or not _ADDRESS.fullmatch(text):
        raise BadAddress(f"{text[:_MOST_CHARACTERS]!r} is not of the form name@domain")
    if not text.endswith("]"):
        _check_labels(text.rpartition("@")[2])
    return text


def check_domain(text: str) -> str:
    """A domain in its form for comparing; raises BadAddress for what is no domain name."""
    plain = text.rstrip(".")
    if not _DOMAIN_NAME.fullmatch(plain):
        raise BadAddress(f"{text[:_MOST_DOMAIN]!r} is no domain name")
    return _check_labels(plain)


def _check_labels(domain: str) -> str:
    plain = canonical_domain(domain)
    longest = max(map(len, plain.split(".")))
    fits = longest <= _MOST_LABEL and len(plain) <= _MOST_DOMAIN
    if not plain.isascii() or not _DOMAIN_NAME.fullmatch(plain) or not fits:
        raise BadAddress(f"{domain[:_MOST_DOMAIN]!r} is no domain name")
    return plain
