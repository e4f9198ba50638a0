"""Drop a message, see who watches it and where, take the clean copy.

Nothing is kept on disk: a clean copy waits in memory for its download, for a while and not among
too many others.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ...errors import InputError
from ...guard import Band, Looked, load_easyprivacy, look
from ..site import Site
from ..visitor import Visitor
from ..wording import _

__all__ = ["routes"]

_MOST_BYTES = 64 << 20  # of all clean copies that wait
_SHOWN_CHARACTERS = 200_000  # of a part's source


class _Waiting:
    """Clean copies by a name that only their owner was told; the oldest go first."""

    def __init__(self) -> None:
        self._copies: OrderedDict[str, tuple[int, str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, user_id: int, name: str, data: bytes) -> str:
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._copies[key] = (user_id, name, data)
            while sum(len(copy[2]) for copy in self._copies.values()) > _MOST_BYTES:
                self._copies.popitem(last=False)
        return key

    def get(self, user_id: int, key: str) -> tuple[str, bytes] | None:
        with self._lock:
            owner, name, data = self._copies.get(key, (0, "", b""))
        return (name, data) if owner == user_id else None


def routes(site: Site) -> APIRouter:
    """`/guard`."""
    router = APIRouter(prefix="/guard")
    signed, signed_form = Depends(site.signed), Depends(site.signed_form)
    waiting = _Waiting()
    mail_list = load_easyprivacy()

    @router.get("")
    def form(visitor: Visitor = signed) -> Response:
        return site.page(visitor, "guard/guard.html", here="/guard", looked=None, fault="")

    @router.post("")
    async def examine(request: Request, visitor: Visitor = signed_form) -> Response:
        async with request.form() as form:
            upload, own = form.get("message"), str(form.get("own", ""))
            if isinstance(upload, UploadFile) and upload.filename:
                raw, name = await upload.read(), upload.filename
            else:
                raw, name = str(form.get("source", "")).encode("utf-8", "replace"), "message.eml"
        return await run_in_threadpool(shown, visitor, raw, name, own.split())

    def shown(visitor: Visitor, raw: bytes, name: str, own: list[str]) -> Response:
        assert visitor.user is not None
        try:
            looked = look(raw, own, mail_list)
        except InputError as error:
            fault = visitor.language.say("This is no message: %(why)s", why=str(error))
            return site.page(
                visitor, "guard/guard.html", 422, here="/guard", looked=None, fault=fault
            )
        return site.page(
            visitor,
            "guard/guard.html",
            here="/guard",
            looked=looked,
            name=name,
            bands=Band,
            sources=_sources(looked),
            key=waiting.add(visitor.user.id, name, looked.clean.data),
            fault="",
        )

    @router.get("/clean/{key}")
    def download(key: str, visitor: Visitor = signed) -> Response:
        assert visitor.user is not None
        found = waiting.get(visitor.user.id, key)
        if found is None:
            raise HTTPException(404, _("The clean copy is gone. Drop the message again."))
        name, data = found
        stem = name.removesuffix(".eml")
        return Response(
            data,
            media_type="message/rfc822",
            headers={
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(stem)}-clean.eml"
            },
        )

    return router


def _sources(looked: Looked) -> list[dict[str, object]]:
    """The parts in which something is marked, each source cut where it becomes too long."""
    found = []
    for part in looked.parts:
        pieces, left = [], _SHOWN_CHARACTERS
        for text, mark in part.pieces:
            if left <= 0:
                break
            pieces.append((text[:left], mark))
            left -= len(text)
        if any(mark for _, mark in part.pieces):
            found.append({"part": part, "pieces": pieces, "is_cut": left < 0})
    return found
