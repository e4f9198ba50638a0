"""What belongs to an account, and the rules by which more of it comes and goes.

The API, the dashboard and the command line ask here, so that all of them refuse the same things in
the same words (`REFUSALS`; the dashboard tells them in the reader's language).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ..addresses import canonical_address, check_address, check_domain
from ..errors import InputError
from .domains import Domain, DomainKind
from .keys import ApiKey, Scope
from .records import Role, User
from .rights import Policy, PolicyScope
from .store import Transaction
from .webhooks import Endpoint, EndpointState, Filters

__all__ = ["REFUSALS", "Belongings", "Conflict", "LastOwner"]

# Nobody needs more, and each costs something: a key is looked for with every request, a tracking
# domain with every certificate, and an endpoint gets a copy of every event.
_MOST_KEYS = 1_000  # good ones
_MOST_DOMAINS = 1_000  # of each kind
_MOST_ENDPOINTS = 50

REFUSALS = {
    "taken": "{name} is taken already",
    "passed": "expires_at: that time has passed",
    "keys": "the account has {n} keys; revoke some first",
    "domains": "the account has {n} of these domains; remove one first",
    "endpoints": "the account has {n} endpoints; remove one first",
    "user": "there is no such user in this account",
    "owner": "the only owner of an account must stay one; make somebody else an owner first",
    "subject": "name the domain, campaign or recipient; a policy of the account names none",
}


class Conflict(InputError):
    """The thing is not in the state that the request needs."""

    id = "conflict"


class LastOwner(InputError):
    """The only owner of an account cannot be removed."""

    id = "last-owner"


@dataclass(frozen=True, slots=True)
class Belongings:
    """Those of one account, within a transaction."""

    t: Transaction
    account_id: int

    def add_key(
        self,
        name: str,
        scopes: Iterable[Scope],
        at: datetime,
        *,
        expires_at: datetime | None = None,
        created_by: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which is kept nowhere; raises Conflict, InputError."""
        if expires_at is not None and expires_at <= at:
            raise InputError(REFUSALS["passed"])
        if sum(key.is_good(at) for key in self.t.keys(self.account_id)) >= _MOST_KEYS:
            raise Conflict(REFUSALS["keys"].format(n=_MOST_KEYS))
        return self.t.add_key(
            self.account_id, name, scopes, at, expires_at=expires_at, created_by=created_by
        )

    def add_domain(self, kind: DomainKind, name: str, at: datetime) -> Domain:
        """A new domain, by its name in the DNS; raises Conflict."""
        if self.t.is_domain_taken(self.account_id, kind, name):
            raise Conflict(REFUSALS["taken"].format(name=name))
        if len(self.t.domains(self.account_id, kind)) >= _MOST_DOMAINS:
            raise Conflict(REFUSALS["domains"].format(n=_MOST_DOMAINS))
        return self.t.add_domain(self.account_id, kind, name, at)

    def add_endpoint(
        self, url: str, secret: str, at: datetime, *, filters: Filters, description: str = ""
    ) -> Endpoint:
        """A new endpoint, which hears of what happens from now on; raises Conflict."""
        if len(self.t.endpoints(self.account_id)) >= _MOST_ENDPOINTS:
            raise Conflict(REFUSALS["endpoints"].format(n=_MOST_ENDPOINTS))
        return self.t.add_endpoint(
            self.account_id,
            url,
            secret,
            filters=filters,
            description=description,
            last_event_id=self.t.last_event_id(),
            at=at,
        )

    def change_endpoint(
        self,
        found: Endpoint,
        *,
        url: str | None = None,
        filters: Filters | None = None,
        description: str | None = None,
        state: EndpointState | None = None,
    ) -> None:
        """Change what is given; what happened while it was disabled is not sent afterwards."""
        disabled = EndpointState.DISABLED
        is_back = found.state is disabled and state not in (None, disabled)
        self.t.change_endpoint(
            found.id,
            url=url,
            filters=filters,
            description=description,
            state=state,
            last_event_id=self.t.last_event_id() if is_back else None,
        )

    def set_role(self, user_id: int, role: Role) -> None:
        """What a user may do from now on; raises LastOwner, InputError."""
        self._keep_an_owner(user_id, is_owner=role is Role.OWNER)
        self.t.set_role(user_id, role)

    def remove_user(self, user_id: int, at: datetime) -> None:
        """A user comes in no more, and is signed out everywhere; raises LastOwner, InputError."""
        self._keep_an_owner(user_id, is_owner=False)
        self.t.disable_user(user_id, at)

    def _keep_an_owner(self, user_id: int, *, is_owner: bool) -> None:
        known: dict[int, User] = {user.id: user for user in self.t.users(self.account_id)}
        if user_id not in known:
            raise InputError(REFUSALS["user"])
        owners = {number for number, user in known.items() if user.role is Role.OWNER}
        if not is_owner and owners == {user_id}:
            raise LastOwner(REFUSALS["owner"])

    def set_policy(self, policy: Policy) -> Policy:
        """State a policy, in place of the one of the same scope and subject, and return it as it is
        kept; raises InputError for a subject that no recipient could fit."""
        subject = policy.subject.strip()
        if (policy.scope is PolicyScope.ACCOUNT) == bool(subject):
            raise InputError(REFUSALS["subject"])
        if policy.scope is PolicyScope.DOMAIN:
            subject = check_domain(subject)
        elif policy.scope is PolicyScope.RECIPIENT:
            subject = canonical_address(check_address(subject))
        kept = replace(policy, subject=subject)
        self.t.set_policy(kept)
        return kept
