"""The named statements that act on one person: their no, what is known of them, and forgetting it.

A person is an address, however it is spelt (`addresses.canonical_address`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from ..addresses import canonical_address, spellings
from ..model import TrackingPolicy
from . import schema
from .accounts import AccountStatements
from .counting import Place
from .messages import MessageStatements
from .records import StoredDelivery
from .returns import ReturnStatements
from .rights import Consent, ConsentState, OnWithdrawal, PolicyScope
from .schema.rollups import LEVEL_COUNTERS
from .statements import chunks, json_text, moment
from .suppressions import SuppressionStatements
from .unnamed import UnnamedStatements

__all__ = ["Erased", "PersonStatements", "Withdrawn"]

_RAW_BATCH = 200  # raw mails looked through at a time, some megabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a no has done to what was recorded before."""

    account_id: int
    deliveries: tuple[int, ...]  # whose later hits are kept without identity
    events: int  # of hits, that were anonymised or erased
    what: OnWithdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much of a person was forgotten, by kind."""

    accounts: tuple[int, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


class PersonStatements(
    UnnamedStatements,
    MessageStatements,
    SuppressionStatements,
    ReturnStatements,
    AccountStatements,
):
    """What a transaction can do about one person."""

    def withdraw(
        self,
        account_id: int,
        recipient: str,
        at: datetime,
        *,
        how: str,
        shown: str = "",
        proof: Mapping[str, Any] | None = None,
        state: ConsentState = ConsentState.WITHDRAWN,
    ) -> Withdrawn:
        """A recipient's no, also for mail already sent.

        It is written down, nothing that is sent from now on tracks them, hits of mail already sent
        are kept without identity, and earlier ones are treated as the policy says. The caller also
        tells the spool (`Spool.tighten`), where mail may be waiting.
        """
        self.add_consent(
            Consent(
                account_id=account_id,
                recipient=recipient,
                state=state,
                at=at,
                how=how,
                shown=shown,
                proof=proof or {},
            )
        )
        return self._let_go(account_id, recipient)

    def _let_go(self, account_id: int, recipient: str) -> Withdrawn:
        """Know of a recipient's hits no more whose they are, of those to come neither."""
        ids = tuple(d.id for d in self.deliveries_to(account_id, recipient))
        what = self.on_withdrawal(account_id, recipient)
        self.set_tracking(ids, TrackingPolicy.ANONYMOUS)
        events = self.unname(ids, what)
        return Withdrawn(account_id=account_id, deliveries=ids, events=events, what=what)

    def person(self, account_id: int | None, address: str) -> Mapping[str, Any]:
        """Everything that is known of a person, as JSON (Article 15 and 20 of the GDPR)."""
        names = list(self._names([address]))
        deliveries = self.deliveries_to(account_id, address)
        return {
            "address": address,
            "exported_at": _stamp(datetime.now(UTC)),
            "consents": self._rows(schema.consent, names, account_id),
            "policies": [
                _plain(asdict(p))
                for p in self.policies(account_id)
                if p.scope is PolicyScope.RECIPIENT and p.subject in names
            ],
            "suppressions": self._rows(schema.suppression, names, account_id),
            "deliveries": self._export_deliveries(deliveries),
            "returned_mail": [
                {**_plain(dict(row._mapping)), "at": _stamp(moment(row.at))}
                for row in self._returned_about(account_id, address, deliveries)
            ],
        }

    def _rows(self, table: sa.Table, names: list[str], account_id: int | None) -> list[Any]:
        query = sa.select(table).where(table.c.recipient.in_(names))
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        times = ("at", "since", "expires_at")
        found = []
        for row in self._db.execute(query):
            values = dict(row._mapping)
            values |= {
                k: None if v is None else _stamp(moment(v)) for k, v in values.items() if k in times
            }
            if "proof" in values:
                values["proof"] = orjson.loads(values["proof"])
            found.append(values)
        return found

    def _export_deliveries(self, deliveries: list[StoredDelivery]) -> list[Any]:
        ids = [d.id for d in deliveries]
        events = _by_delivery(self.events_of(ids))
        hits = _by_delivery(self.hits_of(ids))
        messages = {i: self.message(None, str(i)) for i in {d.message_id for d in deliveries}}
        found = []
        for delivery in deliveries:
            message = messages[delivery.message_id]
            assert message is not None
            found.append(
                {
                    "delivery_id": str(delivery.id),
                    "message_id": str(message.id),
                    "account_id": message.account_id,
                    "sent_at": _stamp(message.accepted_at),
                    "author": message.author,
                    "subject": message.subject,
                    "recipient": delivery.recipient,
                    "tracking": delivery.policy.value,
                    "verdict": _plain(asdict(delivery.verdict)),
                    "events": [e.as_json() for e in events.get(delivery.id, [])],
                    "hits": [_plain(asdict(h.hit)) for h in hits.get(delivery.id, [])],
                }
            )
        return found

    def _returned_about(
        self, account_id: int | None, address: str, deliveries: Iterable[StoredDelivery]
    ) -> list[Any]:
        """Rows of mail that came back about a person: to their delivery, or that names them.

        Mail that was kept apart belongs to no account; it is given only for all of them.
        """
        r = schema.returned.c
        found: dict[int, Any] = {}
        for some in chunks(d.id for d in deliveries):
            for row in self._db.execute(sa.select(schema.returned).where(r.delivery_id.in_(some))):
                found[row.id] = row
        if account_id is None:
            for row in self._apart():
                came_to = canonical_address(row.envelope_recipient)
                if _names_them(row.raw, address) or came_to == canonical_address(address):
                    found[row.id] = row
        return [found[number] for number in sorted(found)]

    def _apart(self) -> Iterable[Any]:
        r, last = schema.returned.c, 0
        while True:
            query = sa.select(schema.returned).where(r.id > last, r.delivery_id.is_(None))
            rows = self._db.execute(query.order_by(r.id).limit(_RAW_BATCH)).all()
            if not rows:
                return
            yield from rows
            last = rows[-1].id

    # forgetting

    def erase(self, account_id: int | None, address: str, at: datetime) -> Erased:
        """Forget a person, of one account or of all (Article 17 of the GDPR).

        Their deliveries stay as counts without a recipient. That they must not be written to, and
        are not to be tracked, outlives them under a keyed digest of the address. The caller also
        clears the spool (`Spool.forget_recipient`).
        """
        self.make_veil()
        address = canonical_address(address)
        accounts = [a.id for a in self.accounts() if account_id in (None, a.id)]
        counts: dict[str, int] = {}
        for number in accounts:
            for kind, count in self._erase_in(number, address, at).items():
                counts[kind] = counts.get(kind, 0) + count
        if account_id is None:
            counts["set aside"] = self._erase_poison(address)
        return Erased(accounts=tuple(accounts), counts={k: n for k, n in counts.items() if n})

    def _erase_in(self, account_id: int, address: str, at: datetime) -> dict[str, int]:
        deliveries = self.deliveries_to(account_id, address)
        returned = [row.id for row in self._returned_about(None, address, deliveries)]
        counts = {"deliveries": len(deliveries), "returned mail": len(returned)}
        # before their events go elsewhere, by which the notices are found
        counts["webhook notices"] = self.erase_notices(account_id, deliveries)
        counts["events of hits"] = self._let_go(account_id, address).events
        counts |= self._veil_rights(account_id, address)
        self._refuse_for_good(account_id, address, at)
        for some in chunks(returned):
            self._db.execute(schema.returned.delete().where(schema.returned.c.id.in_(some)))
        self._unaddress(deliveries)
        return counts

    def _refuse_for_good(self, account_id: int, address: str, at: datetime) -> None:
        """Whoever is forgotten is not tracked either, unless they agree to it anew."""
        said = self.consent_states(account_id, [address]).get(address)
        veiled = self.veiled(address)
        assert veiled is not None
        if said in (None, ConsentState.GIVEN):
            self.add_consent(
                Consent(
                    account_id=account_id,
                    recipient=veiled,
                    state=ConsentState.WITHDRAWN,
                    at=at,
                    how="erasure",
                    shown="",
                )
            )

    def _unaddress(self, deliveries: list[StoredDelivery]) -> None:
        """Take the recipient, their domain and the servers' words from deliveries."""
        nowhere = self._domain_numbers([""])[""]
        places = self._places_of([d.id for d in deliveries])
        c, e = schema.delivery.c, schema.event.c
        for some in chunks(d.id for d in deliveries):
            events = self._db.execute(sa.select(schema.event).where(e.delivery_id.in_(some))).all()
            for row in events:
                old = places[row.delivery_id]
                self._count_event(old, row, -1)
                self._count_event(old._replace(domain_id=nowhere), row, 1)
            for number, hour, counter in self._levels(some):
                old = places[number]
                self._count(old, hour, counter, -1)
                self._count(old._replace(domain_id=nowhere), hour, counter, 1)
            self._db.execute(schema.event.update().where(e.delivery_id.in_(some)).values(told="{}"))
            self._tell_again(events)
            self._db.execute(
                schema.delivery.update()
                .where(c.id.in_(some))
                .values(recipient="", person="", domain_id=nowhere, verdict_evidence="[]")
            )
            for number in some:
                places[number] = places[number]._replace(domain_id=nowhere)

    def _count_event(self, place: Place, row: Any, number: int) -> None:  # a row of `event`
        if row.path_kind is None:
            self._count(place, int(row.at // 3600), row.type.value, number)
        else:
            self._count_hit(place, row.at, (row.path_kind, row.target, row.type, row.who), number)

    def _tell_again(self, events: Iterable[Any]) -> None:  # rows of `event`
        """Keep of what was told what the verdict goes by and says nothing of anybody: without it
        a program's answer would come to be a person's."""
        kept = [{"event": row.id, "text": text} for row in events if (text := _bearing(row.told))]
        if kept:
            c = schema.event.c
            change = schema.event.update().where(c.id == sa.bindparam("event"))
            self._db.execute(change.values(told=sa.bindparam("text")), kept)

    def _levels(self, delivery_ids: Iterable[int]) -> list[tuple[int, int, str]]:
        c = schema.delivery.c
        rows = self._db.execute(sa.select(c.id, c.level).where(c.id.in_(list(delivery_ids)))).all()
        return [(r.id, self._places[r.id].accepted_hour, LEVEL_COUNTERS[r.level]) for r in rows]

    def _veil_rights(self, account_id: int, address: str) -> dict[str, int]:
        self._respell(account_id, address)
        veiled = self.veiled(address)
        assert veiled is not None
        s, p, c = schema.suppression.c, schema.policy.c, schema.consent.c
        # of two, the suppression that stands under the address is the newer one
        if self._db.execute(
            sa.select(s.since).where(s.account_id == account_id, s.recipient == address)
        ).first():
            self._db.execute(
                schema.suppression.delete().where(s.account_id == account_id, s.recipient == veiled)
            )
        suppressed = self._db.execute(
            schema.suppression.update()
            .where(s.account_id == account_id, s.recipient == address)
            .values(recipient=veiled, evidence="")
        )
        self.remove_policy_of_both(account_id, address, veiled)
        policies = self._db.execute(
            schema.policy.update()
            .where(
                p.account_id == account_id,
                p.scope == PolicyScope.RECIPIENT.value,
                p.subject == address,
            )
            .values(subject=veiled)
        )
        consents = self._db.execute(
            schema.consent.update()
            .where(c.account_id == account_id, c.recipient == address)
            .values(recipient=veiled, proof="{}")
        )
        return {
            "suppressions": suppressed.rowcount,
            "policies": policies.rowcount,
            "consents": consents.rowcount,
        }

    def _respell(self, account_id: int, address: str) -> None:
        """Bring what an earlier version wrote down under U-labels to the form for comparing."""
        s, p, c = schema.suppression.c, schema.policy.c, schema.consent.c
        recipients = p.scope == PolicyScope.RECIPIENT.value
        for old in spellings(address)[1:]:
            self._db.execute(
                schema.consent.update()
                .where(c.account_id == account_id, c.recipient == old)
                .values(recipient=address)
            )
            for table, name, mine in (
                (schema.suppression, s.recipient, s.account_id == account_id),
                (schema.policy, p.subject, sa.and_(p.account_id == account_id, recipients)),
            ):
                if self._db.execute(sa.select(name).where(mine, name == address)).first():
                    self._db.execute(table.delete().where(mine, name == old))
                else:
                    change = table.update().where(mine, name == old)
                    self._db.execute(change.values({name: address}))

    def remove_policy_of_both(self, account_id: int, address: str, veiled: str) -> None:
        """Let go of a veiled policy that a newer one, under the address, is to replace."""
        p = schema.policy.c
        mine = (p.account_id == account_id, p.scope == PolicyScope.RECIPIENT.value)
        if self._db.execute(sa.select(p.id).where(*mine, p.subject == address)).first():
            self._db.execute(schema.policy.delete().where(*mine, p.subject == veiled))

    def _erase_poison(self, address: str) -> int:
        p = schema.poison.c
        rows = self._db.execute(sa.select(p.id, p.raw)).all()
        named = [row.id for row in rows if _names_them(row.raw, address)]
        for number in named:
            self._db.execute(schema.poison.delete().where(p.id == number))
        return len(named)


def _names_them(raw: bytes, address: str) -> bool:
    text = bytes(raw).decode("utf-8", "replace").lower()
    return any(form in text for form in spellings(address))


_BEARING = ("by_another", "probability_human", "actor", "sent_by")
_AUTOMATIC = "automatic-action"  # RFC 8098 section 3.2.6.1


def _bearing(told: str | None) -> str | None:
    """What bears on a verdict in the JSON of what was told; None when nothing does."""
    raw = orjson.loads(told or "{}").get("raw", {})
    kept = {name: raw[name] for name in _BEARING if name in raw}
    if _AUTOMATIC in str(raw.get("disposition", "")).lower():
        kept["disposition"] = _AUTOMATIC
    return json_text({"raw": kept}) if kept else None


def _by_delivery(items: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for item in items:
        owner = item.delivery_id
        found.setdefault(owner, []).append(item)
    return found


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:  # Any: JSON
    """Records as JSON: times as RFC 3339, bytes as text where they are, numbers kept exact."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value
