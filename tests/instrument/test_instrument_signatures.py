"""Real signatures: gpg, openssl and dkimpy verify a signed message before and after."""

from __future__ import annotations

import base64
import email
import os
import shutil
import subprocess
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailglass.instrument import Options, compile_message, restore
from mailglass.tokens import Ring

RING = Ring([bytes(32)])
OPTIONS = Options(base_url="https://track.example.com", html_alternative=True, text_links=True)
PART = (
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b'<p>signed =C3=BC</p><a href=3D"https://e.example/">x</a>\r\n'
)
HEAD = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: signed\r\nMIME-Version: 1.0\r\n"


def instrumented(raw: bytes) -> bytes:
    """The message after instrumentation with all options, with a control field on the way."""
    marked = raw.replace(b"Subject:", b"X-Mailglass-Tag: t\r\nSubject:", 1)
    return compile_message(marked, OPTIONS, ring=RING).render(1, RING)


def run(*command: str, env: dict[str, str] | None = None, data: bytes = b"") -> bytes:
    done = subprocess.run(
        command, input=data, capture_output=True, env={**os.environ, **(env or {})}, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def signed_part(raw: bytes) -> tuple[bytes, bytes]:
    """The bytes under the signature, and the signature."""
    parts = email.message_from_bytes(raw).get_payload()
    boundary = email.message_from_bytes(raw).get_boundary()
    assert isinstance(parts, list)
    assert boundary is not None
    content = raw.split(b"--" + boundary.encode())[1]
    return content.removeprefix(b"\r\n").removesuffix(b"\r\n"), parts[1].get_payload(decode=True)


@pytest.mark.servers
def test_pgp_mime_verifies_before_and_after(tmp_path: Path) -> None:
    if shutil.which("gpg") is None:
        pytest.skip("needs Debian's package gpg")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--batch", "--quiet", "--homedir", str(home), "--passphrase", "")
    run(*gpg, "--quick-gen-key", "a@example.com", "ed25519", "sign", "never")
    (tmp_path / "content").write_bytes(PART)
    signature = run(*gpg, "--armor", "--detach-sign", "--output", "-", str(tmp_path / "content"))
    raw = (
        HEAD
        + b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=s\r\n'
        + b"\r\n--s\r\n"
        + PART
        + b"\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n"
        + signature.replace(b"\n", b"\r\n")
        + b"\r\n--s--\r\n"
    )
    out = instrumented(raw)
    assert out == raw
    for message in (raw, out):
        content, proof = signed_part(message)
        (tmp_path / "content").write_bytes(content)
        (tmp_path / "proof").write_bytes(proof)
        run(*gpg, "--verify", str(tmp_path / "proof"), str(tmp_path / "content"))
    run("gpgconf", "--homedir", str(home), "--kill", "all")


@pytest.mark.servers
@pytest.mark.parametrize("opaque", [False, True], ids=["multipart/signed", "pkcs7-mime"])
def test_smime_verifies_before_and_after(tmp_path: Path, opaque: bool) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs Debian's package openssl")
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    subject = ("-subj", "/CN=a@example.com", "-days", "2")
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
        *("-keyout", key, "-out", certificate, *subject),
    )
    form = ("-nodetach",) if opaque else ()
    sign = ("openssl", "smime", "-sign", "-signer", certificate, "-inkey", key, "-crlfeol", *form)
    raw = HEAD.replace(b"MIME-Version: 1.0\r\n", b"") + run(*sign, data=PART).replace(
        b"\r\n", b"\n"
    ).replace(b"\n", b"\r\n")
    out = instrumented(raw)
    assert out == raw
    for message in (raw, out):
        run("openssl", "smime", "-verify", "-noverify", "-CAfile", certificate, data=message)


def test_dkim_signed_after_instrumentation_verifies_and_before_is_reported() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        return record

    def sign(raw: bytes) -> bytes:
        return (
            dkim.sign(raw, b"s", b"example.com", pem, include_headers=[b"from", b"subject"]) + raw
        )

    raw = HEAD + PART
    template = compile_message(raw, OPTIONS, ring=RING)
    out = template.render(1, RING)
    assert dkim.verify(sign(raw), dnsfunc=lookup)
    assert dkim.verify(sign(out), dnsfunc=lookup)

    early = compile_message(sign(raw), OPTIONS, ring=RING)
    assert [item.what for item in early.left_alone] == ["DKIM-Signature of example.com"]
    assert not dkim.verify(early.render(1, RING), dnsfunc=lookup)
    original = restore(early.render(1, RING), early.plan(1, RING))
    assert dkim.verify(original, dnsfunc=lookup)
