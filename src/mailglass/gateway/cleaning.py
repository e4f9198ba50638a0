"""What every way into a running mail system does with one message: check, clean, keep the original.

The content filter, the milter and the agent of a mailbox are three doors to this. Whatever goes
wrong in the guard, the message goes on as it came: what cannot be read is no reason to withhold it.

DKIM is checked before anything is changed (RFC 8601); the original is on stable storage, where a
folder for originals is named, before the clean copy leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import NotAMessage
from ..guard import HEADER, Clean, MailList, Remove, clean, examine
from ..guard.authentication import FindTxt, authentication_results

__all__ = ["Cleaner", "CleaningConfig", "PictureProxy"]

_log = logging.getLogger("mailglass.gateway.cleaning")


_FIELD = re.compile(rb"[!-9;-~]++[ \t]*+:|From ")
_NO_FIELDS = re.compile(rb"(?:(?![!-9;-~]++[ \t]*+:|From )[^\r\n]++\r?+\n){1,50}+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningConfig:
    """How messages are cleaned."""

    remove: Remove = Remove.TRACKERS
    text_links: bool = False
    authserv_id: str | None = None  # writes Authentication-Results under this name; None: does not
    is_border: bool = True  # whether messages come from outside, so that results of ours are forged
    originals: Path | None = None  # a folder for the original of every message that was changed


@dataclass(frozen=True, slots=True)
class PictureProxy:
    """Stands between the reader and the hosts of pictures."""

    address: Callable[[str], str | None]  # of a picture's URL at the proxy; see `clean`
    fetch: Callable[[Sequence[str]], Awaitable[bool]]  # now, and never again; whether it will


class Cleaner:
    """Cleans messages, one call each; safe to use from several at the same time."""

    def __init__(
        self,
        config: CleaningConfig,
        *,
        find_txt: FindTxt | None = None,
        mail_list: MailList | None = None,
        proxy: PictureProxy | None = None,
    ) -> None:
        """`find_txt` asks the DNS; it is called in a thread of its own and may block."""
        self._config = config
        self._find_txt = find_txt
        self._mail_list = mail_list
        self._proxy = proxy

    async def clean(
        self, raw: bytes, recipients: Iterable[str] = (), fields: Iterable[str] = ()
    ) -> Clean | None:
        """The clean copy; None when the message is to go on as it came, for whatever reason.

        `fields` are header fields that the clean copy gets when it differs from the original.
        """
        recipients, fields = tuple(recipients), tuple(fields)
        try:
            done = await asyncio.to_thread(self._clean, raw, recipients, fields)
            if self._proxy is not None and self._asks_proxy(done):
                done = await self._through_proxy(raw, recipients, fields, done)
            if done.is_changed and self._config.originals is not None:
                await asyncio.to_thread(_keep, self._config.originals, raw)
        except NotAMessage:
            return None
        except Exception:  # whatever it is, the mail must go on
            _log.exception("a message could not be cleaned and goes on as it came")
            return None
        if not done.is_changed:
            return None
        _log.info("cleaned %s", _summary(done), extra={"action": "guard-cleaned"})
        return done

    async def _through_proxy(
        self, raw: bytes, recipients: tuple[str, ...], fields: tuple[str, ...], plain: Clean
    ) -> Clean:
        """The copy whose pictures come from the proxy, once that has promised to fetch them."""
        assert self._proxy is not None
        done = await asyncio.to_thread(self._clean, raw, recipients, fields, self._proxy.address)
        if not done.proxied or await self._proxy.fetch(done.proxied):
            return done
        _log.warning("the image proxy took no pictures: those of a message stay as they are")
        return plain

    def _asks_proxy(self, done: Clean) -> bool:
        return any(resource.shown for resource in done.report.resources)

    def _clean(
        self,
        raw: bytes,
        recipients: tuple[str, ...],
        fields: tuple[str, ...],
        proxy: Callable[[str], str | None] | None = None,
    ) -> Clean:
        whole, lead = raw, _lead(raw)
        raw = whole[lead:]
        done = clean(
            examine(raw, recipients),
            mail_list=self._mail_list,
            remove=self._config.remove,
            text_links=self._config.text_links,
            authentication=self._authentication(raw),
            original_fields=fields,
            proxy=proxy,
            is_border=self._config.is_border,
        )
        return _behind(whole[:lead], done) if lead else done

    def _authentication(self, raw: bytes) -> str | None:
        if self._config.authserv_id is None or self._find_txt is None:
            return None
        return authentication_results(raw, self._config.authserv_id, self._find_txt)


def _lead(raw: bytes) -> int:
    """Bytes of lines before the first header field that are none, and that programs pass over.

    The command refuses such a message as none; here it would go on with its trackers.
    """
    lead = _NO_FIELDS.match(raw)
    return lead.end() if lead and _FIELD.match(raw, lead.end()) else 0


def _behind(lead: bytes, done: Clean) -> Clean:
    """What was cleaned, with the lines that stood before it."""
    edits = (replace(edit, offset=edit.offset + len(lead)) for edit in done.edits)
    return replace(done, data=lead + done.data, edits=tuple(edits))


def _keep(folder: Path, raw: bytes) -> None:
    """Write the original under its own hash, whole and on stable storage or not at all.

    Nobody else on the machine may read it: it is somebody's mail.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{hashlib.sha256(raw).hexdigest()}.eml"
    if place.exists():
        return
    part = place.with_suffix(f".{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    part.replace(place)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)  # the name as well
    finally:
        os.close(directory)


def _summary(done: Clean) -> str:
    head = done.data[: done.data.find(b"\n\n") + 1 or 4096]
    line = next((ln for ln in head.splitlines() if ln.startswith(HEADER.encode())), b"")
    return line.decode("ascii", "replace")
