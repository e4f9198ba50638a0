"""The named statements about how closely recipients may be tracked: policies and consents.

Several policies can apply to a recipient: of the account, of the sending domain or the recipient's
own, of the campaign, of the recipient. The strictest holds. A policy may ask for consent: then it
names what holds for whoever has not given any. A recipient who refused or withdrew is not tracked.

An address that was erased stands here, and among the suppressions, only as its keyed digest, so
that a no outlives the erasure without saying whose it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson
import sqlalchemy as sa

from ..addresses import canonical_address, canonical_domain, domain_of, domain_spellings, spellings
from ..model import TrackingPolicy
from . import schema
from .statements import Statements, insert_new, json_text, moment

__all__ = [
    "Consent",
    "ConsentState",
    "OnWithdrawal",
    "Policy",
    "PolicyScope",
    "RightsStatements",
]

_VEIL = "veil"  # the secret's name
_KEY_BYTES = 32
_CHUNK = 400  # names in a statement, far below what SQLite takes


class PolicyScope(StrEnum):
    """What a policy is about."""

    ACCOUNT = "account"
    DOMAIN = "domain"  # of the author or of the recipient
    CAMPAIGN = "campaign"
    RECIPIENT = "recipient"


class OnWithdrawal(StrEnum):
    """What becomes of the hits that were recorded before a recipient said no."""

    ANONYMISE = "anonymise"  # they stay as counts of the message, where it has enough recipients
    ERASE = "erase"


class ConsentState(StrEnum):
    """What a recipient said about being tracked."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How closely an account tracks those that `scope` and `subject` name."""

    account_id: int
    scope: PolicyScope
    subject: str  # in the form for comparing; empty for the account itself
    mode: TrackingPolicy
    without_consent: TrackingPolicy | None = None  # for whoever has not consented; None: as `mode`
    on_withdrawal: OnWithdrawal | None = None  # None: anonymise, unless another policy says erase
    set_at: datetime
    set_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a recipient said, when, how, and what they were shown: the proof of it."""

    account_id: int
    recipient: str  # in the form for comparing
    state: ConsentState
    at: datetime
    how: str  # form, notice page, mail, import, ...
    shown: str  # the words that the person was shown
    proof: Mapping[str, Any] = field(default_factory=dict)  # where it came from
    id: int = 0  # given when it is stored


class RightsStatements(Statements):
    """What a transaction can do with policies and consents."""

    def set_policy(self, policy: Policy) -> None:
        """State a policy, in place of the one of the same scope and subject."""
        self.remove_policy(policy.account_id, policy.scope, policy.subject)
        without = policy.without_consent
        self._db.execute(
            schema.policy.insert().values(
                account_id=policy.account_id,
                scope=policy.scope.value,
                subject=_subject(policy.scope, policy.subject),
                mode=policy.mode.value,
                without_consent=without.value if without else None,
                on_withdrawal=policy.on_withdrawal.value if policy.on_withdrawal else None,
                set_at=policy.set_at.timestamp(),
                set_by=policy.set_by,
            )
        )

    def remove_policy(self, account_id: int, scope: PolicyScope, subject: str) -> bool:
        """Let a policy go; False when there was none."""
        c = schema.policy.c
        done = self._db.execute(
            schema.policy.delete().where(
                c.account_id == account_id,
                c.scope == scope.value,
                c.subject.in_(self._subjects(scope, subject)),
            )
        )
        return bool(done.rowcount)

    def _subjects(self, scope: PolicyScope, subject: str) -> list[str]:
        """The names under which a policy's subject may stand here."""
        if scope is PolicyScope.DOMAIN:
            # and as it was given: an earlier version took what is no domain
            return [*domain_spellings(subject), subject.lower()]
        return list(self._names([subject]))

    def policies(self, account_id: int | None) -> list[Policy]:
        """All policies of an account (of all with None)."""
        c = schema.policy.c
        query = sa.select(schema.policy).order_by(c.account_id, c.scope, c.subject)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        return [_policy(row) for row in self._db.execute(query)]

    def policies_for(
        self, account_id: int, author_domain: str, campaign: str | None, recipients: Sequence[str]
    ) -> dict[str, TrackingPolicy]:
        """How closely each recipient may be tracked, by address in the form for comparing.

        Those who may be identified are left out.
        """
        addresses = sorted({canonical_address(r) for r in recipients})
        by_subject = self._applying(account_id, author_domain, campaign, addresses)
        said = self.consent_states(account_id, addresses)
        found: dict[str, TrackingPolicy] = {}
        for address in addresses:
            applying = _of(by_subject, address, author_domain, campaign)
            mode = TrackingPolicy.strictest(_modes(applying, said.get(address)))
            if mode is not TrackingPolicy.IDENTIFIED:
                found[address] = mode
        return found

    def on_withdrawal(self, account_id: int, recipient: str) -> OnWithdrawal:
        """What becomes of a recipient's earlier hits: the strictest of what the policies say."""
        c = schema.policy.c
        subjects = ["", *domain_spellings(domain_of(recipient)), *self._names([recipient])]
        erasing = sa.select(c.id).where(
            c.account_id == account_id,
            c.on_withdrawal == OnWithdrawal.ERASE.value,
            sa.or_(c.subject.in_(subjects), c.scope == PolicyScope.CAMPAIGN.value),
        )
        found = self._db.execute(erasing.limit(1)).first()
        return OnWithdrawal.ERASE if found else OnWithdrawal.ANONYMISE

    def _applying(
        self, account_id: int, author_domain: str, campaign: str | None, addresses: Sequence[str]
    ) -> dict[tuple[PolicyScope, str], list[Policy]]:
        c = schema.policy.c
        domains = {canonical_domain(author_domain), *map(domain_of, addresses)}
        names = self._names(addresses)
        names |= {name: domain for domain in domains for name in domain_spellings(domain)}
        subjects = sorted({"", (campaign or "").lower(), *names})
        found: dict[tuple[PolicyScope, str], list[Policy]] = {}
        for start in range(0, len(subjects), _CHUNK):
            query = sa.select(schema.policy).where(
                c.account_id == account_id, c.subject.in_(subjects[start : start + _CHUNK])
            )
            for row in self._db.execute(query):
                policy = _policy(row)
                subject = policy.subject
                if policy.scope is not PolicyScope.CAMPAIGN:
                    subject = names.get(subject, subject)
                found.setdefault((policy.scope, subject), []).append(policy)
        return found

    # consents

    def add_consent(self, consent: Consent) -> int:
        """Write down what a recipient said; nothing that was said before is changed."""
        row = self._db.execute(
            schema.consent.insert().values(
                account_id=consent.account_id,
                recipient=canonical_address(consent.recipient),
                state=consent.state.value,
                at=consent.at.timestamp(),
                how=consent.how,
                shown=consent.shown,
                proof=json_text(dict(consent.proof)),
            )
        ).inserted_primary_key
        assert row is not None
        return int(row[0])

    def consents(
        self,
        account_id: int | None,
        recipient: str | None = None,
        *,
        after: int = 0,
        limit: int = 100,
    ) -> list[Consent]:
        """What was said to an account (to all with None), by one recipient or all, in the order
        in which it was written down, above the number `after`."""
        c = schema.consent.c
        query = sa.select(schema.consent).where(c.id > after).order_by(c.id).limit(limit)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        if recipient is not None:
            query = query.where(c.recipient.in_(list(self._names([recipient]))))
        return [_consent(row) for row in self._db.execute(query)]

    def consent_states(self, account_id: int, recipients: Sequence[str]) -> dict[str, ConsentState]:
        """What each recipient said last, by address in the form for comparing; those who said
        nothing are left out."""
        addresses = self._names(recipients)
        c = schema.consent.c
        last: dict[str, tuple[float, int, ConsentState]] = {}
        names = list(addresses)
        for start in range(0, len(names), _CHUNK):
            query = sa.select(c.recipient, c.at, c.id, c.state).where(
                c.account_id == account_id, c.recipient.in_(names[start : start + _CHUNK])
            )
            for row in self._db.execute(query):
                said = row.at, row.id, ConsentState(row.state)
                address = addresses[row.recipient]
                last[address] = max(last.get(address, said), said)
        return {address: said[2] for address, said in last.items()}

    # addresses that are kept only as a digest

    def make_veil(self) -> None:
        """Have a key under which addresses can be veiled; made with the first erasure."""
        row = {"name": _VEIL, "value": secrets.token_bytes(_KEY_BYTES)}
        self._db.execute(insert_new(self._db, schema.secret).values(row))

    def veiled(self, address: str) -> str | None:
        """The name under which an erased address goes on to be refused: `#` and a keyed digest.

        None when nothing was ever erased.
        """
        key = self._veil_key()
        return None if key is None else _veil(canonical_address(address), key)

    def _names(self, addresses: Iterable[str]) -> dict[str, str]:
        """The names under which addresses may stand here, each with its address in the form for
        comparing."""
        found = {name: forms[0] for forms in map(spellings, addresses) for name in forms}
        key = self._veil_key()
        if key is not None:
            found |= {_veil(name, key): address for name, address in list(found.items())}
        return found

    def _veil_key(self) -> bytes | None:
        known: bytes | None = self._memory.value_of(_VEIL, 0)
        if known is None:
            c = schema.secret.c
            known = self._db.execute(sa.select(c.value).where(c.name == _VEIL)).scalar()
            if known is not None:
                self._memory.learn_value(_VEIL, 0, bytes(known))
        return None if known is None else bytes(known)


