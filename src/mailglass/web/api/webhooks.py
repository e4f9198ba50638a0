"""Webhooks: endpoints, their secrets, what they were sent, and dead letters to replay."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AfterValidator, Field, StringConstraints

from ...errors import InputError
from ...history import (
    Attempt,
    Belongings,
    Endpoint,
    EndpointState,
    Filters,
    Notice,
    NoticeState,
    Scope,
    Secret,
    Transaction,
)
from ...model import EventType
from ...notify import check_url, new_secret, read_secret
from .access import Caller, permit
from .problems import NotThere
from .words import (
    Cursor,
    In,
    Limit,
    Moment,
    Name,
    Number,
    NumberInPath,
    Out,
    Page,
    cut,
    number_of,
    read_number_cursor,
)

__all__ = ["router"]

router = APIRouter(tags=["webhooks"])

_Reader = Annotated[Caller, Depends(permit(Scope.WEBHOOKS_READ))]
_Writer = Annotated[Caller, Depends(permit(Scope.WEBHOOKS_WRITE))]

_OVERLAP = timedelta(hours=24)  # for which an old secret goes on signing


def _is_http(url: str) -> str:
    try:
        return check_url(url)
    except InputError as error:
        raise ValueError(str(error)) from error


Url = Annotated[
    str,
    StringConstraints(min_length=8, max_length=2_000, pattern=r"^https?://[!-~]+$"),
    AfterValidator(_is_http),
]
Description = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_NoticeId = Annotated[str, Path(pattern=r"^ntc_[0-9]{1,19}_[0-9]{1,19}$")]


class FiltersIn(In):
    """What an endpoint wants to hear of; an empty list means everything."""

    types: list[EventType] = Field(default=[], max_length=50)
    campaigns: list[Name] = Field(default=[], max_length=100)
    tags: list[Name] = Field(default=[], max_length=100)


class EndpointIn(In):
    """A new endpoint."""

    url: Url
    filters: FiltersIn = FiltersIn()
    description: Description = ""
    secret: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="whsec_ and 24 to 64 bytes in base64; else one is made."
    )


class EndpointChange(In):
    """What is to be otherwise; what is left out stays."""

    url: Url | None = None
    filters: FiltersIn | None = None
    description: Description | None = None
    state: EndpointState | None = None


class FiltersOut(Out):
    """What an endpoint wants to hear of."""

    types: list[EventType]
    campaigns: list[str]
    tags: list[str]


class EndpointOut(Out):
    """An endpoint; its secret is shown only when it is made."""

    id: Number
    url: str
    state: EndpointState
    description: str
    filters: FiltersOut
    created_at: Moment
    last_event_id: Number  # up to which notices were made
    secrets: int  # that sign now


class NewEndpointOut(EndpointOut):
    """An endpoint and its secret, which is not shown again."""

    secret: str


class RotateIn(In):
    """How a secret is to be replaced."""

    secret: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="The new one; else one is made."
    )
    at_once: bool = Field(
        default=False, description="The old one stops signing now, as after a leak."
    )


class SecretOut(Out):
    """A new secret, which is not shown again."""

    secret: str
    old_ends_at: Moment | None  # until then attempts are signed with both


class AttemptOut(Out):
    """One request to an endpoint."""

    at: Moment
    seconds: float
    status_code: int | None
    problem: str | None  # null when it was taken


class NoticeOut(Out):
    """One event for one endpoint."""

    id: str  # the `webhook-id` header
    event_id: Number
    state: NoticeState
    attempts: int
    created_at: Moment
    next_attempt_at: Moment | None
    body: str  # as it is sent
    history: list[AttemptOut]


class ReplayedOut(Out):
    """What is sent again."""

    replayed: int


@router.get("/webhooks")
def endpoints(caller: _Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[EndpointOut]:
    """The endpoints of the account."""
    with caller.desk.history.reading() as t:
        found = t.endpoints(
            caller.account_id, after=read_number_cursor(cursor) or 0, limit=limit + 1
        )
    items, following = cut(found, limit, lambda e: e.id)
    return Page(items=[_out(caller, e) for e in items], next=following)


@router.post("/webhooks", status_code=201)
def add_endpoint(caller: _Writer, wanted: EndpointIn) -> NewEndpointOut:
    """A new endpoint: it hears of what happens from now on.

    Each notice is a POST signed as Standard Webhooks has it, tried for three days.
    """
    secret = _checked_secret(wanted.secret)
    with caller.desk.history.transaction() as t:
        made = Belongings(t, caller.account_id).add_endpoint(
            wanted.url,
            secret,
            caller.desk.clock(),
            filters=_filters(wanted.filters),
            description=wanted.description,
        )
    return NewEndpointOut(**_out(caller, made).model_dump(), secret=secret)


@router.get("/webhooks/{endpoint_id}")
def endpoint(caller: _Reader, endpoint_id: NumberInPath) -> EndpointOut:
    """One endpoint."""
    with caller.desk.history.reading() as t:
        return _out(caller, _endpoint_of(t, caller, endpoint_id))


@router.patch("/webhooks/{endpoint_id}")
def change_endpoint(
    caller: _Writer, endpoint_id: NumberInPath, change: EndpointChange
) -> EndpointOut:
    """Change an endpoint. What happens while it is `paused` is kept for it; while it is `disabled`,
    not."""
    with caller.desk.history.transaction() as t:
        found = _endpoint_of(t, caller, endpoint_id)
        Belongings(t, caller.account_id).change_endpoint(
            found,
            url=change.url,
            filters=None if change.filters is None else _filters(change.filters),
            description=change.description,
            state=change.state,
        )
        return _out(caller, _endpoint_of(t, caller, endpoint_id))


@router.delete("/webhooks/{endpoint_id}", status_code=204, response_class=Response)
def remove_endpoint(caller: _Writer, endpoint_id: NumberInPath) -> Response:
    """Forget an endpoint with its notices."""
    with caller.desk.history.transaction() as t:
        t.remove_endpoint(_endpoint_of(t, caller, endpoint_id).id)
    return Response(status_code=204)


@router.post("/webhooks/{endpoint_id}/secret")
def rotate_secret(caller: _Writer, endpoint_id: NumberInPath, wanted: RotateIn) -> SecretOut:
    """Replace the secret. For 24 hours attempts carry signatures by the new and by the old one."""
    secret = _checked_secret(wanted.secret)
    now = caller.desk.clock()
    ends_at = None if wanted.at_once else now + _OVERLAP
    with caller.desk.history.transaction() as t:
        found = _endpoint_of(t, caller, endpoint_id)
        current = found.secrets[0]
        old = [] if ends_at is None else [Secret(text=current.text, ends_at=ends_at)]
        t.change_endpoint(found.id, secrets=[Secret(text=secret), *old])
    return SecretOut(secret=secret, old_ends_at=ends_at)


@router.get("/webhooks/{endpoint_id}/notices")
def notices(
    caller: _Reader,
    endpoint_id: NumberInPath,
    state: Annotated[NoticeState | None, Query(description="`dead`: the dead letters.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[NoticeOut]:
    """What an endpoint was or is to be sent, the newest event first, with every attempt.

    What was taken is kept for a week, dead letters for 90 days.
    """
    with caller.desk.history.reading() as t:
        found = t.notices(
            _endpoint_of(t, caller, endpoint_id).id,
            state=state,
            before=read_number_cursor(cursor),
            limit=limit + 1,
        )
        items, following = cut(found, limit, lambda n: n.event_id)
        attempts = t.attempts_of(n.id for n in items)
    return Page(items=[_notice_out(n, attempts[n.id]) for n in items], next=following)


@router.get("/webhooks/{endpoint_id}/notices/{notice_id}")
def notice(caller: _Reader, endpoint_id: NumberInPath, notice_id: _NoticeId) -> NoticeOut:
    """One notice with every attempt."""
    with caller.desk.history.reading() as t:
        found = t.notice(_endpoint_of(t, caller, endpoint_id).id, notice_id)
        if found is None:
            raise NotThere(f"endpoint {endpoint_id} has no notice {notice_id}")
        return _notice_out(found, t.attempts_of([found.id])[found.id])


@router.post("/webhooks/{endpoint_id}/notices/{notice_id}/replay")
def replay_notice(caller: _Writer, endpoint_id: NumberInPath, notice_id: _NoticeId) -> ReplayedOut:
    """Send a notice again, whatever became of it, under the same `webhook-id`."""
    with caller.desk.history.transaction() as t:
        found = _endpoint_of(t, caller, endpoint_id)
        count = t.replay_notices(found.id, caller.desk.clock(), number=notice_id)
    if not count:
        raise NotThere(f"endpoint {endpoint_id} has no notice {notice_id}")
    return ReplayedOut(replayed=count)


@router.post("/webhooks/{endpoint_id}/replay")
def replay_dead(caller: _Writer, endpoint_id: NumberInPath) -> ReplayedOut:
    """Send every dead letter of an endpoint again."""
    with caller.desk.history.transaction() as t:
        found = _endpoint_of(t, caller, endpoint_id)
        return ReplayedOut(replayed=t.replay_notices(found.id, caller.desk.clock()))


def _endpoint_of(t: Transaction, caller: Caller, endpoint_id: str) -> Endpoint:
    found = t.endpoint(caller.account_id, number_of(endpoint_id))
    if found is None:
        raise NotThere(f"there is no webhook {endpoint_id}")
    return found


def _checked_secret(given: str | None) -> str:
    if given is None:
        return new_secret()
    try:
        read_secret(given)
    except InputError as error:
        raise InputError(f"secret: {error}") from None
    return given


def _filters(wanted: FiltersIn) -> Filters:
    return Filters(
        types=tuple(wanted.types), campaigns=tuple(wanted.campaigns), tags=tuple(wanted.tags)
    )


def _out(caller: Caller, found: Endpoint) -> EndpointOut:
    return EndpointOut(
        id=str(found.id),
        url=found.url,
        state=found.state,
        description=found.description,
        filters=FiltersOut(
            types=list(found.filters.types),
            campaigns=list(found.filters.campaigns),
            tags=list(found.filters.tags),
        ),
        created_at=found.created_at,
        last_event_id=str(found.last_event_id),
        secrets=len(found.signing_secrets(caller.desk.clock())),
    )


def _notice_out(found: Notice, attempts: list[Attempt]) -> NoticeOut:
    return NoticeOut(
        id=found.id,
        event_id=str(found.event_id),
        state=found.state,
        attempts=found.attempts,
        created_at=found.created_at,
        next_attempt_at=found.next_attempt_at,
        body=found.body,
        history=[
            AttemptOut(at=a.at, seconds=a.seconds, status_code=a.status_code, problem=a.problem)
            for a in attempts
        ],
    )
