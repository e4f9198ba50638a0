"""DNSSEC and DANE, with a validating unbound and Postfix's certificate."""

from __future__ import annotations

import pytest
from postmaster_servers import Examine

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("domain", "dnssec", "dane"),
    [
        ("signed.test", "ok", "ok"),
        ("mismatch.test", "ok", "fail"),
        ("authority.test", "ok", "unknown"),
        ("oldusage.test", "ok", "fail"),
        ("bogus.test", "fail", "unknown"),
        ("mx-good.test", "info", "info"),
    ],
)
def test_signatures_and_tlsa_records_are_checked(
    doctor: Examine, unbound: int, domain: str, dnssec: str, dane: str
) -> None:
    found = doctor(domain, resolver_port=unbound)
    assert [str(each.status) for each in found["dnssec.signed"]] == [dnssec]
    assert [str(each.status) for each in found["dane.tlsa"]] == [dane]


def test_tlsa_records_that_nobody_validated_do_not_count(doctor: Examine, nsd: int) -> None:
    found = doctor("signed.test", resolver_port=nsd)
    assert [str(each.status) for each in found["dane.tlsa"]] == ["warn"]


def test_the_record_to_publish_fits_the_certificate(doctor: Examine, unbound: int) -> None:
    wrong = doctor("mismatch.test", resolver_port=unbound)["dane.tlsa"][0]
    assert wrong.fix.startswith("publish for the certificate in use: _25._tcp.mx.mismatch.test.")
    assert "TLSA 3 1 1" in wrong.fix