def _subject(scope: PolicyScope, subject: str) -> str:
    if scope is PolicyScope.DOMAIN:
        return canonical_domain(subject)
    return canonical_address(subject) if scope is PolicyScope.RECIPIENT else subject.lower()


def _veil(address: str, key: bytes) -> str:
    return f"#{blake2b(address.encode(), key=key, digest_size=16).hexdigest()}"


def _policy(row: Any) -> Policy:  # a row of a select, which SQLAlchemy types as Any
    return Policy(
        account_id=row.account_id,
        scope=PolicyScope(row.scope),
        subject=row.subject,
        mode=TrackingPolicy(row.mode),
        without_consent=TrackingPolicy(row.without_consent) if row.without_consent else None,
        on_withdrawal=OnWithdrawal(row.on_withdrawal) if row.on_withdrawal else None,
        set_at=moment(row.set_at),
        set_by=row.set_by,
    )


def _consent(row: Any) -> Consent:  # as above
    return Consent(
        id=row.id,
        account_id=row.account_id,
        recipient=row.recipient,
        state=ConsentState(row.state),
        at=moment(row.at),
        how=row.how,
        shown=row.shown,
        proof=orjson.loads(row.proof),
    )


def _of(
    by_subject: Mapping[tuple[PolicyScope, str], list[Policy]],
    address: str,
    author_domain: str,
    campaign: str | None,
) -> list[Policy]:
    keys = [
        (PolicyScope.ACCOUNT, ""),
        (PolicyScope.DOMAIN, canonical_domain(author_domain)),
        (PolicyScope.DOMAIN, domain_of(address)),
        (PolicyScope.CAMPAIGN, (campaign or "").lower()),
        (PolicyScope.RECIPIENT, address),
    ]
    return [policy for key in keys for policy in by_subject.get(key, ())]


def _modes(applying: Sequence[Policy], said: ConsentState | None) -> list[TrackingPolicy]:
    modes = [policy.mode for policy in applying]
    if said is ConsentState.GIVEN:
        return modes
    if said is not None:
        return [TrackingPolicy.OFF]
    return modes + [p.without_consent for p in applying if p.without_consent is not None]
