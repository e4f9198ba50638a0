"""`mailglass policy`: how closely recipients are tracked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from ..addresses import readable_address
from ..errors import InputError
from ..history import Belongings, OnWithdrawal, Policy, PolicyScope
from ..model import TrackingPolicy
from ._history import account_option, account_or_all, one_account, reading, writing
from ._rows import print_object, print_rows, stamp

__all__ = ["command"]

_json_option = click.option("--json", "as_json", is_flag=True, help="For a program.")
_scope = click.argument("scope", type=click.Choice([s.value for s in PolicyScope]))
_subject = click.argument("subject", required=False, default="")


class NoSuchPolicy(InputError):
    """There is no policy of this scope and subject."""

    id = "no-such-policy"


@click.group()
def command() -> None:
    """Tracking policies: off, anonymous or identified; the strictest that applies holds.

    It is frozen into each copy when the message is accepted. SCOPE is account, domain (of the
    author or the recipient), campaign or recipient; SUBJECT its name, none for the account.
    """


@command.command("list")
@account_option
@_json_option
@click.pass_context
def list_(ctx: click.Context, account: str | None, as_json: bool) -> None:
    """All policies."""
    with reading(ctx) as t:
        found = t.policies(account_or_all(t, account))
        names = {a.id: a.name for a in t.accounts()}
    if as_json:
        for each in found:
            print_object(_fields(each))
        return
    print_rows(
        ("account", "scope", "subject", "tracking", "without consent", "after a no", "since"),
        [
            (
                names.get(p.account_id, "?"),
                p.scope.value,
                readable_address(p.subject) or "-",
                p.mode.value,
                p.without_consent.value if p.without_consent else "the same",
                p.on_withdrawal.value if p.on_withdrawal else "anonymise",
                stamp(p.set_at),
            )
            for p in found
        ],
    )
    if not found:
        click.echo("no policy: every recipient who has not said no is identified")


@command.command("set")
@_scope
@_subject
@click.option("--tracking", type=click.Choice([p.value for p in TrackingPolicy]), required=True)
@click.option(
    "--without-consent",
    type=click.Choice([p.value for p in TrackingPolicy]),
    help="For whoever has not given consent; the same as --tracking when left out.",
)
@click.option(
    "--after-a-no",
    type=click.Choice([w.value for w in OnWithdrawal]),
    help="What becomes of hits recorded before a recipient said no.",
)
@account_option
@_json_option
@click.pass_context
def set_(
    ctx: click.Context,
    scope: str,
    subject: str,
    tracking: str,
    without_consent: str | None,
    after_a_no: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """State a policy for what is accepted from now on, in place of the one that was there."""
    with writing(ctx) as t:
        policy = Policy(
            account_id=one_account(t, account).id,
            scope=PolicyScope(scope),
            subject=subject,
            mode=TrackingPolicy(tracking),
            without_consent=TrackingPolicy(without_consent) if without_consent else None,
            on_withdrawal=OnWithdrawal(after_a_no) if after_a_no else None,
            set_at=datetime.now(UTC),
            set_by="command line",
        )
        policy = Belongings(t, policy.account_id).set_policy(policy)
    if as_json:
        print_object(_fields(policy))
    else:
        click.echo(f"{scope} {policy.subject}".strip() + f": {tracking}")


@command.command()
@_scope
@_subject
@account_option
@_json_option
@click.pass_context
def remove(
    ctx: click.Context, scope: str, subject: str, account: str | None, as_json: bool
) -> None:
    """Let a policy go; what it made stricter is as the others say."""
    with writing(ctx) as t:
        if not t.remove_policy(one_account(t, account).id, PolicyScope(scope), subject):
            raise NoSuchPolicy(
                f"there is no policy for {scope} {subject}".rstrip()
                + "; `mailglass policy list` shows those there are"
            )
    if as_json:
        print_object({"removed": True})
    else:
        click.echo("removed")


def _fields(policy: Policy) -> Mapping[str, object]:
    return {
        "account_id": policy.account_id,
        "scope": policy.scope.value,
        "subject": policy.subject,
        "tracking": policy.mode.value,
        "without_consent": policy.without_consent.value if policy.without_consent else None,
        "after_a_no": policy.on_withdrawal.value if policy.on_withdrawal else None,
        "set_at": policy.set_at.isoformat(),
        "set_by": policy.set_by,
    }
