"""Tokens: what was minted is read, and nothing else is."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import BadToken, ConfigurationError
from mailglass.tokens import Kind, Ring

KEYS = [bytes([number]) * 32 for number in range(20)]
RING = Ring(KEYS[:1])

kinds = st.sampled_from(list(Kind))
ids = st.integers(0, (1 << 63) - 1)
targets = st.integers(0, 0x7FFF)


@given(kinds, ids, targets, st.booleans(), st.binary(max_size=100))
def test_a_token_says_what_it_was_minted_with(
    kind: Kind, delivery_id: int, target: int, anonymous: bool, bound: bytes
) -> None:
    text = RING.mint(kind, delivery_id, target, bound=bound, anonymous=anonymous)
    for spelled in (text, text.upper()):
        token = RING.read(spelled, kind, bound=bound)
        assert (token.kind, token.delivery_id, token.target) == (kind, delivery_id, target)
        assert token.anonymous is anonymous


@given(kinds, kinds, ids)
def test_a_token_of_one_kind_is_none_of_another(kind: Kind, other: Kind, number: int) -> None:
    text = RING.mint(kind, number)
    if kind is not other:
        with pytest.raises(BadToken):
            RING.read(text, other)


@given(kinds, ids, targets, st.data())
def test_a_token_with_one_other_character_is_refused(
    kind: Kind, number: int, target: int, data: st.DataObject
) -> None:
    text = RING.mint(kind, number, target)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(text[at].__ne__))
    for other in Kind:
        with pytest.raises(BadToken):
            RING.read(text[:at] + letter + text[at + 1 :], other)


@given(st.binary(max_size=40), st.binary(max_size=40), ids)
def test_a_token_holds_for_its_bound_value_alone(bound: bytes, other: bytes, number: int) -> None:
    text = RING.mint(Kind.CLICK, number, bound=bound)
    if bound != other:
        with pytest.raises(BadToken):
            RING.read(text, Kind.CLICK, bound=other)


@given(st.text(max_size=40) | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=29, max_size=31))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        RING.read(text, Kind.OPEN)


@pytest.mark.parametrize("text", [" ", "_", "+", "-", "０", "ａ", "=", "1", "0x"])
def test_spellings_that_numbers_allow_are_refused(text: str) -> None:
    token = RING.mint(Kind.OPEN, 0)
    for spelled in (text + token[len(text) :], token[: -len(text)] + text, token + text):
        with pytest.raises(BadToken):
            RING.read(spelled, Kind.OPEN)


@given(ids, targets)
def test_a_token_has_one_spelling(number: int, target: int) -> None:
    text = RING.mint(Kind.OPEN, number, target)
    data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    spare = {29: 1, 31: 3}[len(text)]
    last = "abcdefghijklmnopqrstuvwxyz234567".index(text[-1])
    assert last % (1 << spare) == 0
    for extra in range(1, 1 << spare):
        other = text[:-1] + "abcdefghijklmnopqrstuvwxyz234567"[last + extra]
        assert base64.b32decode(other.upper() + "=" * (-len(other) % 8)) == data
        with pytest.raises(BadToken):
            RING.read(other, Kind.OPEN)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 17, 20])
def test_every_key_ever_used_still_verifies(count: int) -> None:
    now = Ring(KEYS[:count])
    for number in range(1, count + 1):
        assert (
            now.read(Ring(KEYS[:number]).mint(Kind.OPEN, number), Kind.OPEN).delivery_id == number
        )


def test_a_key_that_was_taken_away_verifies_no_more() -> None:
    with pytest.raises(BadToken):
        Ring(KEYS[1:2]).read(RING.mint(Kind.OPEN, 1), Kind.OPEN)


@given(kinds, ids, targets)
def test_no_token_has_a_shape_that_spamassassin_scores(
    kind: Kind, number: int, target: int
) -> None:
    text = RING.mint(kind, number, target)
    assert len(text) in (29, 31)  # LONG_IMG_URI begins at 45 in a row
    assert re.fullmatch("[a-z2-7]+", text)


@pytest.mark.parametrize(("keys", "complaint"), [([], "empty"), ([b"x"], "1 bytes instead of 32")])
def test_wrong_keys_are_named(keys: list[bytes], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Ring(keys)


def test_a_target_outside_its_bits_is_refused() -> None:
    with pytest.raises(BadToken, match="target 32768 is outside 0 to 32767"):
        RING.mint(Kind.CLICK, 1, 0x8000)


@given(
    st.sampled_from(Kind),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 300),
    st.booleans(),
    st.integers(1, 20),
    st.data(),
)
def test_the_short_way_for_beacons_finds_what_the_long_one_does_or_nothing(
    kind: Kind, number: int, target: int, anonymous: bool, count: int, data: st.DataObject
) -> None:
    keys = [bytes([n]) * 32 for n in range(count)]
    made = data.draw(st.integers(1, count))
    text = Ring(keys[:made]).mint(kind, number, target, anonymous=anonymous)
    if data.draw(st.booleans()):
        text = text.upper()
    is_plain = kind is Kind.OPEN and target < 128 and not anonymous
    assert Ring(keys).read_beacon(text.encode()) == ((number, target) if is_plain else None)


@given(st.binary(min_size=29, max_size=29) | st.binary(max_size=40))
def test_the_short_way_for_beacons_finds_nothing_in_other_bytes(text: bytes) -> None:
    assert RING.read_beacon(text) is None


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 28), st.sampled_from("abz27-_+ A"))
def test_the_short_way_for_beacons_refuses_one_other_character(
    number: int, position: int, other: str
) -> None:
    token = RING.mint(Kind.OPEN, number)
    changed = token[:position] + other + token[position + 1 :]
    expected = (number, 0) if changed.lower() == token else None
    assert RING.read_beacon(changed.encode()) == expected


def test_a_ring_that_takes_a_key_signs_with_it_and_verifies_what_the_others_signed() -> None:
    ring = Ring(KEYS[:9])
    old = ring.mint(Kind.CLICK, 5)
    assert ring.renew(KEYS[:10]) == 1
    assert ring.mint(Kind.CLICK, 5) == Ring(KEYS[:10]).mint(Kind.CLICK, 5)
    assert [
        ring.read(text, Kind.CLICK).delivery_id for text in (old, ring.mint(Kind.CLICK, 6))
    ] == [
        5,
        6,
    ]
    assert ring.renew(KEYS[:10]) == 0


@pytest.mark.parametrize("keys", [[], KEYS[:2], KEYS[1:4], [*KEYS[:3], b"short"]])
def test_a_ring_gives_up_no_key(keys: list[bytes]) -> None:
    ring = Ring(KEYS[:3])
    before = ring.mint(Kind.OPEN, 5)
    with pytest.raises(ConfigurationError):
        ring.renew(keys)
    assert ring.mint(Kind.OPEN, 5) == before
