"""What an account's owner sets: people, keys, webhooks, domains, policies; and what judges hits."""

from fastapi import APIRouter

from ...site import Site
from . import domains, evidence, keys, people, policies, webhooks

__all__ = ["routes"]


def routes(site: Site) -> APIRouter:
    """`/settings` and what is below it."""
    router = APIRouter()
    for page in (people, keys, webhooks, domains, policies, evidence):
        router.include_router(page.routes(site))
    return router
