"""Verifies DKIM before a message is changed, and says so in an Authentication-Results field.

A clean copy no longer matches its signature, so that what the signature proved has to be written
down first (RFC 8601), under the name of whoever checked. The DNS is asked through a function that
the caller passes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import dkim

from ..mime import walk

__all__ = ["FindTxt", "authentication_results"]

# Takes a DNS name, gives its TXT record's bytes; None when there is none.
FindTxt = Callable[[str], bytes | None]

# Each signature costs a look-up and a public-key operation; a message needs no more.
_MAX_SIGNATURES = 5
_TAG = re.compile(r"(?:\A|;)\s*(\w+)\s*=\s*([^;]*)")


def authentication_results(raw: bytes, authserv_id: str, find_txt: FindTxt) -> str:
    """The value of the field for this message: one result for each of its first five signatures."""
    message = walk(raw, max_parts=1)  # only its header is asked for
    signatures = [
        f.value(raw) for f in message.root.fields if f.name == "dkim-signature"
    ][:_MAX_SIGNATURES]  # fmt: skip
    if not signatures:
        return f"{authserv_id}; dkim=none"
    checker = dkim.DKIM(raw)
    results = [_result(checker, number, value, find_txt) for number, value in enumerate(signatures)]
    return "; ".join([authserv_id, *results])


def _result(checker: dkim.DKIM, number: int, signature: str, find_txt: FindTxt) -> str:
    tags = {name: re.sub(r"\s+", "", value) for name, value in _TAG.findall(signature)}
    domain = re.sub(r"[^\w.-]", "", tags.get("d", ""))[:253]
    selector = re.sub(r"[^\w.-]", "", tags.get("s", ""))[:253]
    return f"dkim={_verdict(checker, number, find_txt)} header.d={domain} header.s={selector}"


def _verdict(checker: dkim.DKIM, number: int, find_txt: FindTxt) -> str:
    is_keyless = False

    def ask(name: bytes | str, timeout: int = 5) -> bytes | None:
        nonlocal is_keyless
        record = find_txt(name.decode("ascii") if isinstance(name, bytes) else name)
        is_keyless = record is None
        return record

    try:
        if checker.verify(idx=number, dnsfunc=ask):
            return "pass"
        return "permerror" if is_keyless else "fail"
    except dkim.ValidationError as error:
        # Of all that the library refuses, this alone was read and does not hold.
        return "fail" if "body hash mismatch" in str(error) else "permerror"
    except dkim.DKIMException:
        return "permerror"
    except OSError:
        return "temperror"
    except Exception:  # the library raises whatever a malformed key or header makes it raise
        return "permerror"
