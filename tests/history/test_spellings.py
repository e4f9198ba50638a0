"""A no holds however the domain of an address is spelt, also beside what an older version kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from test_rights import (
    ANONYMOUS,
    CROWD,
    IDENTIFIED,
    NOW,
    OFF,
    House,
    asked,
    policy,
    say,
    suppression,
)

from mailglass.history import (
    ConsentState,
    DeliveryFilters,
    Dimension,
    MessageSearch,
    PolicyScope,
    schema,
)

A_LABELS, U_LABELS, UPPER = "x@xn--fsqu00a.cn", "x@例子.cn", "X@XN--FSQU00A.cn."
PAIRS = [(A_LABELS, U_LABELS), (U_LABELS, A_LABELS), (U_LABELS, UPPER)]
both_ways = pytest.mark.parametrize(("said", "sent"), PAIRS)


@pytest.fixture
def house(history_address: str) -> Iterator[House]:
    house = House(history_address)
    yield house
    house.history.close()


def keep_as_an_older_version(house: House, table: sa.Table, column: str) -> None:
    """What was written under the form for comparing stands under U-labels, as it once did."""
    with house.history.transaction() as t:
        t._db.execute(table.update().values({column: "x@例子.cn"}))


@both_ways
def test_a_suppression_holds_for_both_spellings(house: House, said: str, sent: str) -> None:
    with house.history.transaction() as t:
        t.suppress(suppression(house, said))
        (entry,) = t.suppressions(NOW, recipients=[sent])
        assert entry.recipient == A_LABELS
        t.suppress(suppression(house, sent))
        assert len(t.suppressions(NOW)) == 1
        assert t.unsuppress(house.account.id, sent)
        assert t.suppressions(NOW) == []


@both_ways
def test_a_no_holds_for_both_spellings(house: House, said: str, sent: str) -> None:
    house.send(1, sent)
    house.open(101)
    done = house.withdraw(said)
    assert done.deliveries == (101,)
    with house.history.reading() as t:
        assert asked(t, house, sent) == {A_LABELS: OFF}
        assert t.consent_states(house.account.id, [sent]) == {A_LABELS: ConsentState.WITHDRAWN}
        assert [c.recipient for c in t.consents(None, sent)] == [A_LABELS]
    assert "192.0.2.77" not in house.dump()


@both_ways
def test_a_policy_of_a_recipient_or_domain_holds_for_both_spellings(
    house: House, said: str, sent: str
) -> None:
    policy(house, PolicyScope.DOMAIN, said.partition("@")[2], ANONYMOUS)
    with house.history.reading() as t:
        assert asked(t, house, sent) == {A_LABELS: ANONYMOUS}
        found = t.policies_for(house.account.id, sent.partition("@")[2], None, ["y@x.test"])
        assert found == {"y@x.test": ANONYMOUS}
    policy(house, PolicyScope.RECIPIENT, said, OFF)
    with house.history.transaction() as t:
        assert asked(t, house, sent) == {A_LABELS: OFF}
        for scope, name in [(PolicyScope.RECIPIENT, sent), (PolicyScope.DOMAIN, sent[2:])]:
            assert t.remove_policy(house.account.id, scope, name)
        assert asked(t, house, sent) == {}


@both_ways
def test_a_person_is_exported_and_erased_under_both_spellings(
    house: House, said: str, sent: str
) -> None:
    house.send(1, sent, *CROWD)
    house.open(101)
    with house.history.transaction() as t:
        t.suppress(suppression(house, sent))
        t.add_returned(NOW, "bounce@home.test", f"To: {sent.rstrip('.')}\r\n\r\n".encode())
    with house.history.transaction() as t:
        found = t.person(None, said)
        assert [d["delivery_id"] for d in found["deliveries"]] == ["101"]
        assert len(found["suppressions"]) == len(found["returned_mail"]) == 1
        erased = t.erase(None, said, NOW)
        assert erased.counts["deliveries"] == erased.counts["suppressions"] == 1
    assert not [word for word in ("例子", "fsqu00a") if f"x@{word}" in house.dump().lower()]
    with house.history.reading() as t:
        assert len(t.suppressions(NOW, recipients=[sent])) == 1
        assert asked(t, house, sent) == {A_LABELS: OFF}


@both_ways
def test_mail_is_found_and_counted_under_both_spellings(house: House, said: str, sent: str) -> None:
    house.send(1, sent)
    house.send(2, said)
    account = house.account.id
    with house.history.reading() as t:
        for name in (said, sent):
            domain = name.partition("@")[2]
            for filters in (
                DeliveryFilters(recipient=name),
                DeliveryFilters(recipient_domain=domain),
            ):
                assert len(t.list_deliveries(account, filters, before=None, limit=9)) == 2
            for search in (MessageSearch(words=name), MessageSearch(domain=domain)):
                assert len(t.find_messages(account, search)) == 2
        (row,) = t.counts(account, Dimension.DOMAIN)
        assert row["delivered"] == 2


def test_what_an_older_version_kept_under_u_labels_still_holds(house: House) -> None:
    house.send(1, U_LABELS)
    house.open(101)
    policy(house, PolicyScope.RECIPIENT, U_LABELS, ANONYMOUS)
    say(house, U_LABELS, ConsentState.REFUSED)
    with house.history.transaction() as t:
        t.suppress(suppression(house, U_LABELS))
    for table, column in [
        (schema.policy, "subject"),
        (schema.consent, "recipient"),
        (schema.suppression, "recipient"),
        (schema.delivery, "person"),
    ]:
        keep_as_an_older_version(house, table, column)
    for name in (A_LABELS, U_LABELS):
        with house.history.reading() as t:
            assert asked(t, house, name) == {A_LABELS: OFF}
            assert len(t.suppressions(NOW, recipients=[name])) == 1
            assert len(t.person(None, name)["deliveries"]) == 1
    policy(house, PolicyScope.RECIPIENT, A_LABELS, IDENTIFIED)
    with house.history.transaction() as t:
        assert [p.mode for p in t.policies(None)] == [IDENTIFIED]
        t._db.execute(schema.policy.insert().values(_old_policy(house)))
        assert t.erase(None, A_LABELS, NOW).counts["consents"] == 1
    assert "x@" not in house.dump().lower()
    with house.history.reading() as t:
        assert len(t.suppressions(NOW, recipients=[U_LABELS])) == 1


def _old_policy(house: House) -> dict[str, object]:
    return {
        "account_id": house.account.id,
        "scope": "recipient",
        "subject": U_LABELS,
        "mode": "off",
        "set_at": 0.0,
        "set_by": "an older version",
    }


def test_who_was_erased_under_u_labels_is_still_refused(house: House) -> None:
    with house.history.transaction() as t:
        t.make_veil()
        key = t._veil_key()
        assert key is not None
        from mailglass.history.rights import _veil  # as an older version digested the address

        t.suppress(suppression(house, _veil(U_LABELS, key)))
        assert len(t.suppressions(NOW, recipients=[A_LABELS])) == 1
