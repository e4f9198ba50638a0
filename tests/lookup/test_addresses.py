"""Where a stranger's URL may lead us, and where not."""

from __future__ import annotations

import asyncio

import pytest

from mailglass.lookup import Outcome, SystemResolver, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.0.8", "192.88.99.1", "198.18.0.1"),
        *("::", "::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_a_private_address_is_private_however_it_is_dressed(address: str) -> None:
    assert not is_public(address)


def test_the_system_knows_localhost_and_says_what_it_does_not_know() -> None:
    answer = asyncio.run(SystemResolver().ask("localhost", "A"))
    assert answer.records == ("127.0.0.1",)
    missing = asyncio.run(SystemResolver().ask("no-such-host.invalid", "A"))
    assert missing.outcome in (Outcome.NODATA, Outcome.SERVFAIL)
    assert asyncio.run(SystemResolver().ask("a" * 70 + ".test", "A")).records == ()
