"""The zones that the servers of these tests serve, made from cases.toml and from here."""

from __future__ import annotations

import base64
import hashlib
import random
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.rdataset
import dns.zone
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = Path(__file__).parent
_HEAD = "$TTL 60\n{0} IN SOA ns.test. hostmaster.test. 1 600 300 86400 60\n{0} IN NS ns.test.\n"

# zone, kind of rbldnsd data set, file: real names, so that the product's own table is what is asked
BLOCKLISTS = [
    ("zen.spamhaus.org", "ip4set", "live"),
    ("bl.spamcop.net", "ip4set", "clean"),
    ("psbl.surriel.com", "ip4trie", "world"),
    ("bl.mailspike.net", "ip4set", "good"),
    ("dnsbl.zapbl.net", "ip4set", "empty"),
    ("bl.score.senderscore.com", "ip4trie", "refusing"),
    ("bl.blocklist.de", "ip4trie", "parked"),
    ("dnsbl-2.uceprotect.net", "ip4set", "live"),
    ("list.dnswl.org", "ip4set", "allow"),
    ("dbl.spamhaus.org", "dnset", "domains"),
    ("multi.uribl.com", "dnset", "bit1"),
    ("multi.surbl.org", "dnset", "bits"),
]
_SOA = "$SOA 300 ns.rbl.test hostmaster.rbl.test 0 600 300 86400 300\n"
_EVERYBODY = "0.0.0.0/1\n128.0.0.0/1\n"
RBLDNSD_ZONES = {
    "live": _SOA + ":127.0.0.2:Listed, see https://list.test/$\n127.0.0.2\n192.0.2.66\n"
    "192.0.2.10 :127.0.0.10:Policy\n",
    "clean": _SOA + ":127.0.0.2:Listed\n127.0.0.2\n",
    "world": _SOA + ":127.0.0.2:dead list\n" + _EVERYBODY,
    "good": _SOA + ":127.0.0.2:Listed\n127.0.0.2\n192.0.2.66 :127.0.0.18:good reputation\n",
    "empty": _SOA + ":127.0.0.2:Listed\n203.0.113.1\n",
    "refusing": _SOA + ":127.255.255.255:too many\n" + _EVERYBODY,
    "parked": _SOA + ":203.0.113.99:buy this domain\n" + _EVERYBODY,
    "allow": _SOA + ":127.0.5.2:trusted\n127.0.0.2\n192.0.2.66\n",
    "domains": _SOA + ":127.0.1.2:Spam domain\ntest\n.listed-domain.test\n",
    "bit1": _SOA + ":127.0.0.1:refused\n.test\n.com\n",
    "bits": _SOA + ":127.0.0.2:old\ntest\n.listed-domain.test :127.0.0.32:click tracker\n",
}


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


@cache
def rsa_key(bits: int) -> str:
    """TXT strings with a public key of this size; nobody has its private half, nobody needs it."""
    modulus = random.Random(bits).getrandbits(bits) | 1 << (bits - 1) | 1
    number = _der(2, b"\0" + modulus.to_bytes(bits // 8, "big"))
    key = _der(0x30, number, _der(2, b"\1\0\1"))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    text = base64.b64encode(_der(0x30, algorithm, _der(3, b"\0", key))).decode()
    return " ".join(f'"{text[i : i + 200]}"' for i in range(0, len(text), 200))


@cache
def cases() -> list[dict[str, Any]]:
    """The cases, in the order of the file."""
    return list(tomllib.loads((HERE / "cases.toml").read_text("utf-8"))["case"])


def zone_files() -> dict[str, str]:
    """Zone texts by zone name."""
    test = [_HEAD.format("test."), "ns.test. IN A 127.0.0.1"]
    reverse = [_HEAD.format("in-addr.arpa.")]
    for case in cases():
        if case.get("zone"):
            zone = case["zone"]
            for bits in (512, 1024, 2048):
                zone = zone.replace(f"{{rsa{bits}}}", rsa_key(bits))
            test += [f"$ORIGIN {case['name']}.test.", zone]
        reverse.append(case.get("reverse", ""))
    return {"test": "\n".join(test) + "\n", "in-addr.arpa": "\n".join(reverse) + "\n"}


_SIGNED = """@ MX 10 mx
@ A 127.0.0.1
@ TXT "v=spf1 mx -all"
mx A 127.0.0.1
_25._tcp.mx TLSA {tlsa}
"""


@cache
def signed_zones(certificate: bytes) -> tuple[dict[str, str], list[str]]:
    """Signed zones (good, DANE that does not match, bad signatures) and their trust anchors."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(spki).hexdigest()
    zones, anchors = {}, []
    for name, tlsa in (
        ("signed.test", f"3 1 1 {digest}"),
        ("mismatch.test", f"3 1 1 {'00' * 32}"),
        ("authority.test", f"2 1 1 {digest}"),
        ("oldusage.test", f"1 1 1 {digest}"),
        ("bogus.test", f"3 1 1 {digest}"),
    ):
        text, anchor = _signed(name, _HEAD.format("@") + _SIGNED.format(tlsa=tlsa))
        # A record that changed after it was signed no longer fits its signature.
        zones[name] = text.replace("127.0.0.1", "127.0.0.7") if name == "bogus.test" else text
        if name == "bogus.test":
            zones[name] = zones[name].replace("hostmaster.test", "forger.test")
        anchors.append(anchor)
    return zones, anchors


def _signed(name: str, text: str) -> tuple[str, str]:
    zone = dns.zone.from_text(text, origin=name + ".", relativize=False)
    private = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(private.public_key(), "ECDSAP256SHA256", flags=257)
    with zone.writer() as transaction:
        dns.dnssec.sign_zone(
            zone, transaction, keys=[(private, public)], dnskey_ttl=60, lifetime=86400
        )
    return zone.to_text(relativize=False), f"{name}. DNSKEY {public.to_text()}"
