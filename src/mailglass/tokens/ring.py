"""Short signed names for targets.

A token is 18 or 19 bytes in lower-case base32 without padding, 29 or 31 characters:

    1 byte   version (1 bit), anonymous (1 bit), kind (3 bits), key number modulo 8 (3 bits)
    8 bytes  delivery id; of an anonymous token the id of the message or campaign
    1 or 2   target number: one byte below 128, else two with the high bit set
    8 bytes  BLAKE2b (RFC 7693) keyed with the key, over all of the above and the bound value

The bound value is what the URL shows beside the token (a link's destination, an attachment's digest
and name): it is under the tag, so that nobody can change it, and the URL needs no lookup.
Lower-case base32 survives clients that fold URLs to lower case; 31 characters stay below the 45 in
a row that SpamAssassin 4 scores.
Old keys verify for ever: when there are more than eight, those that share a number are all tried.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

from ..errors import BadToken, ConfigurationError

__all__ = ["Kind", "Ring", "Token"]

_TAG_BYTES = 8  # 64 bits: a forger needs 2**63 requests on average, each one recorded
_KEY_BYTES = 32
_MAX_TARGET = 0x7FFF
_ID_MASK = (1 << 64) - 1
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 section 6, in lower case
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_BYTES = tuple(bytes((number,)) for number in range(256))

# base32's digits (RFC 4648 section 6) as those of int(…, 32); anything else as one it refuses
_VALUES = bytearray(b"!" * 256)
for _digit, _value in zip(_DIGITS, b"0123456789abcdefghijklmnopqrstuv", strict=True):
    _VALUES[ord(_digit)] = _VALUES[ord(_digit.upper())] = _value


class Kind(IntEnum):
    """What a token may be used for; it is under the tag, so an open token is no click token."""

    OPEN = 0
    CLICK = 1
    ATTACHMENT = 2
    UNSUBSCRIBE = 3
    NOTICE = 4
    RETURN_PATH = 5  # the local part that bounces come back to
    REPLY = 6  # the local part that replies come back to
    SELF = 7  # "this is me": marks the sender's own browser


class Token(NamedTuple):
    """What a token that verified says."""

    kind: Kind
    delivery_id: int
    target: int
    anonymous: bool


class Ring:
    """The keys: the last one signs, all of them verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` in the order of their making, 32 bytes each.

        Raises ConfigurationError when there is none or one has another length.
        """
        self._states = _states(keys)
        self._verifying = _by_number(self._states)
        self._signing = len(self._states) - 1

    def renew(self, keys: Sequence[bytes]) -> int:
        """Take over keys that were added; returns how many.

        Other threads may sign and verify meanwhile: keys only come, and the one that signs is set
        last. Raises ConfigurationError, and changes nothing, when a key that is here is missing:
        tokens in mail already sent would stop verifying.
        """
        fresh, here = _states(keys), self._states
        if [s.digest() for s in fresh[: len(here)]] != [s.digest() for s in here]:
            raise ConfigurationError(
                f"the {len(here)} keys in use do not stand first, in their order; restore them, "
                "and add new ones behind them"
            )
        self._states = fresh
        self._verifying = _by_number(fresh)
        self._signing = len(fresh) - 1
        return len(fresh) - len(here)

    @staticmethod
    def new_key() -> bytes:
        """A fresh key from the system's generator."""
        return secrets.token_bytes(_KEY_BYTES)

    def mint(
        self,
        kind: Kind,
        delivery_id: int,
        target: int = 0,
        *,
        bound: bytes = b"",
        anonymous: bool = False,
    ) -> str:
        """The token for a target, with `bound` under its tag."""
        if not 0 <= target <= _MAX_TARGET:
            raise BadToken(f"target {target} is outside 0 to {_MAX_TARGET}")
        signing = self._signing
        head = _head(kind, delivery_id, target, anonymous, signing & 7)
        return _encode(head + self._tag(signing, head, bound))

    def mint_all(
        self,
        delivery_id: int,
        wanted: Sequence[tuple[Kind, int, bytes]],
        *,
        anonymous: bool = False,
    ) -> list[str]:
        """The tokens of one delivery for `(kind, target, bound)` each, as `mint` makes them.

        Takes a third of the time for a message with many links: what the tokens share is written
        once, and base32 comes from a table (bench/instrument.py).
        """
        signing = self._signing
        state = self._states[signing]
        low = (delivery_id & 3) << 8
        starts: dict[Kind, tuple[bytes, str]] = {}
        found: list[str] = []
        for kind, target, bound in wanted:
            if not 0 <= target < 0x80:
                minted = self.mint(kind, delivery_id, target, bound=bound, anonymous=anonymous)
                found.append(minted)
                continue
            if kind not in starts:
                head = _head(kind, delivery_id, 0, anonymous, signing & 7)
                starts[kind] = head[:-1], _encode(head)[:14]
            data, text = starts[kind]
            tag = state.copy()
            tag.update(data + _BYTES[target] + bound)
            value = int.from_bytes(tag.digest(), "big") << 1
            found.append(
                f"{text}{_PAIRS[low | target]}{_PAIRS[value >> 55]}{_PAIRS[value >> 45 & 1023]}"
                f"{_PAIRS[value >> 35 & 1023]}{_PAIRS[value >> 25 & 1023]}"
                f"{_PAIRS[value >> 15 & 1023]}{_PAIRS[value >> 5 & 1023]}{_DIGITS[value & 31]}"
            )
        return found

    def read(self, text: str, kind: Kind, *, bound: bytes = b"") -> Token:
        """What `text` says, when it is of this kind and one of our keys made it with `bound`.

        Raises BadToken for everything else, in the same words and with the same work whether or
        not the delivery exists: the ring does not know which deliveries do.
        """
        data = _decode(text)
        head, tag, first = data[:-_TAG_BYTES], data[-_TAG_BYTES:], data[0]
        if first >> 7 or (first >> 3) & 7 != kind:
            raise BadToken("the token is of another version or kind")
        signed = head + bound
        for key in self._verifying[first & 7]:
            state = key.copy()
            state.update(signed)
            if hmac.compare_digest(state.digest(), tag):
                return Token(
                    kind, int.from_bytes(head[1:9], "big"), _target(head), bool(first & 0x40)
                )
        raise BadToken("no key of ours made this token")

    def read_beacon(self, text: bytes) -> tuple[int, int] | None:
        """The delivery and the target of a beacon's token of 29 characters; None for any other.

        What `read` finds, in half the time, for the request that a mailing brings by the thousand;
        what it does not know (anonymous tokens, targets above 127, forgeries) is for `read`.
        """
        try:
            number = int(text.translate(_VALUES), 32)
        except ValueError:
            return None
        if number & 1 or len(text) != 29:
            return None
        data = (number >> 1).to_bytes(18, "big")
        if data[0] > 7 or data[9] > 127:  # version, anonymous and kind are 0; the target is short
            return None
        for key in self._verifying[data[0]]:
            state = key.copy()
            state.update(data[:10])
            if hmac.compare_digest(state.digest(), data[10:]):
                return number >> 73 & _ID_MASK, data[9]
        return None

    def _tag(self, number: int, head: bytes, bound: bytes) -> bytes:
        state = self._states[number].copy()
        state.update(head + bound)
        return state.digest()


def _states(keys: Sequence[bytes]) -> list[blake2b]:
    if not keys:
        raise ConfigurationError("the key ring is empty; `mailglass token-key new` makes a key")
    for number, key in enumerate(keys):
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(f"key {number} has {len(key)} bytes instead of {_KEY_BYTES}")
    return [blake2b(key=key, digest_size=_TAG_BYTES) for key in keys]


def _by_number(states: Sequence[blake2b]) -> tuple[tuple[blake2b, ...], ...]:
    """By the number in a token: the keys that may have made it, the newest first."""
    return tuple(tuple(states[number::8][::-1]) for number in range(8))


def _head(kind: Kind, delivery_id: int, target: int, anonymous: bool, key: int) -> bytes:
    first = (anonymous << 6) | (kind << 3) | key
    number = bytes((target,)) if target < 0x80 else (0x8000 | target).to_bytes(2, "big")
    return bytes((first,)) + delivery_id.to_bytes(8, "big") + number


def _target(head: bytes) -> int:
    return head[9] if len(head) == 10 else int.from_bytes(head[9:], "big") & _MAX_TARGET


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _decode(text: str) -> bytes:
    """The bytes of a token; one integer conversion takes a tenth of `base64.b32decode`'s time."""
    if len(text) not in (29, 31):
        raise BadToken("a token has 29 or 31 characters")
    try:
        number = int(text.encode("ascii").translate(_VALUES), 32)
    except ValueError:
        raise BadToken("a token is written in base32") from None
    is_long = len(text) == 31
    spare_bits = 3 if is_long else 1
    data = (number >> spare_bits).to_bytes(19 if is_long else 18, "big")
    if number & ((1 << spare_bits) - 1) or is_long != bool(data[9] & 0x80):
        raise BadToken("a token has one spelling")
    return data
