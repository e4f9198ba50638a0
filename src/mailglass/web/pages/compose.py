"""Write a tracked mail, see what would be changed in it, send it; nothing written is lost.

Every button keeps the draft first. A form has a name of its own, which with what stands in it is
the idempotency key: two clicks, or the back button and a click, send one mail, and the same words
written again in a new form are a new mail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from ...errors import InputError
from ...gateway import Composed, Intake, Submitter, Wishes, check_size, compose
from ...history import User
from ...instrument import LeftAlone, PlannedEdit
from ...spool import Once
from ..letter import Letter, new_once, read_letter
from ..site import Site
from ..visitor import Number, Visitor

__all__ = ["Outbox", "routes"]

_SHOWN_EDIT = 400  # characters of an edit's bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Where a written mail goes."""

    intake: Intake
    refusal: Callable[[], str | None]  # why nothing can be sent now
    max_message_bytes: int = 26_214_400
    max_recipients: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be done to the mail, for its first recipient."""

    recipient: str
    edits: tuple[tuple[PlannedEdit, str, str], ...]  # with the bytes before and after, as text
    left_alone: tuple[LeftAlone, ...]


def routes(site: Site, outbox: Outbox | None) -> APIRouter:
    """`/compose`."""
    router = APIRouter(prefix="/compose")
    signed, posted = Depends(site.signed), Depends(site.posted)

    @router.get("")
    def form(draft: Number = 0, visitor: Visitor = signed) -> Response:
        user = _user(visitor)
        with site.history.reading() as t:
            found = t.draft(user.account_id, user.id, draft) if draft else None
        letter = Letter.of_content(found.content) if found else Letter()
        return show(visitor, letter, found.id if found else 0)

    @router.post("")
    async def act(request: Request, visitor: Visitor = posted) -> Response:
        async with request.form() as form:
            number = _number(form)
            before = await run_in_threadpool(load, visitor, number)
            letter = await read_letter(form, before)
            action = str(form.get("action"))
        return await run_in_threadpool(done, visitor, letter, number, action)

    @router.post("/discard")
    async def discard(request: Request, visitor: Visitor = posted) -> Response:
        user, number = _user(visitor), _number(await request.form())

        def delete() -> None:
            with site.history.transaction() as t:
                t.delete_draft(user.account_id, user.id, number)

        await run_in_threadpool(delete)
        return RedirectResponse("/compose", 303)

    def load(visitor: Visitor, number: int) -> Letter:
        user = _user(visitor)
        with site.history.reading() as t:
            found = t.draft(user.account_id, user.id, number) if number else None
        return Letter.of_content(found.content) if found else Letter()

    def done(visitor: Visitor, letter: Letter, number: int, action: str) -> Response:
        user, say = _user(visitor), visitor.language.say
        with site.history.transaction() as t:
            number = t.save_draft(user.account_id, user.id, letter.content(), site.clock(), number)
        if action not in ("send", "preview") or outbox is None:
            return show(visitor, letter, number, said=say("The draft is kept."))
        try:
            composed = compose(letter.fields())
            check_size(
                composed.raw,
                composed.recipients,
                most_bytes=outbox.max_message_bytes,
                most_recipients=outbox.max_recipients,
            )
            if action == "preview":
                preview = _preview(outbox.intake, composed, letter, visitor)
                return show(visitor, letter, number, preview=preview)
            if refusal := outbox.refusal():
                raise InputError(refusal)
            message_id = _send(outbox.intake, composed, letter, visitor)
        except InputError as error:
            return show(visitor, letter, number, 422, fault=str(error))
        with site.history.transaction() as t:
            t.delete_draft(user.account_id, user.id, number)
        return RedirectResponse(f"/messages/{message_id}?sent=1", 303)

    def show(
        visitor: Visitor,
        letter: Letter,
        number: int,
        status: int = 200,
        *,
        said: str = "",
        fault: str = "",
        preview: Preview | None = None,
    ) -> Response:
        user = _user(visitor)
        with site.history.reading() as t:
            drafts = t.drafts(user.account_id, user.id)
        return site.page(
            visitor,
            "compose/compose.html",
            status,
            here="/compose",
            letter=letter,
            once=letter.once or new_once(),
            number=number,
            drafts=[d for d in drafts if d.id != number],
            refusal=outbox.refusal() if outbox else visitor.language.say("Nothing can be sent."),
            said=said,
            fault=fault,
            preview=preview,
        )

    return router


def _number(form: FormData) -> int:
    """Which draft it is; 0 for none yet."""
    text = str(form.get("draft", "0"))
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _user(visitor: Visitor) -> User:
    assert visitor.user is not None
    return visitor.user


def _wishes(letter: Letter, once: Once | None = None) -> Wishes:
    return Wishes(
        tracking=letter.tracking(),
        tags=(letter.tag.strip(),) if letter.tag.strip() else (),
        campaign=letter.campaign.strip() or None,
        once=once,
    )


def _submitter(visitor: Visitor) -> Submitter:
    return Submitter(
        account_id=visitor.account_id,
        name=visitor.name,
        protocol="HTTP",
        address=visitor.address,
    )


def _send(intake: Intake, composed: Composed, letter: Letter, visitor: Visitor) -> int:
    fingerprint = sha256(orjson.dumps(letter.content())).hexdigest()
    once = Once(account_id=visitor.account_id, key=f"form {fingerprint}", fingerprint=fingerprint)
    receipt = intake.accept(
        composed.raw,
        return_path=letter.fields().author.address,
        recipients=composed.recipients,
        submitter=_submitter(visitor),
        wishes=_wishes(letter, once),
    )
    return receipt.message_id


def _preview(intake: Intake, composed: Composed, letter: Letter, visitor: Visitor) -> Preview:
    done = intake.instrument(
        composed.raw,
        recipients=composed.recipients[:1],
        submitter=_submitter(visitor),
        wishes=_wishes(letter),
        register=False,
    )
    delivery, _, plan = done.copies[0]
    return Preview(
        recipient=delivery.recipient,
        edits=tuple((edit, _shown(edit.old), _shown(edit.new)) for edit in plan.edits),
        left_alone=plan.left_alone,
    )


def _shown(part: bytes | memoryview) -> str:
    text = bytes(part).decode("utf-8", "replace")
    return text if len(text) <= _SHOWN_EDIT else f"{text[:_SHOWN_EDIT]} …"
