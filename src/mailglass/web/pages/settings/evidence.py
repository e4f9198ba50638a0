"""By which rules hits are judged, and how old the lists of networks are."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from ....evidence import kept_lists, list_sources
from ...site import Site
from ...visitor import Visitor

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """`/settings/evidence`."""
    router = APIRouter(prefix="/settings/evidence")
    signed = Depends(site.signed)

    @router.get("")
    def evidence(visitor: Visitor = signed) -> Response:
        folder = site.config.data_directory
        kept = {k.source.name: k for k in kept_lists(folder / "networks")} if folder else {}
        return site.page(
            visitor,
            "settings/evidence.html",
            here="/settings",
            tab="/settings/evidence",
            rules=site.rules,
            signals=sorted(site.rules.signals.values(), key=lambda s: (s.family, -abs(s.weight))),
            lists=[(source, kept.get(source.name)) for source in list_sources()],
        )

    return router
