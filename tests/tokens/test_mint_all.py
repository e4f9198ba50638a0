"""Tokens minted together are the tokens minted one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailglass.tokens import Kind, Ring

WANTED = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 0x7FFF), st.binary(max_size=200)))


@given(st.integers(0, 2**64 - 1), WANTED, st.booleans(), st.integers(1, 12))
def test_tokens_minted_together_are_the_same(delivery, wanted, anonymous, keys) -> None:
    ring = Ring([bytes([number]) * 32 for number in range(keys)])
    assert ring.mint_all(delivery, wanted, anonymous=anonymous) == [
        ring.mint(kind, delivery, target, bound=bound, anonymous=anonymous)
        for kind, target, bound in wanted
    ]
